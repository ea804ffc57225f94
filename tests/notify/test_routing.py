"""Which channel hears of which incident, and when."""

from __future__ import annotations

from datetime import UTC, datetime, time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.documents import IncidentDocument, document
from detector.errors import SettingsError
from detector.notify import routing
from detector.settings import ChannelSettings
from detector.types import Cause, Severity
from tests.web.samples import sample_incident

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"]
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def channel(
    quiet_hours: str = "",
    time_zone: str = "UTC",
    severity: Severity = "info",
    namespaces: tuple[str, ...] = (),
    causes: tuple[Cause, ...] = (),
) -> ChannelSettings:
    return ChannelSettings(
        kind="slack-webhook",
        secret_env="HOOK",
        severity=severity,
        namespaces=namespaces,
        causes=causes,
        quiet_hours=quiet_hours,
        time_zone=time_zone,
    )


def told(severity: Severity, cause: Cause, *services: str) -> IncidentDocument:
    made = sample_incident(1, cause=cause)
    made.severity = severity
    return msgspec.structs.replace(document(made), services=list(services))


@pytest.mark.parametrize(
    ("hours", "zone", "quiet", "loud"),
    [
        (
            "22:00-06:00",
            "UTC",
            [
                "2026-03-01T22:00:00",
                "2026-03-01T23:59:59",
                "2026-03-02T00:00:00",
                "2026-03-02T05:59:59",
            ],
            ["2026-03-01T21:59:59", "2026-03-02T06:00:00", "2026-03-02T12:00:00"],
        ),
        (
            "12:00-13:30",
            "UTC",
            ["2026-03-01T12:00:00", "2026-03-01T13:29:59"],
            ["2026-03-01T11:59:59", "2026-03-01T13:30:00", "2026-03-01T00:00:00"],
        ),
        (
            "22:00-06:00",
            "Europe/Berlin",  # an hour before UTC in winter, two in summer
            ["2026-01-01T21:00:00", "2026-01-02T04:59:59", "2026-07-01T20:00:00"],
            ["2026-01-01T20:59:59", "2026-01-02T05:00:00", "2026-07-02T04:00:00"],
        ),
        (
            "22:00-06:00",
            "Asia/Kolkata",
            ["2026-03-01T16:30:00", "2026-03-02T00:29:59"],
            ["2026-03-01T16:29:59", "2026-03-02T00:30:00"],
        ),
        (
            "02:30-02:45",
            "Europe/Berlin",  # put back from 03:00 to 02:00: it comes twice, and is quiet twice
            ["2026-10-25T00:30:00", "2026-10-25T00:44:59", "2026-10-25T01:30:00"],
            ["2026-10-25T00:45:00", "2026-10-25T01:00:00", "2026-10-25T01:45:00"],
        ),
        (
            "22:00-02:30",
            "Europe/Berlin",  # put forward from 02:00 to 03:00: 02:30 never comes, 03:00 is past it
            ["2026-03-29T00:59:59"],
            ["2026-03-29T01:00:00", "2026-03-29T01:30:00"],
        ),
    ],
)
def test_quiet_hours_go_by_the_clocks_of_their_zone_and_over_midnight(
    hours: str, zone: str, quiet: list[str], loud: list[str]
) -> None:
    there = channel(hours, zone)

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    assert [one for one in quiet if not routing.is_quiet(there, at(one))] == []
    assert [one for one in loud if routing.is_quiet(there, at(one))] == []


@given(
    TIMES,
    TIMES,
    st.sampled_from(ZONES),
    st.integers(1_577_836_800, 2_051_222_400),  # 2020 to 2035
)
def test_at_any_moment_either_the_night_or_the_day_is_quiet(
    one: time, other: time, zone: str, seconds: int
) -> None:
    night, day = (
        channel(f"{begin:%H:%M}-{end:%H:%M}", zone) for begin, end in ((one, other), (other, one))
    )
    if one == other:
        with pytest.raises(SettingsError, match="end when they begin"):
            routing.check_quiet_hours("notify.channels.ops", night)
    else:
        now = datetime.fromtimestamp(seconds, UTC)
        routing.check_quiet_hours("notify.channels.ops", night)
        assert routing.is_quiet(night, now) is not routing.is_quiet(day, now)


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (channel("25:00-06:00"), "25:00-06:00 are no times of a day"),
        (channel("22:00-22:00"), "end when they begin"),
        (channel("22:00-06:00", "Europe/Atlantis"), "'Europe/Atlantis' is not known here"),
        (channel("22:00-06:00", "../../etc/passwd"), "is not known here"),
        (channel("22:00-06:00", ""), "is not known here"),
    ],
)
def test_quiet_hours_that_mean_nothing_are_refused_by_the_name_of_their_channel(
    there: ChannelSettings, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as raised:
        routing.check_quiet_hours("notify.channels.ops", there)
    assert "notify.channels.ops" in str(raised.value)


CART, PAY = "cart.shop.svc.cluster.local", "pay.bank.svc.cluster.local"


@pytest.mark.parametrize(
    ("there", "incident", "wanted"),
    [
        (channel(), told("info", "unknown", CART), True),
        (channel(severity="warning"), told("info", "unknown", CART), False),
        (channel(severity="warning"), told("warning", "unknown", CART), True),
        (channel(severity="warning"), told("critical", "unknown", CART), True),
        (channel(severity="critical"), told("warning", "unknown", CART), False),
        (channel(causes=("control-plane",)), told("info", "control-plane", CART), True),
        (channel(causes=("control-plane",)), told("critical", "workload", CART), False),
        (channel(causes=("client", "workload")), told("info", "workload", CART), True),
        (channel(namespaces=("shop",)), told("info", "unknown", CART), True),
        (channel(namespaces=("bank",)), told("info", "unknown", CART), False),
        (channel(namespaces=("bank",)), told("info", "unknown", CART, PAY), True),
        (channel(namespaces=("sh*",)), told("info", "unknown", CART), True),
        (channel(namespaces=("shop",)), told("info", "unknown", "*"), False),
        (channel(namespaces=("shop",)), told("info", "unknown"), False),
        (
            channel(severity="warning", namespaces=("shop",), causes=("control-plane",)),
            told("warning", "control-plane", CART),
            True,
        ),
        (
            channel(severity="warning", namespaces=("shop",), causes=("control-plane",)),
            told("info", "control-plane", CART),
            False,
        ),
    ],
)
def test_a_channel_hears_of_what_fits_its_severity_its_namespaces_and_its_causes(
    there: ChannelSettings, incident: IncidentDocument, wanted: bool
) -> None:
    assert routing.wants(there, incident) is wanted
