"""Which channel hears of which incident, and when."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase

from detector.documents import IncidentDocument
from detector.errors import SettingsError
from detector.incidents.severity import rank
from detector.settings import ChannelSettings
from detector.store.deliveries import Row


def wants(channel: ChannelSettings, incident: IncidentDocument) -> bool:
    """Whether ``channel`` is to hear of ``incident`` as it is now."""
    if rank(incident.severity) < rank(channel.severity):
        return False
    if channel.causes and incident.attribution.cause not in channel.causes:
        return False
    if not channel.namespaces:
        return True
    hit = {namespace(host) for host in incident.services}
    return any(fnmatchcase(name, pattern) for name in hit for pattern in channel.namespaces)


def namespace(host: str) -> str:
    """The namespace in the name of a service, empty where there is none.

    >>> namespace("cart.shop.svc.cluster.local"), namespace("api.example.com"), namespace("cart")
    ('shop', 'example', '')
    """
    return host.split(".")[1] if "." in host else ""


def check_quiet_hours(where: str, channel: ChannelSettings) -> None:
    """Whether the quiet hours are times of a day.

    Raises:
        SettingsError: they are not.
    """
    try:
        for text in filter(None, channel.quiet_hours.split("-")):
            time.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"quiet_hours {channel.quiet_hours} are no times of a day",
            where=where,
            advice="Write them in UTC as 22:00-06:00",
        ) from error


def held(channel: ChannelSettings, row: Row, now: datetime) -> bool:
    """Whether quiet hours hold back the first that a channel hears of an incident."""
    first = not row.told_revision and row.severity != "critical"
    return first and quiet_until(channel, now) is not None


def quiet_until(channel: ChannelSettings, now: datetime) -> datetime | None:
    """When the channel's quiet hours end, if ``now`` lies in them."""
    if not channel.quiet_hours:
        return None
    start, end = (time.fromisoformat(text) for text in channel.quiet_hours.split("-"))
    today = now.astimezone(UTC)
    begun = today.replace(hour=start.hour, minute=start.minute, second=0, microsecond=0)
    if begun > today:
        begun -= timedelta(days=1)
    over = begun.replace(hour=end.hour, minute=end.minute)
    if over <= begun:
        over += timedelta(days=1)
    return over if today < over else None
