"""Settings from a TOML file, the environment and ``--set``, later ones winning.

Environment variables are ``PUSHWAKE_SECTION__KEY``; ``--set`` takes ``section.key=value``.
Nothing is silently ignored: an unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detector.errors import SettingsError
from detector.settings import Setting, Settings, describe
from pipelines.formats.custom import AccessFormat, FormatError

PREFIX = "PUSHWAKE_"
DEFAULT_FILE = Path("pushwake.toml")
_LIST = "pushwake settings"


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
) -> Settings:
    """The settings of this run, checked as a whole.

    Args:
        path: a TOML file; it must exist when given. Without one, defaults are the ground.
        environment: variables to look through, usually ``os.environ``.
        overrides: ``section.key=value`` texts, as ``--set`` takes them.

    Raises:
        SettingsError: naming the file, variable or flag at fault and what to write instead.
    """
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, value, origin in (
        *_from_file(path),
        *_from_environment(environment or {}),
        *_from_overrides(overrides),
    ):
        known = _known(key, origin)
        head, _, rest = key.partition(".")
        tree.setdefault(head, {})[rest] = _typed(value, known, origin)
        origins[key] = origin
    return _checked(tree, origins)


def _from_file(path: Path | None) -> Iterator[tuple[str, Any, str]]:
    if path is None:
        return
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"cannot be read ({error.strerror})",
            where=str(path),
            advice="Name a readable TOML file, or leave the option out",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"is no valid TOML ({error})",
            where=str(path),
            advice="Correct the line it names; strings need quotes",
        ) from error
    for head, section in document.items():
        if not isinstance(section, dict):
            _known(head, str(path))
        for name, value in section.items():
            yield f"{head}.{name}", value, f"{path}: {head}.{name}"


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for variable, value in sorted(environment.items()):
        if variable.startswith(PREFIX) and "__" in variable:
            head, _, name = variable.removeprefix(PREFIX).partition("__")
            yield f"{head}.{name}".lower(), value, f"environment variable {variable}"


def _from_overrides(overrides: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(
                "has no '='",
                where=f"--set {text}",
                advice="Write it as --set section.key=value",
            )
        yield key.strip(), value.strip(), f"--set {text}"


def _known(key: str, origin: str) -> Setting:
    """The row of the table that ``key`` belongs to; names below ``formats`` are free."""
    rows = {row.key: row for row in describe()}
    sections = {row.partition(".")[0] for row in rows}
    head, _, name = key.partition(".")
    if not name and head in sections:
        raise SettingsError(
            f"{head} is a section, not a setting",
            where=origin,
            advice=f"Name a setting in it: {head}.NAME here, a line below [{head}] in a file",
        )
    if head == "formats":
        return rows[head]
    if key in rows:
        return rows[key]
    near = difflib.get_close_matches(key, rows, n=1) or difflib.get_close_matches(head, sections)
    advice = f"Did you mean {near[0]}?" if near else f"`{_LIST}` lists the known ones"
    raise SettingsError(f"unknown setting {key}", where=origin, advice=advice)


def _typed(value: object, known: Setting, origin: str) -> object:
    """A text from outside as the TOML value it spells, where the setting is not a text."""
    if isinstance(value, str) and known.type != "str" and known.key != "formats":
        value = _spelled(value, known.type)
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(
            "must be finite", where=origin, advice=f"The default is {known.default}"
        )
    return value


def _spelled(text: str, kind: str) -> object:
    try:
        document = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        document = {}
    if document.keys() == {"value"}:
        return document["value"]
    return [part for part in text.split(",") if part] if kind.startswith("tuple") else text


def _checked(tree: dict[str, Any], origins: dict[str, str]) -> Settings:
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        fact, _, place = str(error).rpartition(" - at `$.")
        key = place.rstrip("`").partition("[")[0]
        rows = {row.key: row for row in describe()}
        default = f"; the default is {rows[key].default!r}" if key in rows else ""
        help_text = rows[key].help if key in rows else f"`{_LIST}` shows what fits"
        raise SettingsError(
            f"{fact[:1].lower()}{fact[1:]}".replace("`", "") + default,
            where=origins.get(key, key),
            advice=help_text.rstrip("."),
        ) from error


def digest(settings: Settings) -> str:
    """A short hash of all settings, equal when they are."""
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()[:12]


def formats_of(settings: Settings) -> list[AccessFormat]:
    """The compiled accessLogFormats of the settings.

    Raises:
        SettingsError: naming the format and the place in it that is malformed.
    """
    compiled = []
    for name, text in settings.formats.items():
        try:
            compiled.append(AccessFormat.compile(text))
        except FormatError as error:
            raise SettingsError(
                str(error),
                where=f"formats.{name}",
                advice="Copy accessLogFormat from the mesh's configuration as it stands there",
            ) from error
    return compiled
