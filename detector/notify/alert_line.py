"""Incidents as alerts of an Alertmanager, API v2: routing, silences and on-call come with it.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. An alert is its labels:
one whose severity or cause has changed is a new one, so the former is ended in the same call.
Alerts that nobody sends any more end by themselves; incidents that go on are sent again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from detector.notify import slack_message as wording
from detector.notify.desk import Desk
from detector.notify.meter import Meter
from detector.notify.outcomes import Outcome
from detector.notify.posting import post
from detector.notify.routing import held
from detector.notify.secrets import Secret
from detector.settings import ChannelSettings
from detector.store import deliveries, telling
from detector.store.deliveries import Row, Sent
from detector.timeline import Notice

ALERT = "PushwakeIncident"
PATH = "/api/v2/alerts"
BATCH = 200
FORGOTTEN = 4  # resends that may fail before the Alertmanager ends an alert, as Prometheus has it


class AlertLine:
    """One Alertmanager.

    Args:
        name: of the channel.
        channel: its settings.
        address: gives the base of its address.
        desk: the store.
        resend_s: seconds after which what goes on is sent again.
        base_url: of the pages.
        timeout_s: seconds to wait for an answer.
        meter: counts.
        now: the clock.
    """

    def __init__(
        self,
        name: str,
        channel: ChannelSettings,
        address: Callable[[], Secret],
        desk: Desk,
        *,
        resend_s: float,
        base_url: str,
        timeout_s: float,
        meter: Meter,
        now: Callable[[], datetime],
    ) -> None:
        self._name = name
        self._channel = channel
        self._address = address
        self._desk = desk
        self._resend = timedelta(seconds=resend_s)
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._meter = meter
        self._now = now
        self._resent: datetime | None = None

    def step(self) -> Outcome | None:
        """Send what is new; else, when it is time, all that goes on."""
        now = self._now()
        with self._desk.reading() as connection:
            waiting = deliveries.pending(connection, self._name)
            news = [row for row in waiting if not held(self._channel, row, now)][:BATCH]
            is_time = self._resent is None or now - self._resent >= self._resend
            rows = news or (deliveries.live(connection, self._name) if is_time else [])
            sent = deliveries.sent(connection, self._name, {row.incident_id for row in rows})
            notices = self._notices(connection, rows)
        if not news:
            self._resent = now if is_time else self._resent
        if not rows:
            return None
        until = now + FORGOTTEN * self._resend
        alerts: list[dict[str, Any]] = []
        for row, notice in zip(rows, notices, strict=True):
            alerts += changed(row, sent.get(row.incident_id), now)
            alerts.append(alert(row, notice, until, self._base_url))
        outcome = send(self._address, alerts, self._timeout_s)
        if outcome.answer == "sent" and news:
            self._record(news, now)
        return outcome

    def _notices(self, connection: sa.Connection, rows: Sequence[Row]) -> list[Notice]:
        return [deliveries.notice_of(connection, self._name, row.incident_id) for row in rows]

    def _record(self, rows: Sequence[Row], now: datetime) -> None:
        for row in rows:
            self._meter.delay(self._name, now - (row.since or now))
        with self._desk.writing() as connection:
            for row in rows:
                key = row.incident_id
                telling.begin(
                    connection, self._name, key, storm=False, attempt="alert", rows=[row], now=now
                )
                told = {"thread": row.gist}
                telling.arrived(connection, self._name, key, rows=[row], now=now, changes=told)


def send(address: Callable[[], Secret], alerts: list[dict[str, Any]], timeout_s: float) -> Outcome:
    """POST alerts."""
    body = msgspec.json.encode(alerts)
    return post(address, PATH, body, lambda: {"Content-Type": "application/json"}, timeout_s)


def alert(row: Row, notice: Notice, until: datetime, base_url: str) -> dict[str, Any]:
    """An incident as an alert that ends with it, or by itself at ``until``."""
    incident = notice.document
    against, fault = incident.attribution.against, incident.signature
    annotations = {
        "summary": wording.title(incident),
        "description": notice.verdict,
        "cause": notice.cause,
        "against": against[0] if against else "",
        "remedy": f"{fault.title}. {fault.advice}" if fault else "",
        "services": ", ".join(incident.services[:20]),
    }
    over = incident.status == "resolved"
    end = (incident.ended_at or incident.detected_at) if over else until
    return {
        "labels": labels(row.incident_id, row.gist),
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": incident.started_at.astimezone(UTC),
        "endsAt": end.astimezone(UTC),
        **({"generatorURL": f"{base_url}/incidents/{incident.id}"} if base_url else {}),
    }


def changed(row: Row, sent: Sent | None, now: datetime) -> list[dict[str, Any]]:
    """The end of the alert that an incident was before its labels changed."""
    if sent is None or not sent.thread:
        return []
    before = labels(row.incident_id, sent.thread)
    if before == labels(row.incident_id, row.gist):
        return []
    return [{"labels": before, "startsAt": now - timedelta(seconds=1), "endsAt": now}]


def labels(incident_id: str, gist: str) -> dict[str, str]:
    """What makes an alert one, and what an Alertmanager routes by."""
    cause, _, _, severity, _ = gist.rsplit("/", 4)
    return {"alertname": ALERT, "incident": incident_id, "severity": severity, "cause": cause}
