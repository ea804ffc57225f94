"""Whom to tell of incidents, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from detector.settings.section import Section
from detector.types import Cause, Severity

ChannelKind = Literal["slack-webhook", "slack-bot", "webhook", "alertmanager"]


class ChannelSettings(Section, frozen=True):
    """One receiver. Secrets are named by file or variable, never written here."""

    kind: ChannelKind
    url: str = ""
    """Address of an Alertmanager or a webhook, when it holds no secret."""
    secret_file: str = ""
    """File with the incoming webhook's address, the bot's token, or the webhook's address."""
    secret_env: str = ""
    """Or the environment variable that holds it."""
    key_file: str = ""
    """File with the key that signs a webhook's events."""
    key_env: str = ""
    to: str = ""
    """Slack channel id (C0123456789) of a bot."""
    severity: Severity = "info"
    """Incidents milder than this are not told here."""
    namespaces: tuple[str, ...] = ()
    """Shell patterns; incidents that hit no service of these are not told here. Empty: all."""
    causes: tuple[Cause, ...] = ()
    """Only incidents with one of these causes. Empty: all."""
    quiet_hours: Annotated[str, Meta(pattern=r"^(\d\d:\d\d-\d\d:\d\d)?$")] = ""
    """Times of day, such as 22:00-06:00, between which openings wait unless they are critical."""
    time_zone: str = "UTC"
    """Name in the IANA database, such as Europe/Berlin, of the clocks that quiet_hours go by."""


class NotifySettings(Section, frozen=True):
    """Whom to tell of incidents, and how."""

    channels: Annotated[
        dict[str, ChannelSettings],
        Meta(
            description="Receivers by name: kind (slack-webhook, slack-bot, webhook, "
            "alertmanager), where they are, and which incidents they get; see "
            "docs/notify.md."
        ),
    ] = field(default_factory=dict)
    host: Annotated[
        str, Meta(min_length=1, description="Address of the notifier's probes and metrics.")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Their port; 0 picks one.")] = 9471
    api_url: Annotated[
        str, Meta(description="Address of Slack's API; another one for tests and proxies.")
    ] = "https://slack.com/api/"
    timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to wait for a receiver's answer.")
    ] = 10.0
    pause_s: Annotated[
        float,
        Meta(ge=0, description="Seconds between two messages to one channel; Slack allows one."),
    ] = 1.0
    storm: Annotated[
        int,
        Meta(ge=2, description="Incidents waiting to be announced that become one message."),
    ] = 5
    regroup_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds after a storm's message in which further incidents join it: a "
            "bot edits the message, a webhook sends the next one at their end.",
        ),
    ] = 300.0
    backoff_s: Annotated[
        float,
        Meta(gt=0, description="Longest first pause after a failure; it doubles with each."),
    ] = 2.0
    backoff_max_s: Annotated[
        float, Meta(gt=0, description="Longest pause after a failure that may pass.")
    ] = 300.0
    resend_s: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds after which open incidents are sent to an Alertmanager again; "
            "it forgets them after four times as long.",
        ),
    ] = 60.0
    kept_days: Annotated[
        int, Meta(ge=1, description="Days for which what was sent is remembered.")
    ] = 30
