"""Real proxies, a real broker, the deployed processes: what happens is told while it happens.

Four meshes at once, each with an access log layout of its own; a worker, a server and a notifier
beside each. Only the score at the end knows what was done.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from detector.clock import now
from detector.truth import Score, read_truth, score
from lab.running import Kafka, Lab, Options
from lab.scenarios import SCENARIOS
from tests.parts.notifier import notifier
from tests.parts.slack import fake_slack
from tests.parts.tansu import Cluster
from tests.web.conftest import eventually, served

MakeTopic = Callable[..., str]

LAYOUT = {
    "upgrade-nr": "json",
    "tls-change": "1.23",
    "crash-in-upgrade": "1.8",
    "istiod-restart": "1.1",
}
QUIET_S = 40.0
AFTER_S = 25.0
SEEN_WITHIN_S = 60.0
AT_ONCE = 2
"""Meshes; one with its broker, worker, pages and notifier takes half a core or more. Four on two
slow cores fell so far behind that a crash left no trace in any log."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What people were told, and when."""

    scenario: str
    result: Score
    messages: tuple[str, ...]  # in Slack
    wall_s: float | None  # from the start of the fault to the first answer that tells of it

    def __str__(self) -> str:
        layout = LAYOUT[self.scenario]
        told = "nothing to find"
        for match in self.result.wanted:
            told = f"MISSED, {match.truth}"
            if match.found:
                delay = f"{match.delay_s:.0f} s of event time, {self.wall_s:.0f} s of real time"
                told = f"found after {delay}, cause {match.cause}"
        said = f"; in Slack: {self.messages[-1]}" if self.messages else ""
        false = "".join(f"\n  FALSE: {incident}" for incident in self.result.false)
        return f"{self.scenario} ({layout}): {told}{said}{false}"


@contextmanager
def worker(broker: Cluster, store: str, access: str, control: str) -> Iterator[None]:
    command = [sys.executable, "-m", "detector.cli", "run", "--set", f"store.url={store}"]
    command += ["--set", f'kafka.topics={{"{access}" = "access", "{control}" = "control-plane"}}']
    command += ["--set", f'kafka.bootstrap_servers=["{broker.bootstrap}"]']
    process = subprocess.Popen([*command, "--set", "kafka.start=earliest"])
    try:
        yield
        process.terminate()
        assert process.wait(25) == 0
    finally:
        process.kill()
        process.wait()


def incidents(base: str) -> list[dict[str, Any]]:
    listed = httpx.get(f"{base}/v1/incidents").raise_for_status().json()["items"]
    return [
        httpx.get(f"{base}/v1/incidents/{one['id']}").raise_for_status().json() for one in listed
    ]


def watch(base: str, until: Callable[[], bool]) -> datetime | None:
    """When the server first told of an incident; it goes on being asked until then or the end."""
    while True:
        ended = until()
        if incidents(base):
            return now()
        if ended:
            return None
        time.sleep(0.5)


def live(scenario: str, broker: Cluster, topics: Kafka, folder: Path) -> Seen:
    happening = SCENARIOS[scenario]
    options = happening.options(Options(layouts=(LAYOUT[scenario],), kafka=topics))
    store = f"sqlite:///{folder}/{scenario}.db"
    with (
        Lab(options) as lab,
        worker(broker, store, topics.access, topics.control),
        served("--store", store) as base,
        fake_slack() as slack,
        ThreadPoolExecutor(1) as beside,
        notifier(store, slack, folder / scenario),
    ):
        eventually(lambda: httpx.get(f"{base}/v1/incidents").is_success, 60)  # there is a store
        ended = time.monotonic() + 600
        seen = beside.submit(watch, base, lambda: time.monotonic() > ended)
        try:
            truth = happening.run(lab, quiet_s=QUIET_S, after_s=AFTER_S)
            wanted = any(fault.alarms for fault in truth.faults)
            ended = time.monotonic() + (SEEN_WITHIN_S if wanted else 0)
        except BaseException:
            ended = 0.0  # nobody need watch any longer
            raise
        told = seen.result()
        if told:
            eventually(lambda: bool(slack.messages), 30)
        result = score(incidents(base), _labels(truth.write, folder / f"{scenario}.ndjson"))
    start = min((fault.start for fault in truth.faults if fault.alarms), default=None)
    messages = tuple(str(one["text"]) for one in slack.messages)
    delay_s = (told - start).total_seconds() if told and start else None
    return Seen(scenario, result, messages, delay_s)


def _labels(write: Callable[[Path], None], path: Path) -> list[Any]:
    write(path)
    return read_truth(path)


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_what_happens_to_a_mesh_is_told_by_the_server_while_it_happens(
    broker: Cluster, make_topic: MakeTopic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = {
        name: Kafka(
            broker.bootstrap, make_topic(name=f"{name}-access"), make_topic(name=f"{name}-control")
        )
        for name in LAYOUT
    }
    with ThreadPoolExecutor(AT_ONCE) as meshes:
        running = [meshes.submit(live, name, broker, topics[name], tmp_path) for name in LAYOUT]
        told = [one.result() for one in running]

    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"{seen}\n" for seen in told))
    results = {seen.scenario: seen.result for seen in told}
    assert all(result.recall in {None, 1.0} for result in results.values())
    assert all(result.attribution in {None, 1.0} for result in results.values())
    assert not any(result.false for result in results.values())
    assert {seen.scenario for seen in told if not seen.messages} == {"istiod-restart"}
