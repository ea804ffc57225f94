"""What a request asks of the echo application, written into its path.

``/cart?status=503&delay=0.2&call=POST+payments:9080/pay%3Fsize%3D10`` answers 503 after 0.2 s and
after a POST to payments, which in turn answers ten bytes. A request says all that happens on its
way, so that generator and applications need to agree on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

MAX_SIZE = 16 * 1024 * 1024
MAX_DELAY_S = 120.0
MAX_CALLS = 8
FAULTS = frozenset({"", "reset", "cut", "te204", "garbage"})
"""reset: close before the answer; cut: close in its middle; te204: a 204 with a
transfer-encoding, which HTTP forbids; garbage: no HTTP."""


class AskError(Exception):
    """The path asks for what cannot be done; the message says what."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to make before answering; the method TCP sends bytes and waits for their echo."""

    method: str
    authority: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Ask:
    """How to answer."""

    status: int = 200
    size: int = 0
    delay_s: float = 0.0
    chunked: bool = False
    close: bool = False
    fault: str = ""
    calls: tuple[Call, ...] = ()

    def path(self, base: str) -> str:
        """The path that asks for this, under ``base``."""
        pairs: list[tuple[str, str]] = []
        if self.status != 200:
            pairs.append(("status", str(self.status)))
        if self.size:
            pairs.append(("size", str(self.size)))
        if self.delay_s:
            pairs.append(("delay", f"{self.delay_s:g}"))
        pairs += [(name, "1") for name in ("chunked", "close") if getattr(self, name)]
        if self.fault:
            pairs.append(("fault", self.fault))
        pairs += [("call", str(call)) for call in self.calls]
        return f"{base}?{urlencode(pairs)}" if pairs else base


def parse(target: str) -> Ask:
    """What a request target asks for.

    Raises:
        AskError: naming the part that makes no sense.
    """
    _, _, query = target.partition("?")
    pairs = parse_qsl(query)
    given = dict(pairs)
    calls = tuple(_call(value) for name, value in pairs if name == "call")
    fault = given.get("fault", "")
    if fault not in FAULTS:
        raise AskError(f"fault={fault}: one of {', '.join(sorted(FAULTS - {''}))}")
    if len(calls) > MAX_CALLS:
        raise AskError(f"{len(calls)} calls: at most {MAX_CALLS}")
    return Ask(
        status=int(_number(given, "status", 200, 100, 599)),
        size=int(_number(given, "size", 0, 0, MAX_SIZE)),
        delay_s=_number(given, "delay", 0, 0, MAX_DELAY_S),
        chunked=given.get("chunked") == "1",
        close=given.get("close") == "1",
        fault=fault,
        calls=calls,
    )


def _number(given: dict[str, str], name: str, default: float, low: float, high: float) -> float:
    text = given.get(name, str(default))
    try:
        value = float(text)
    except ValueError as error:
        raise AskError(f"{name}={text}: no number") from error
    if not low <= value <= high:
        raise AskError(f"{name}={text}: from {low:g} to {high:g}")
    return value


def _call(text: str) -> Call:
    method, _, rest = text.partition(" ")
    authority, slash, path = rest.partition("/")
    if not (method.isalpha() and authority):
        raise AskError(f"call={text}: METHOD HOST:PORT/PATH is wanted")
    return Call(method, authority, slash + path)
