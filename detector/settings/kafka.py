"""Where records come from."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from detector.settings.section import Section

START = r"^(latest|earliest|\d+(\.\d+)?[smhd]|\d{4}-\d\d-\d\d[Tt ].+)$"


class KafkaSettings(Section, frozen=True):
    """Where records come from. Secrets are read from files or the environment, never from here."""

    bootstrap_servers: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Brokers to ask first, HOST:PORT each."),
    ] = ("localhost:9092",)
    topics: Annotated[
        dict[str, Literal["access", "control-plane", "auto"]],
        Meta(
            description="Topics and what they hold: access, control-plane, or auto to find out. "
            "A name that starts with ^ is a regular expression over topic names."
        ),
    ] = field(default_factory=lambda: {"istio-proxy": "access", "istiod": "control-plane"})
    start: Annotated[
        str,
        Meta(
            pattern=START,
            description="Where a first run begins: latest, earliest, an RFC 3339 time, or a span "
            "back such as 6h, which is learned from without raising incidents.",
        ),
    ] = "latest"
    group: Annotated[
        str,
        Meta(
            description="Consumer group whose offsets are kept up for lag tools; the store's "
            "offsets are what counts."
        ),
    ] = "pushwake"
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="How brokers are spoken to."),
    ] = "PLAINTEXT"
    ca_file: Annotated[str, Meta(description="PEM file of the authority of the brokers.")] = ""
    certificate_file: Annotated[str, Meta(description="PEM file of the client certificate.")] = ""
    key_file: Annotated[str, Meta(description="PEM file of the client's private key.")] = ""
    verify_hostname: Annotated[
        bool, Meta(description="Whether a broker's certificate has to bear its name.")
    ] = True
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"],
        Meta(description="How the client says who it is, with SASL."),
    ] = "SCRAM-SHA-512"
    username: Annotated[str, Meta(description="Name for PLAIN and SCRAM.")] = ""
    password_file: Annotated[
        str,
        Meta(
            description="File with the password for PLAIN and SCRAM; without one, the environment "
            "variable PUSHWAKE_KAFKA_PASSWORD."
        ),
    ] = ""
    token_file: Annotated[
        str,
        Meta(description="File with the bearer token for OAUTHBEARER, read anew when it changes."),
    ] = ""
    dead_letter_topic: Annotated[
        str, Meta(description="Topic that records not understood are copied to; empty for none.")
    ] = ""
    discover_s: Annotated[
        float, Meta(gt=0, description="Seconds between two looks for new topics and partitions.")
    ] = 30.0
    max_records: Annotated[
        int, Meta(ge=1, le=500_000, description="Records taken from the client at a time.")
    ] = 20_000
    timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to wait for an answer when starting.")
    ] = 30.0
