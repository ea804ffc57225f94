"""The faults that a mesh's incidents are compared with: ours, the user's own, less those off."""

from __future__ import annotations

import difflib
from pathlib import Path

from detector.errors import SettingsError
from detector.settings import SignatureSettings
from detector.signatures.faults import CatalogueError, Fault, check_unique, load
from detector.signatures.matching import catalogue


def selected(settings: SignatureSettings) -> tuple[Fault, ...]:
    """The faults that are looked for: all `offered` ones but those that are off.

    Raises:
        CatalogueError: a file of the folder is damaged, or there is no such folder.
        SettingsError: a fault that is to be off is unknown.
    """
    return tuple(fault for fault in offered(settings) if fault.id not in settings.off)


def offered(settings: SignatureSettings) -> tuple[Fault, ...]:
    """The catalogue and the user's own entries, those first, and in place of ours.

    Raises:
        CatalogueError: a file of the folder is damaged, or there is no such folder.
        SettingsError: a fault that is to be off is unknown.
    """
    own = _own(Path(settings.folder)) if settings.folder else ()
    replaced = {fault.id for fault in own}
    faults = [*own, *(fault for fault in catalogue() if fault.id not in replaced)]
    known = [fault.id for fault in faults]
    for unknown in sorted(set(settings.off) - set(known)):
        near = difflib.get_close_matches(unknown, known, 1)
        hint = f"Did you mean {near[0]}?" if near else "'pushwake signatures' lists them"
        raise SettingsError(f"no fault has the id {unknown}", where="signatures.off", advice=hint)
    return tuple(faults)


def _own(folder: Path) -> tuple[Fault, ...]:
    if not folder.is_dir():
        raise CatalogueError(
            "there is no such folder",
            where=f"signatures.folder: {folder}",
            advice="Name a folder with .toml files, or leave the setting empty",
        )
    faults: list[Fault] = []
    for path in sorted(folder.glob("*.toml")):
        faults += load(_text(path), str(path))
    check_unique(faults, str(folder))
    return tuple(faults)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"cannot be read ({error})", where=str(path), advice="Mend the file, or remove it"
        ) from error
