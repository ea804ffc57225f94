"""Traffic for a mesh under test: what is asked happens, and sealed faults are scored honestly."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.cli import main
from detector.traffic.faults import (
    APART_S,
    LASTS_S,
    Injected,
    Planned,
    SealError,
    let_happen,
    plan,
    seal,
    unseal,
)
from detector.traffic.mix import Mix, Route

SERVICES = ("cart:9080", "payments:9080")
INJECTED = Injected(
    id="1-reset",
    service="payments:9080",
    kind="reset",
    share=0.3,
    start="2026-03-01T12:10:00+00:00",
    end="2026-03-01T12:10:40+00:00",
    requests=80,
)
INCIDENT = {
    "id": "inc-1",
    "detected_at": "2026-03-01T12:10:20Z",
    "started_at": "2026-03-01T12:10:00Z",
    "ended_at": "2026-03-01T12:10:50Z",
    "services": ["payments.shop.svc.cluster.local"],
    "signals": ["UC"],
    "excess": 75.0,
    "attribution": {"cause": "workload"},
}


@given(
    count=st.integers(1, 12),
    quiet_s=st.floats(0, 3600),
    room_s=st.floats(0, 7200),
    seed=st.integers(0, 2**64 - 1),
)
def test_faults_leave_the_beginning_quiet_and_stay_apart(
    count: int, quiet_s: float, room_s: float, seed: int
) -> None:
    duration_s = quiet_s + count * (APART_S + LASTS_S[0] + 1) + room_s
    planned = plan(count, SERVICES, duration_s, quiet_s, seed)

    assert len(planned) == count
    assert planned[0].start_s >= quiet_s
    assert planned[-1].start_s + planned[-1].lasts_s <= duration_s
    for before, after in pairwise(planned):
        assert after.start_s - (before.start_s + before.lasts_s) >= APART_S - 1e-6
    assert planned == plan(count, SERVICES, duration_s, quiet_s, seed)


def test_more_faults_than_there_is_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="5 faults need 975 s at least"):
        plan(5, SERVICES, 600, 300, seed=1)


def test_only_while_it_lasts_a_fault_is_asked_for_and_each_request_is_counted() -> None:
    mix = Mix({"get": 1}, [Route.read("payments:9080")], None, seed=1)
    kept: list[list[Injected]] = []
    drawn: list[str] = []

    async def run() -> None:
        planned = [Planned("payments:9080", "reset", 1.0, 0.05, 0.2)]
        fault = asyncio.create_task(
            let_happen(planned, mix, lambda happened: kept.append(list(happened)))
        )
        while not fault.done():
            drawn.append(mix.draw().path)
            await asyncio.sleep(0.005)

    asyncio.run(run())
    ((injected,),) = kept
    asked = [path for path in drawn if "fault%3Dreset" in path]
    assert 0 < injected.requests == len(asked) < len(drawn)
    assert "fault%3Dreset" not in drawn[0]


def test_a_fault_that_is_cut_short_is_kept_as_far_as_it_went() -> None:
    mix = Mix({"get": 1}, [Route.read("cart:9080")], None, seed=1)
    kept: list[Injected] = []

    async def run() -> None:
        planned = [Planned("cart:9080", "error", 1.0, 0.0, 60.0)]
        fault = asyncio.create_task(let_happen(planned, mix, kept.extend))
        await asyncio.sleep(0.05)
        fault.cancel()
        await asyncio.gather(fault, return_exceptions=True)

    asyncio.run(run())
    assert [one.id for one in kept] == ["1-error"]
    assert mix.faults == []


def test_sealed_faults_cannot_be_read_by_chance_and_show_a_change(tmp_path: Path) -> None:
    path = tmp_path / "faults.sealed"
    seal([INJECTED], path)

    assert "payments" not in path.read_text()
    assert unseal(path) == [INJECTED]
    changed = json.loads(path.read_text()) | {"sha256": "0" * 64}
    path.write_text(json.dumps(changed))
    with pytest.raises(SealError, match="checksum"):
        unseal(path)


@pytest.mark.parametrize("content", ["", "{}", '{"faults": "!!", "sha256": ""}', "[1]"])
def test_what_holds_no_faults_is_said_to(content: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.sealed"
    path.write_text(content)

    with pytest.raises(SealError, match="no sealed faults"):
        unseal(path)


def scored(tmp_path: Path, faults: list[Injected], incidents: list[dict[str, object]]) -> int:
    sealed, found = tmp_path / "faults.sealed", tmp_path / "incidents.ndjson"
    seal(faults, sealed)
    found.write_text("".join(json.dumps(one) + "\n" for one in incidents))
    return main(["traffic", "score", str(sealed), "--incidents", str(found)])


def test_a_fault_that_was_found_is_told_with_its_delay_and_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scored(tmp_path, [INJECTED], [INCIDENT]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["recall"] == 1.0
    assert "20 s" in err


def test_a_fault_that_was_missed_ends_the_command_with_ten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missed = replace(INJECTED, id="2-error", service="cart:9080")

    assert scored(tmp_path, [INJECTED, missed], [INCIDENT]) == 10
    out, err = capsys.readouterr()
    assert json.loads(out)["recall"] == 0.5
    assert "1 of 2 MISSED" in err


def test_a_fault_that_hit_nobody_is_not_held_against_anyone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = replace(INJECTED, id="2-error", service="cart:9080", requests=2)

    assert scored(tmp_path, [INJECTED, idle], [INCIDENT]) == 0
    assert "1 asked fewer than 5 requests" in capsys.readouterr().err


@contextmanager
def echoing() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "detector.cli", "traffic", "echo", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_the_sender_and_the_echo_are_all_that_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with echoing() as front, echoing() as behind:
        command = ["traffic", "send", f"http://{front}", "--call", behind, "--rate", "60"]
        assert main([*command, "--duration", "2", "--seed", "3"]) == 0

    sent = json.loads(capsys.readouterr().out)
    assert {"200", "204", "404"} <= sent["sent"].keys()
    assert sent["sent"].get("unanswered", 0) < 0.05 * sum(sent["sent"].values())
    assert {kind.partition("/")[0] for kind in sent["kinds"]} >= {"get", "post", "chunked"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["https://mesh"], "no such target"),
        (["http://mesh", "--call", "cart"], "is no address"),
        (["http://mesh", "--faults", "1"], "Name echoes by --call"),
        (["http://mesh", "--faults", "9", "--call", "a:1", "--duration", "700"], "at least"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["traffic", "send", *arguments]) == 3
    assert said in capsys.readouterr().err
