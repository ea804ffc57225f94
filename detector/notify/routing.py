"""Which channel hears of which incident, and when."""

from __future__ import annotations

from datetime import datetime, time
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
    """Whether the quiet hours are times of a day, in a time zone that is known.

    Raises:
        SettingsError: they are not.
    """
    try:
        ZoneInfo(channel.time_zone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise SettingsError(
            f"time_zone {channel.time_zone!r} is not known here",
            where=where,
            advice="Write a name of the IANA database, as Europe/Berlin; it needs the system's "
            "tzdata",
        ) from error
    if not channel.quiet_hours:
        return
    try:
        begin, end = _hours(channel)
    except ValueError as error:
        raise SettingsError(
            f"quiet_hours {channel.quiet_hours} are no times of a day",
            where=where,
            advice="Write them as 22:00-06:00",
        ) from error
    if begin == end:
        raise SettingsError(
            f"quiet_hours {channel.quiet_hours} end when they begin",
            where=where,
            advice='Leave them out for none; severity = "critical" tells nothing milder ever',
        )


def held(channel: ChannelSettings, row: Row, now: datetime) -> bool:
    """Whether quiet hours hold back the first that a channel hears of an incident."""
    return not row.told_revision and rests(channel, row, now)


def rests(channel: ChannelSettings, row: Row, now: datetime) -> bool:
    """Whether an incident is none to break the channel's quiet hours for."""
    return row.severity != "critical" and is_quiet(channel, now)


def is_quiet(channel: ChannelSettings, now: datetime) -> bool:
    """Whether it is quiet hours on the clocks of the channel's time zone.

    Where clocks are put back, a time of day that comes twice is quiet both times.
    """
    if not channel.quiet_hours:
        return False
    begin, end = _hours(channel)
    at = now.astimezone(ZoneInfo(channel.time_zone)).time()
    return begin <= at < end if begin < end else at >= begin or at < end


def _hours(channel: ChannelSettings) -> tuple[time, time]:
    begin, end = (time.fromisoformat(text) for text in channel.quiet_hours.split("-"))
    return begin, end
