"""Which topics and partitions used to speak and say nothing any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from detector.live.watermarks import Partition, Reading
from pipelines.batch import Kind

TOPIC_S = 300.0
"""Seconds of silence of a whole topic of access logs: meshes are never idle for five minutes, and
those that are learn a longer pause (`GAPS`)."""
PARTITION_S = 900.0
"""Of a single partition whose neighbours speak: pods are spread over partitions by chance."""
CONTROL_S = 3600.0
"""Of control-plane topics: istiod has nothing to say while nothing changes."""
GAPS = 20.0
"""Times the usual pause between two batches: with independent arrivals such a pause comes by
chance once in e^20 pauses."""
_MEMORY = 0.05  # weight of the newest pause


class Silence(NamedTuple):
    """Somebody who says nothing any more."""

    subject: str
    quiet_s: float
    is_topic: bool


@dataclass(slots=True)
class _Voice:
    """How often a partition gives batches."""

    heard_s: float
    gap_s: float = 0.0


class Silences:
    """Remembers who speaks how often."""

    def __init__(self, known: Collection[Partition] = ()) -> None:
        self._voices: dict[Partition, _Voice] = {}
        self._known = set(known)  # spoke in an earlier life of this worker
        self._kinds: dict[str, Kind] = {}

    def hear(self, partition: Partition, kind: Kind, now_s: float) -> None:
        """A partition gave records."""
        self._kinds[partition[0]] = kind
        voice = self._voices.setdefault(partition, _Voice(now_s))
        gap = now_s - voice.heard_s
        voice.gap_s += _MEMORY * (gap - voice.gap_s)
        voice.heard_s = now_s

    def find(self, readings: Mapping[Partition, Reading]) -> list[Silence]:
        """Who is silent; a topic as a whole where all of it is.

        Args:
            readings: every partition that is assigned. One that has more to read is not silent.
        """
        found: list[Silence] = []
        for topic in sorted({one[0] for one in readings}):
            spoke = [
                (one, reading)
                for one, reading in readings.items()
                if one[0] == topic and (one in self._voices or one in self._known)
            ]
            quiet = [(one, r.quiet_s) for one, r in spoke if r.caught_up]
            least = min((seconds for _, seconds in quiet), default=0.0)
            if spoke and len(quiet) == len(spoke) and least >= self._limit_s(topic, spoke):
                found.append(Silence(topic, least, is_topic=True))
                continue
            found += [
                Silence(f"{topic}[{one[1]}]", seconds, is_topic=False)
                for one, seconds in quiet
                if self._kinds.get(topic) != "control-plane" and seconds >= self._single_s(one)
            ]
        return found

    def _limit_s(self, topic: str, spoke: list[tuple[Partition, Reading]]) -> float:
        gaps = [self._voices[one].gap_s for one, _ in spoke if one in self._voices]
        usual = CONTROL_S if self._kinds.get(topic) == "control-plane" else TOPIC_S
        return max(usual, GAPS * min(gaps, default=0.0))

    def _single_s(self, partition: Partition) -> float:
        voice = self._voices.get(partition)
        return max(PARTITION_S, GAPS * voice.gap_s if voice else 0.0)
