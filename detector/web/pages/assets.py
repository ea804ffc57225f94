"""Style sheets and scripts, served from here and nowhere else."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from fastapi import Request, Response

from detector.report.bundle import VERSION, bundle
from detector.report.templating import template_text

_OURS = "detector.web.pages"
CHARTS = "vega.js"
FOR_EVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """A file as it is sent."""

    body: bytes
    packed: bytes  # with gzip
    media_type: str


def names() -> tuple[str, ...]:
    """All files there are."""
    return tuple(_MADE)


@functools.cache
def asset(name: str) -> Asset:
    """A file by its name.

    Raises:
        KeyError: there is none such.
    """
    text = _MADE[name]().encode()
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    return Asset(text, gzip.compress(text, 6, mtime=0), f"{kind}; charset=utf-8")


@functools.cache
def address(name: str) -> str:
    """Where a page finds a file; the address changes with the content."""
    digest = VERSION if name == CHARTS else blake2b(asset(name).body, digest_size=6).hexdigest()
    return f"/static/{name}?v={digest}"


def send(request: Request, name: str) -> Response:
    """A file, packed if the browser takes it so.

    Raises:
        KeyError: there is none such.
    """
    found = asset(name)
    packs = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if packs:
        headers["Content-Encoding"] = "gzip"
    body = found.packed if packs else found.body
    return Response(body, media_type=found.media_type, headers=headers)


_MADE: dict[str, Callable[[], str]] = {
    "pages.css": lambda: template_text("report.css") + template_text("pages.css", _OURS),
    "theme.js": lambda: template_text("theme.js", _OURS),
    "pages.js": lambda: template_text("pages.js", _OURS),
    "charts.js": lambda: template_text("charts.js", _OURS),
    CHARTS: bundle,
}
