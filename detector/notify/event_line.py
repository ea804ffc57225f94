"""A webhook of the user's own: one signed event for every state of an incident that is told.

The body is a CloudEvent in structured mode (https://github.com/cloudevents/spec, 1.0); it is signed
as Standard Webhooks has it (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body,
so that libraries of most languages can check it and refuse what is old or seen before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from detector.notify.desk import Desk
from detector.notify.meter import Meter
from detector.notify.outcomes import Outcome
from detector.notify.posting import post
from detector.notify.routing import held
from detector.notify.secrets import Secret
from detector.settings import ChannelSettings
from detector.store import deliveries, telling
from detector.store.deliveries import Row
from detector.timeline import Notice

TYPE = "io.pushwake.incident.v1"
KEY_PREFIX = "whsec_"


class EventLine:
    """One webhook. An event that may have arrived is sent again under the same id.

    Args:
        name: of the channel.
        channel: its settings.
        address: gives where to.
        key: gives what signs.
        desk: the store.
        source: the CloudEvents' source, which tells installations apart.
        timeout_s: seconds to wait for an answer.
        meter: counts.
        now: the clock.
    """

    def __init__(
        self,
        name: str,
        channel: ChannelSettings,
        address: Callable[[], Secret],
        key: Callable[[], Secret],
        desk: Desk,
        *,
        source: str,
        timeout_s: float,
        meter: Meter,
        now: Callable[[], datetime],
    ) -> None:
        self._name = name
        self._channel = channel
        self._address = address
        self._key = key
        self._desk = desk
        self._source = source
        self._timeout_s = timeout_s
        self._meter = meter
        self._now = now

    def step(self) -> Outcome | None:
        """Send the event of the incident whose news is the oldest."""
        now = self._now()
        with self._desk.reading() as connection:
            waiting = deliveries.pending(connection, self._name)
            row = next((one for one in waiting if not held(self._channel, one, now)), None)
            if row is None:
                return None
            notice = deliveries.notice_of(connection, self._name, row.incident_id)
        told = event(row, notice, self._source)
        outcome = send(self._address, self._key, told, now, self._timeout_s)
        if outcome.answer == "sent":
            self._meter.delay(self._name, now - (row.since or now))
            with self._desk.writing() as connection:
                telling.told(connection, self._name, [row], now)
        return outcome


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str = TYPE
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    data: Notice


def event(row: Row, notice: Notice, source: str) -> Event:
    """An incident as of a revision; the same one always has the same id."""
    return Event(
        id=f"{row.incident_id}/{row.revision}",
        source=source,
        subject=row.incident_id,
        time=(row.since or notice.document.detected_at).astimezone(UTC),
        data=notice,
    )


def send(
    address: Callable[[], Secret],
    key: Callable[[], Secret],
    told: Event,
    now: datetime,
    timeout_s: float,
) -> Outcome:
    """Sign and send an event."""
    body = msgspec.json.encode(told)

    def headers() -> dict[str, str]:
        seconds = str(int(now.timestamp()))
        return {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": told.id,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(key(), told.id, seconds, body),
        }

    return post(address, "", body, headers, timeout_s)


def signature(key: Secret, name: str, seconds: str, body: bytes) -> str:
    """The value of ``webhook-signature``.

    Args:
        key: a text, or ``whsec_`` with the key in base64 behind it.
        name: of the event.
        seconds: since 1970, as in ``webhook-timestamp``.
        body: as it is sent.
    """
    signed = f"{name}.{seconds}.".encode() + body
    digest = hmac.new(_key_bytes(key), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key_bytes(key: Secret) -> bytes:
    text = key.reveal()
    if text.startswith(KEY_PREFIX):
        try:
            return base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
        except binascii.Error:
            pass  # a text of its own that happens to begin so
    return text.encode()
