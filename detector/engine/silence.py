"""A service that nobody is heard to call any more, while its callers go on calling others.

Silence has three readings. When everybody is silent, the input has stopped: data health, not an
incident. When edges fall silent together that have nothing in common, logs were lost. What is
left is a service whose callers are heard on their other edges, and that alone has fallen silent:
it was scaled to nothing, lost its name or its route, or is no longer called.

A service counts as silent when every edge to it is, after `PATIENCE` buckets, `MISSING` missing
requests and four times its longest silence so far, if it was never quiet for long before
(`BUSY` of all buckets, for two hours at the least). After half an hour it counts as gone: it has
been told, and that is how it is now.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from detector.engine.catalogue import EVERYONE, Catalogue
from detector.engine.memory import HISTORY, Tally
from detector.engine.series import SILENT, UNKNOWN, Edge
from detector.naming import calls
from detector.settings import DetectionSettings
from detector.types import Series, Verdict
from models.contract import Flags, State
from models.volume import LASTING

PATIENCE = 6
MISSING = 60.0
FELL = 10.0  # usual requests in `PATIENCE` buckets from which silence is hardly chance
KNOWN = 720  # buckets of traffic before a silence means anything
BUSY = 0.9
LONGEST = 4.0
AT_ONCE = 6  # buckets within which edges fall silent together
MANY = 0.05  # share of all services, beyond three, that fall silent only when logs are lost
SLIGHT = 0.01  # share of a service's traffic that an edge may have and still be passed over
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Spell:
    """One silence of one service; ``last`` is the bucket after it, -1 while it lasts."""

    destination: str
    first: int
    usual: float  # requests a bucket
    last: int = -1


class Silence:
    """Finds silent services.

    Args:
        catalogue: Knows the volumes.
        settings: Length of a bucket.
    """

    def __init__(self, catalogue: Catalogue, settings: DetectionSettings) -> None:
        self._cat = catalogue
        self._step = timedelta(seconds=settings.bucket_s)
        self._keep = settings.history_s // settings.bucket_s
        self._spells: list[Spell] = []
        self._now = -1

    def look(self, now: int, end: datetime) -> list[Verdict]:
        """Alarms of the services that are silent in bucket ``now``, which ends at ``end``."""
        self._now = now
        spells = [one for one in self._spells if one.last < 0 or now - one.last < self._keep]
        self._spells = spells
        for spell in (one for one in spells if one.last < 0):
            heard = self._heard(spell.destination)
            if heard > spell.first or now - spell.first >= LASTING:
                spell.last = heard if heard > spell.first else now
        fallen = self._fallen(now)
        if fallen.any():
            spells += self._new(fallen, now)
        return [self._word(one, now, end) for one in spells if one.last < 0]

    def _heard(self, destination: str) -> int:
        volumes = self._cat.volumes
        rows = [row for row, edge in self._edges() if edge.destination == destination]
        usual = volumes.usual[rows]
        counts = usual >= SLIGHT * usual.sum()
        return int(volumes.heard[rows][counts].max(initial=0))

    def _edges(self) -> list[tuple[int, Edge]]:
        keys = self._cat.edges.keys
        return [(row, edge) for row, edge in enumerate(keys) if edge is not None]

    def _fallen(self, now: int) -> Flags:
        """Edges whose silence is beyond what they ever did."""
        cat, volumes = self._cat, self._cat.volumes
        gap = now - volumes.heard
        age = np.maximum(volumes.heard - cat.exposure.born + 1, 1)
        return np.asarray(
            (volumes.heard > 0)
            & (gap >= PATIENCE)
            & (gap < LASTING)
            & (volumes.usual * gap >= MISSING)
            & (gap > LONGEST * volumes.longest)
            & (cat.exposure.seen >= KNOWN)
            & (cat.exposure.seen >= BUSY * age)
        )

    def _new(self, fallen: Flags, now: int) -> list[Spell]:
        """The services among the owners of ``fallen`` edges that have fallen silent alone."""
        volumes = self._cat.volumes
        known = {one.destination for one in self._spells if one.last < 0}
        edges = self._edges()
        owners = {edge.destination for row, edge in edges if fallen[row]} - known - {UNKNOWN}
        found: list[Spell] = []
        for name in sorted(owners):
            heard = self._heard(name)
            if now - heard >= PATIENCE and not self._lost(name, heard, edges):
                rows = [row for row, edge in edges if edge.destination == name]
                told = ("source", "destination")
                usual = max(
                    sum(volumes.usual[r] for r in rows if self._cat.edges.key(r).reporter == side)
                    for side in told
                )
                found.append(Spell(name, heard + 1, float(usual)))
        most = max(3.0, MANY * len({edge.destination for _, edge in edges}))
        return found if len(found) + len(known) <= most else []

    def _lost(self, name: str, heard: int, edges: list[tuple[int, Edge]]) -> bool:
        """Whether the silence of service ``name`` may be one of logs only.

        It may when its callers are not heard elsewhere, when its own edges fell silent one by one,
        or edges of others with it; what the service itself called falls silent by its silence.
        """
        last, usual = self._cat.volumes.heard, self._cat.volumes.usual
        callers = {e.source for _, e in edges if e.destination == name and e.reporter == "source"}
        alive = {
            edge.source
            for row, edge in edges
            if edge.source in callers and edge.destination != name and last[row] > heard
        }
        together = [
            edge
            for row, edge in edges
            if usual[row] * PATIENCE >= FELL and -AT_ONCE <= int(last[row]) - heard <= AT_ONCE // 2
        ]
        own = sum(edge.destination == name for edge in together)
        busy = sum(e.destination == name and usual[row] * PATIENCE >= FELL for row, e in edges)
        strangers = sum(
            edge.destination != name and not calls(name, edge.source) for edge in together
        )
        return 2 * len(alive) < max(len(callers), 1) or busy > own or 2 * strangers > own

    def _word(self, spell: Spell, now: int, end: datetime) -> Verdict:
        silent = now - spell.first + 1
        missing = spell.usual * silent
        return Verdict(
            time=end,
            series=Series("source", EVERYONE, spell.destination, SILENT),
            started_at=_EPOCH + spell.first * self._step,
            errors=missing,
            requests=missing,
            expected=0.0,
            upper=spell.usual,
            surprise=math.log10(max(missing, 1.0)),
            span_s=silent * self._step.total_seconds(),
            alarm=True,
        )

    def tally(self, series: Series, since: datetime) -> Tally:
        """Missing requests of a silent service from ``since`` on, as errors."""
        first = (since - _EPOCH) // self._step
        missing = sum(
            one.usual * max(self._end(one) - max(one.first, first), 0)
            for one in self._spells
            if one.destination == series.destination
        )
        return Tally(missing, missing, 0.0)

    def _end(self, spell: Spell) -> int:
        return spell.last if spell.last >= 0 else self._now + 1

    def history(self, series: Collection[Series], since: datetime) -> pl.DataFrame:
        """Missing requests by bucket, in the shape of `detector.engine.memory.HISTORY`."""
        first = (since - _EPOCH) // self._step
        rows = [
            (_EPOCH + at * self._step, *one, spell.usual, spell.usual, 0.0)
            for one in series
            if one.signal == SILENT
            for spell in self._spells
            if spell.destination == one.destination
            for at in range(max(spell.first, first), self._end(spell))
        ]
        return pl.DataFrame(rows, schema=HISTORY, orient="row")

    def state(self) -> State:
        """All silences."""
        body = json.dumps([self._now, [asdict(one) for one in self._spells]]).encode()
        return {"spells": np.frombuffer(body, dtype=np.uint8)}

    def load(self, state: State) -> None:
        """Become what `state` described."""
        self._now, spells = json.loads(state["spells"].tobytes())
        self._spells = [Spell(**one) for one in spells]
