"""How results leave a command: files written whole."""

from __future__ import annotations

import sys
from pathlib import Path

from detector.errors import InputError


def write(path: Path, content: bytes) -> None:
    """Write a result whole, or leave what was there.

    Raises:
        InputError: the path cannot be written.
    """
    if path == Path("-"):
        sys.stdout.buffer.write(content)
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(
            f"cannot be written ({error.strerror})",
            where=str(path),
            advice="Name a file in a folder that exists and is yours",
        ) from error
