"""The chart library as one script for browsers, kept in the user's cache once it was made.

To make it takes seconds in which nothing else of the process runs.
"""

from __future__ import annotations

import functools
import os
import tempfile
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import vl_convert

_ENTRY = "window.vegaEmbed = vegaEmbed;"

VERSION = blake2b(f"{version('vl-convert-python')} {_ENTRY}".encode(), digest_size=6).hexdigest()
"""Names the script's content without making it."""


@functools.cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the chart library's own copy.

    Raises:
        ValueError: when the script could end its own element.
    """
    kept = _place()
    with suppress(OSError, UnicodeDecodeError):
        code, _, mark = kept.read_text("utf-8").rpartition("\n// ")
        if mark == _mark(code):
            return code
    code = vl_convert.javascript_bundle(_ENTRY)
    if "</script" in code.lower() or "<!--" in code:
        raise ValueError("the chart library's script cannot stand inside a page")
    with suppress(OSError):  # a read-only file system: made anew by the next process
        _keep(f"{code}\n// {_mark(code)}", kept)
    return code


def _place() -> Path:
    """Where the script is kept, as of the XDG base directory specification."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache, "pushwake", f"charts-{VERSION}.js")


def _mark(code: str) -> str:
    """What a kept script that was cut off or changed does not end with."""
    return blake2b(code.encode(), digest_size=16).hexdigest()


def _keep(text: str, place: Path) -> None:
    """Write the file whole or not at all."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=place.parent, prefix=".charts-", delete=False
    ) as made:
        made.write(text)
    Path(made.name).replace(place)
