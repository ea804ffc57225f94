from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detector.errors import InputError
from detector.truth import Truth, read_truth, score

T0 = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def incident(name: str, start_s: float, **changes: object) -> dict[str, Any]:
    start = T0 + timedelta(seconds=start_s)
    document = {
        "id": name,
        "detected_at": (start + timedelta(seconds=20)).isoformat(),
        "started_at": start.isoformat(),
        "ended_at": (start + timedelta(seconds=60)).isoformat(),
        "services": ["cart.default.svc.cluster.local"],
        "signals": ["NC"],
        "excess": 40.0,
        "attribution": {"cause": "control-plane"},
    }
    return document | changes


UPGRADE = Truth(
    id="upgrade",
    start=T0,
    end=T0 + timedelta(seconds=60),
    cause="control-plane",
    services=["cart.default.svc.cluster.local", "payments.default.svc.cluster.local"],
    signals=["NC"],
)
NOOP = Truth(
    id="noop",
    start=T0 + timedelta(hours=1),
    end=T0 + timedelta(hours=1, seconds=10),
    cause="none",
    should_alarm=False,
)


def test_an_incident_of_the_same_time_service_and_signal_finds_the_label() -> None:
    result = score([incident("a", 5)], [UPGRADE])
    assert (result.recall, result.precision, result.attribution) == (1.0, 1.0, 1.0)
    assert result.delay_s == 25


def test_a_wrong_cause_counts_as_found_but_not_as_right() -> None:
    result = score([incident("a", 5, attribution={"cause": "workload"})], [UPGRADE])
    assert (result.recall, result.attribution) == (1.0, 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"services": ["catalog.default.svc.cluster.local"]},
        {"signals": ["UC"]},
        {"started_at": (T0 + timedelta(hours=2)).isoformat(), "ended_at": None},
    ],
)
def test_another_service_signal_or_time_is_a_false_incident(changes: dict[str, Any]) -> None:
    result = score([incident("a", 5, **changes)], [UPGRADE])
    assert (result.recall, result.precision, len(result.false)) == (0.0, 0.0, 1)


def test_the_cause_is_that_of_the_largest_incident_and_the_rest_are_duplicates() -> None:
    small = incident("a", 0, excess=4.0, attribution={"cause": "unknown"})
    result = score([small, incident("b", 5)], [UPGRADE])
    assert result.matches[0].right
    assert result.as_dict()["duplicates"] == 1
    assert result.delay_s == 20


def test_a_stretch_that_must_stay_silent_is_right_only_without_incidents() -> None:
    assert score([], [NOOP]).matches[0].right
    loud = score([incident("a", 3600)], [NOOP])
    assert not loud.matches[0].right
    assert len(loud.false) == 1


def test_nothing_to_find_and_nothing_found_gives_no_shares() -> None:
    result = score([], [NOOP])
    assert (result.recall, result.precision, result.attribution) == (None, None, None)


def test_labels_are_read_from_ndjson_and_a_bad_line_is_named(tmp_path: Path) -> None:
    good = tmp_path / "truth.ndjson"
    good.write_text(
        '{"id":"x","start":"2026-11-23T05:00:00Z","end":"2026-11-23T05:01:00Z","cause":"workload"}\n\n'
    )
    assert [t.id for t in read_truth(good)] == ["x"]
    bad = tmp_path / "bad.ndjson"
    bad.write_text('{"id":"x"}\n')
    with pytest.raises(InputError, match=r"bad\.ndjson, line 1: not a label"):
        read_truth(bad)
    with pytest.raises(InputError, match="cannot read the labels"):
        read_truth(tmp_path / "none")
