"""Which requests a mesh gets: kinds and their weights, drawn from a seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

from detector.traffic.asks import Ask, Call

WEIGHTS: dict[str, float] = {
    "get": 55,
    "post": 14,
    "put": 3,
    "patch": 2,
    "delete": 3,
    "head": 3,
    "options": 1,
    "chunked": 5,
    "big": 1.5,
    "empty": 4,
    "not-modified": 2,
    "redirect": 1,
    "missing": 2.5,
    "denied": 0.6,
    "bad": 0.3,
    "error": 0.15,
    "unavailable": 0.05,
    "slow": 1,
    "http10": 0.5,
    "hang-up": 0.3,
    "grpc": 2,
    "tcp": 2,
}
"""Shares like those of a shop's front door: mostly reads, a few per cent of client errors, some
tenths of a per cent of server errors. Judgement, not measurement."""

AGENTS = (
    "okhttp/4.12.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130 Safari",
    "python-httpx/0.28.1",
    "curl/8.10.1",
    'Mozilla/5.0 (compatible; "quoted" Bot/1.0)',
    "Go-http-client/1.1",
    "",
)
PAGES = ("/", "/items", "/items/42", "/search", "/cart", "/checkout", "/account", "/static/app.js")
METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})
STATUS = {
    "empty": 204,
    "not-modified": 304,
    "redirect": 302,
    "missing": 404,
    "denied": 401,
    "bad": 400,
    "error": 500,
    "unavailable": 503,
}
KEEPS = 0.75
"""Share of requests on connections that stay open."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send."""

    kind: str
    method: str
    path: str
    body: int
    agent: str
    keep: bool


@dataclass(frozen=True, slots=True)
class Route:
    """Applications that a request may call on its way, each calling the next: cart>payments."""

    hops: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Route:
        """From ``HOST:PORT>HOST:PORT``."""
        return cls(tuple(part.strip() for part in text.split(">")))


@dataclass(frozen=True, slots=True)
class Fault:
    """What an application is asked to do wrong, with this share of its requests."""

    service: str  # host:port, as in a route
    ask: Ask
    share: float


class Mix:
    """Draws requests.

    Args:
        weights: of the kinds of `WEIGHTS`; kinds that are absent are not sent.
        routes: what the front application may call.
        tcp: host:port of a TCP echo that the front application may call, for the kind tcp.
        seed: the same seed gives the same requests.
    """

    def __init__(
        self, weights: dict[str, float], routes: list[Route], tcp: str | None, seed: int
    ) -> None:
        self.random = random.Random(seed)
        self.faults: list[Fault] = []
        self.struck: Counter[str] = Counter()  # requests that were asked to fail, by service
        wanted = {name: n for name, n in weights.items() if n > 0 and (name != "tcp" or tcp)}
        self._kinds, self._shares = list(wanted), list(wanted.values())
        self._routes = routes
        self._tcp = tcp

    def draw(self, kind: str | None = None) -> Request:
        """The next request, of this kind if one is named."""
        rng = self.random
        kind = kind or rng.choices(self._kinds, self._shares)[0]
        method = kind.upper() if kind in METHODS else "GET"
        calls = self._calls(kind)
        ask = Ask(
            status=STATUS.get(kind, 200),
            size=_size(rng, kind),
            delay_s=rng.uniform(0.3, 1.2) if kind == "slow" else rng.expovariate(200),
            chunked=kind == "chunked" or rng.random() < 0.05,
            close=rng.random() < 0.03,
            calls=calls,
        )
        if calls and kind in STATUS and rng.random() < 0.6:
            ask = self._deeper(ask)
        body = rng.choice((0, 64, 900, 7000)) if method in {"POST", "PUT", "PATCH"} else 0
        keep = rng.random() < KEEPS and kind != "http10"
        path = ask.path(rng.choice(PAGES))
        return Request(kind, method, path, body, rng.choice(AGENTS), keep)

    def _calls(self, kind: str) -> tuple[Call, ...]:
        rng = self.random
        if kind == "tcp" and self._tcp:
            return (Call("TCP", self._tcp, "/"),)
        if not self._routes or rng.random() < 0.15:
            return ()
        routes = rng.sample(self._routes, min(len(self._routes), rng.choice((1, 1, 2))))
        return tuple(self._chain(route.hops) for route in routes)

    def _chain(self, hops: tuple[str, ...]) -> Call:
        rng = self.random
        first, rest = hops[0], hops[1:]
        inner = (self._chain(rest),) if rest and rng.random() < 0.7 else ()
        ask = Ask(size=rng.choice((0, 120, 2000)), delay_s=rng.expovariate(200), calls=inner)
        for fault in self.faults:
            if fault.service == first and rng.random() < fault.share:
                ask = replace(fault.ask, calls=inner)
                self.struck[first] += 1
        method = rng.choice(("GET", "GET", "GET", "POST", "HEAD"))
        return Call(method, first, ask.path(f"/{first.partition('.')[0].partition(':')[0]}"))

    def _deeper(self, ask: Ask) -> Ask:
        """Let the first application that is called answer with the status, not the front."""
        first, *rest = ask.calls
        moved = Call(first.method, first.authority, Ask(status=ask.status).path("/none"))
        return replace(ask, status=200, calls=(moved, *rest))


def _size(rng: random.Random, kind: str) -> int:
    if kind == "big":
        return rng.randint(50_000, 400_000)
    return int(rng.lognormvariate(6, 1.2)) if kind not in {"empty", "not-modified"} else 0
