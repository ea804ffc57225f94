"""From the settings of a channel to what delivers to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from detector.errors import SettingsError
from detector.notify import secrets
from detector.notify.alert_line import AlertLine
from detector.notify.chat_line import Charts, ChatLine
from detector.notify.courier import Courier, Line
from detector.notify.desk import Desk
from detector.notify.event_line import EventLine
from detector.notify.meter import Meter
from detector.notify.plan import Planner
from detector.notify.routing import check_quiet_hours
from detector.notify.secrets import Secret
from detector.notify.sending import Chat
from detector.notify.slack_bot import SlackBot
from detector.notify.slack_webhook import SlackWebhook
from detector.settings import ChannelSettings, NotifySettings, Settings

SOURCE = "pushwake"
"""Source of CloudEvents where no base_url is set."""


def couriers(
    settings: Settings,
    desk: Desk,
    meter: Meter,
    *,
    charts: Charts,
    now: Callable[[], datetime],
) -> dict[str, Courier]:
    """One courier a channel.

    Raises:
        SettingsError: naming the channel and what it lacks.
    """
    made = {}
    for name, channel in settings.notify.channels.items():
        check(name, channel)
        line = _line(name, channel, settings, desk, meter, charts=charts, now=now)
        made[name] = Courier(
            name,
            line,
            desk,
            channel,
            settings.notify,
            secret=secret_of(name, channel),
            meter=meter,
            now=now,
            pause_s=settings.notify.pause_s if is_chat(channel) else 0.0,
        )
    return made


def chat_of(name: str, channel: ChannelSettings, settings: NotifySettings) -> Chat:
    """What sends to a channel of people."""
    secret = secret_of(name, channel)
    if channel.kind == "slack-bot":
        return SlackBot(secret, channel.to, settings.api_url, settings.timeout_s)
    return SlackWebhook(secret, settings.timeout_s)


def secret_of(name: str, channel: ChannelSettings) -> Callable[[], Secret]:
    """Reads the channel's secret anew each time, so that a rotated one is found."""

    def read() -> Secret:
        found = secrets.read(
            file=channel.secret_file, variable=channel.secret_env, where=f"notify.channels.{name}"
        )
        return found or Secret(channel.url)

    return read


def key_of(name: str, channel: ChannelSettings) -> Callable[[], Secret]:
    """Reads the key that signs a webhook's events."""

    def read() -> Secret:
        where = f"notify.channels.{name}"
        found = secrets.read(file=channel.key_file, variable=channel.key_env, where=where)
        return found or Secret("")

    return read


def is_chat(channel: ChannelSettings) -> bool:
    """Whether people read it, who are told less and more slowly than machines."""
    return channel.kind.startswith("slack-")


def check(name: str, channel: ChannelSettings) -> None:
    """Whether a channel has all that its kind needs.

    Raises:
        SettingsError: naming what is missing.
    """
    where = f"notify.channels.{name}"
    secret = channel.secret_file or channel.secret_env
    if channel.secret_file and channel.secret_env:
        raise _lacking(where, "has two secrets", "Keep one of secret_file and secret_env")
    if is_chat(channel) and not secret:
        what = "the bot's token" if channel.kind == "slack-bot" else "the webhook's address"
        raise _lacking(where, "has no secret", f"Name a file with {what} as secret_file")
    if channel.kind == "slack-bot" and not channel.to:
        raise _lacking(where, "has no 'to'", "Write the id of a Slack channel, as C0123456789")
    if not is_chat(channel) and not (secret or channel.url):
        raise _lacking(where, "has no address", "Write it as url, or in a file as secret_file")
    if channel.kind == "webhook" and not (channel.key_file or channel.key_env):
        raise _lacking(where, "has no key to sign with", "Name a file with one as key_file")
    if channel.url and not channel.url.startswith(("http://", "https://")):
        raise _lacking(where, "url is no address", "Begin it with https://")
    check_quiet_hours(where, channel)


def _line(
    name: str,
    channel: ChannelSettings,
    settings: Settings,
    desk: Desk,
    meter: Meter,
    *,
    charts: Charts,
    now: Callable[[], datetime],
) -> Line:
    secret, told = secret_of(name, channel), settings.notify
    if channel.kind == "webhook":
        return _event_line(name, channel, settings, desk, meter=meter, now=now)
    if channel.kind == "alertmanager":
        return AlertLine(
            name,
            channel,
            secret,
            desk,
            resend_s=told.resend_s,
            base_url=settings.web.base_url,
            timeout_s=told.timeout_s,
            meter=meter,
            now=now,
        )
    chat = chat_of(name, channel, told)
    return ChatLine(
        name,
        chat,
        Planner(channel, settings.notify, editable=chat.editable),
        desk,
        regroup_s=settings.notify.regroup_s,
        base_url=settings.web.base_url,
        charts=charts,
        meter=meter,
        now=now,
    )


def _event_line(
    name: str,
    channel: ChannelSettings,
    settings: Settings,
    desk: Desk,
    *,
    meter: Meter,
    now: Callable[[], datetime],
) -> EventLine:
    return EventLine(
        name,
        channel,
        secret_of(name, channel),
        key_of(name, channel),
        desk,
        source=settings.web.base_url or SOURCE,
        timeout_s=settings.notify.timeout_s,
        meter=meter,
        now=now,
    )


def _lacking(where: str, what: str, advice: str) -> SettingsError:
    return SettingsError(what, where=where, advice=advice)
