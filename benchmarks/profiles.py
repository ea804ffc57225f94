"""Would a multivariate profile of each service find more? ``python -m benchmarks.profiles FOLDER``.

Each service has river's HalfSpaceTrees (Tan, Ting and Liu, IJCAI 2011) over its whole mix of flags,
codes and traffic, minute by minute, score before learn. As its scores have no meaning in
themselves, the threshold is taken from the answers: the height that a given number of ordinary
moments exceed. Pushwake, which has to find its own, is run on the same folder, made by
``python -m benchmarks.detection --keep``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl
from river.anomaly import HalfSpaceTrees
from river.compose import Pipeline
from river.preprocessing import MinMaxScaler

from benchmarks.detection.evaluate import TRAIL, detect, hold_against
from detector.settings import Settings

ALLOWED = (0, 1, 3)  # ordinary moments above the threshold
REST = timedelta(minutes=10)  # that scores of one service count once
Features = dict[str, float]


class _Profile(Protocol):
    """What is used of river's untyped estimators."""

    def score_one(self, x: Features) -> float: ...

    def learn_one(self, x: Features) -> None: ...


class Score(NamedTuple):
    """How unusual one minute of a service was."""

    time: datetime
    service: str
    height: float


_pipeline: Callable[..., _Profile] = Pipeline


def main() -> None:
    """Print what the profiles find, and what of it Pushwake misses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trees", type=int, default=10)
    chosen = parser.parse_args()
    outcome = hold_against(detect(chosen.folder, Settings()), chosen.folder)
    scores = list(profiled(chosen.folder, chosen.trees))
    labels = [label for label, _ in outcome.found]
    ordinary = ordinary_moments(scores, chosen.folder)
    heights = [max((s.height for s in scores if _about(s, one)), default=0.0) for one in labels]
    mine = [bool(about) for _, about in outcome.found]
    print(f"{len(labels)} faults, Pushwake found {sum(mine)} with {len(outcome.false)} false")
    for allowed in ALLOWED:
        limit = ordinary[allowed] if allowed < len(ordinary) else 0.0
        theirs = [height > limit for height in heights]
        new = sum(b and not a for a, b in zip(mine, theirs, strict=True))
        print(f"profiles found {sum(theirs)} with {allowed} false, {new} of them new")


def profiled(folder: Path, trees: int) -> Iterator[Score]:
    """The scores of all minutes of all services."""
    failed = (pl.col("response_code") >= 400) | (pl.col("response_flags") != "-")
    signal = (
        pl.when(pl.col("response_flags") != "-")
        .then(pl.col("response_flags"))
        .otherwise(pl.col("response_code").cast(pl.String))
    )
    counts = (
        pl.scan_parquet(folder / "rollup-*.parquet")
        .filter(pl.col("reporter") == "source", pl.col("destination") != "unknown")
        .group_by(pl.col("time").dt.truncate("1m"), "destination")
        .agg(
            pl.col("count").sum().alias("requests"),
            pl.struct(signal.alias("signal"), "count").filter(failed).alias("failed"),
        )
        .sort("time", "destination")
        .collect()
    )
    names = sorted({one["signal"] for cell in counts["failed"].to_list() for one in cell})
    profiles: dict[str, _Profile] = {}
    for time, service, requests, cells in counts.iter_rows():
        features = dict.fromkeys(names, 0.0)
        for one in cells:
            features[one["signal"]] += float(one["count"])
        features = {name: (count / requests) ** 0.5 for name, count in features.items()}
        features["requests"] = float(requests) ** 0.5
        if service not in profiles:
            forest = HalfSpaceTrees(n_trees=trees, height=8, window_size=240, seed=1)
            profiles[service] = _pipeline(MinMaxScaler(), forest)
        yield Score(time, service, float(profiles[service].score_one(features)))
        profiles[service].learn_one(features)


def ordinary_moments(scores: list[Score], folder: Path) -> list[float]:
    """The peaks of scores that are about no label, after eight hours of learning; highest first."""
    text = (folder / "truth.ndjson").read_text(encoding="utf-8")
    labels = [json.loads(line) for line in text.splitlines()]
    begun = min(score.time for score in scores) + timedelta(hours=8)
    peaks: dict[tuple[str, int], float] = {}
    for score in scores:
        if score.time >= begun and not any(_about(score, label) for label in labels):
            moment = score.service, (score.time - begun) // REST
            peaks[moment] = max(peaks.get(moment, 0.0), score.height)
    return sorted(peaks.values(), reverse=True)


def _about(score: Score, label: dict[str, object]) -> bool:
    start = datetime.fromisoformat(str(label["start"])) - timedelta(minutes=1)
    services = label["services"]
    assert isinstance(services, list)
    until = datetime.fromisoformat(str(label["end"])) + TRAIL
    return start <= score.time <= until and score.service in services


if __name__ == "__main__":
    main()
