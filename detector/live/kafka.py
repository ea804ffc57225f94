"""The settings of Kafka as a source of records."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from socket import gethostname

from detector import clock
from detector.errors import SettingsError
from detector.secrecy import keep_secret
from detector.settings import KafkaSettings, Settings
from pipelines.kafka import Connection, DeadLetters, KafkaSource, Relay, Topics

VARIABLE = "PUSHWAKE_KAFKA_PASSWORD"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def connection_of(settings: KafkaSettings) -> Connection:
    """How the brokers are reached; the password is read from its file or the environment.

    Raises:
        SettingsError: a secret is missing, or its file cannot be read.
    """
    password = ""
    if "SASL" in settings.security_protocol and settings.sasl_mechanism != "OAUTHBEARER":
        password = _password(settings)
        keep_secret(password)
    return Connection(
        bootstrap_servers=settings.bootstrap_servers,
        security_protocol=settings.security_protocol,
        ca_file=settings.ca_file,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
        verify_hostname=settings.verify_hostname,
        sasl_mechanism=settings.sasl_mechanism,
        username=settings.username,
        password=password,
        token_file=settings.token_file,
    )


def topics_of(settings: Settings) -> Topics:
    """Which topics the worker that judges reads, and which are read for it."""
    return Topics(settings.kafka.topics, settings.rollup.suffix if settings.rollup.on else "")


def source_of(tree: Settings) -> KafkaSource:
    """The topics of the settings.

    Raises:
        SettingsError: a secret is missing.
        SourceError: no broker can be reached.
    """
    settings = tree.kafka
    return KafkaSource(
        connection_of(settings),
        topics_of(tree),
        start=start_of(settings.start, clock.now()),
        group=settings.group or None,
        discover_s=settings.discover_s,
        max_records=settings.max_records,
        timeout_s=settings.timeout_s,
        monotonic_s=clock.monotonic_s,
    )


def relay_of(tree: Settings) -> Relay:
    """The topics of access logs, shared with other rollup workers.

    Raises:
        SettingsError: a secret is missing, or rollup workers are not switched on.
        SourceError: no broker can be reached, or there is nothing to read.
    """
    if not tree.rollup.on:
        raise SettingsError(
            "no rollup worker is wanted: the worker that judges reads all by itself",
            where="rollup.on",
            advice="Set rollup.on = true for all processes, or start pushwake run alone",
        )
    settings = tree.kafka
    return Relay(
        connection_of(settings),
        topics_of(tree),
        start=start_of(settings.start, clock.now()),
        group=tree.rollup.group,
        instance=tree.rollup.instance or gethostname(),
        max_records=settings.max_records,
        timeout_s=settings.timeout_s,
    )


def dead_letters_of(settings: KafkaSettings) -> DeadLetters | None:
    """Where records go that were not understood; None when no topic is named."""
    if not settings.dead_letter_topic:
        return None
    return DeadLetters(
        connection_of(settings), settings.dead_letter_topic, timeout_s=settings.timeout_s
    )


def start_of(text: str, now: datetime) -> str | datetime:
    """``kafka.start`` as "latest", "earliest" or a time.

    >>> from datetime import UTC
    >>> start_of("90m", datetime(2026, 3, 1, 12, tzinfo=UTC)).isoformat()
    '2026-03-01T10:30:00+00:00'

    Raises:
        SettingsError: it is no time.
    """
    if text in ("latest", "earliest"):
        return text
    if text[-1] in _UNITS and text[:-1].replace(".", "", 1).isdigit():
        return now - timedelta(seconds=float(text[:-1]) * _UNITS[text[-1]])
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{text} is no time",
            where="kafka.start",
            advice="Write latest, earliest, a span such as 6h, or 2026-03-01T12:00:00Z",
        ) from error
    if time.tzinfo is None:
        raise SettingsError(
            f"{text} names no time zone", where="kafka.start", advice="Append Z for UTC"
        )
    return time


def _password(settings: KafkaSettings) -> str:
    if not settings.password_file:
        if password := os.environ.get(VARIABLE):
            return password
        raise SettingsError(
            "no password",
            where="kafka.password_file",
            advice=f"Name a file, or set {VARIABLE} in the environment",
        )
    try:
        return Path(settings.password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"cannot be read ({type(error).__name__})",
            where=settings.password_file,
            advice="kafka.password_file has to name a readable text file",
        ) from error
