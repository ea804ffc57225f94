"""Files in, incidents out: what ``pushwake replay`` and ``pushwake demo`` run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from detector.errors import InputError
from detector.record import Record
from detector.settings import Settings
from detector.store import Store
from detector.worker import NEVER, Worker
from pipelines.inputs import Input
from pipelines.replay import Replay
from pipelines.rollup_files import RollupFiles
from pipelines.source import FileProblem, Progress

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What to read. Either access logs or rollups, with or without control-plane input."""

    access: Sequence[str] = ()
    rollups: Sequence[str] = ()
    control: Sequence[str] = ()


@dataclass(slots=True)
class Outcome:
    """What a replay leaves behind."""

    worker: Worker
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[FileProblem] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Everything read, whatever it was."""
        return sum(self.counts.values())

    @property
    def entries(self) -> int:
        """Access log entries, or requests when rollups were read."""
        return sum(n for name, n in self.counts.items() if name.startswith(("access/", "rollup")))

    @property
    def rejects(self) -> dict[str, int]:
        """What could not be understood, by reason."""
        return {
            name.removeprefix("reject/"): n
            for name, n in self.counts.items()
            if name.startswith("reject/")
        }


def replay(
    inputs: Inputs, settings: Settings, on_progress: OnProgress, store: Store | None = None
) -> Outcome:
    """Read everything once, in the order of its events.

    Args:
        inputs: paths, globs or ``-``.
        settings: the whole tree.
        on_progress: called after every batch.
        store: where to keep incidents and state. If it holds the state of an earlier replay,
            that goes on: what was read then is not read again.

    Raises:
        InputError: nothing at all could be read.
        StoreError: the store could not be written.
    """
    worker = Worker(settings)
    outcome = Outcome(worker)
    record = Record(store, worker, settings.store.commit_s)
    if inputs.rollups:
        record.baselines()
        _replay_rollups(inputs, outcome, on_progress)
    else:
        source = Replay([*_named(inputs.access, "access"), *_named(inputs.control, "control")])
        source.seek(record.resume())
        _drain(source, outcome, record, on_progress)
    worker.finish()
    record.close()
    outcome.counts += worker.counts
    if not outcome.entries and not record.resumed:
        raise _nothing(outcome, inputs)
    return outcome


def _named(paths: Iterable[str], kind: str) -> list[Input]:
    return [Input(path, "access" if kind == "access" else "control-plane") for path in paths]


def _drain(source: Replay, outcome: Outcome, record: Record, on_progress: OnProgress) -> None:
    """Read all files side by side; the watermark is that of the file furthest behind."""
    worker = outcome.worker
    reached: dict[str, datetime] = {}
    judged = NEVER
    while (batch := source.poll()) is not None:
        time = worker.add(batch)
        if time is not None and time > reached.get(batch.topic, NEVER):
            reached[batch.topic] = time
            source.advance(batch.topic, time)
        watermark = min((reached.get(topic, NEVER) for topic in source.unfinished), default=None)
        if watermark is not None and watermark > judged:
            worker.advance(watermark)
            judged = watermark
        record.read(batch)
        on_progress(source.progress())
    record.commit()
    outcome.problems += source.problems
    source.close()


def _replay_rollups(inputs: Inputs, outcome: Outcome, on_progress: OnProgress) -> None:
    """Read the events first, for they are few, then the counts in order of time."""
    worker = outcome.worker
    events = Replay(_named(inputs.control, "control"))
    while (batch := events.poll()) is not None:
        worker.add(batch)
        on_progress(events.progress())
    outcome.problems += events.problems
    counts = RollupFiles(inputs.rollups, bucket_s=worker.bucket_s)
    for frame in counts:
        outcome.counts["rollup"] += frame.height
        worker.add_rollup(frame)
        on_progress(counts.progress())
    outcome.counts.update({f"reject/{reason}": n for reason, n in counts.rejects.items()})
    outcome.problems += counts.problems
    for sample in counts.samples:
        worker.rejects.note(sample.reason, sample)


def _nothing(outcome: Outcome, inputs: Inputs) -> InputError:
    where = ", ".join([*inputs.access, *inputs.rollups])
    if outcome.problems:
        return InputError(
            "nothing could be read",
            where=where,
            advice="; ".join(str(problem) for problem in outcome.problems[:5]),
        )
    if outcome.rejects:
        reasons = ", ".join(
            f"{n} {reason}" for reason, n in Counter(outcome.rejects).most_common(3)
        )
        return InputError(
            f"no access log entry among {outcome.records:,} records ({reasons})",
            where=where,
            advice="Try 'pushwake explain' on a line; a custom accessLogFormat goes to --format",
        )
    return InputError(
        f"no access log entry among {outcome.records:,} records",
        where=where,
        advice="Name files that hold the istio-proxy container's output",
    )
