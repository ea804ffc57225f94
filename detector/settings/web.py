"""How the web process listens and what it allows."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from detector.settings.section import Section


class WebSettings(Section, frozen=True):
    """How the web process listens and what it allows."""

    host: Annotated[
        str,
        Meta(min_length=1, description="Address to listen on. Beyond loopback, tokens are needed."),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 picks one.")] = 8080
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="Further names by which browsers may call a server on loopback."),
    ] = ()
    anonymous: Annotated[
        Literal["read", "gate", "write", "admin"] | None,
        Meta(
            description="What those may do who show no token to a server beyond loopback; for "
            "servers that something else guards."
        ),
    ] = None
    rate_per_s: Annotated[
        float, Meta(gt=0, description="Requests a second that one client may make for long.")
    ] = 50.0
    burst: Annotated[int, Meta(ge=1, description="Requests that one client may make at once.")] = (
        200
    )
    max_body_bytes: Annotated[
        int, Meta(ge=1024, description="Bytes that the body of a request may have.")
    ] = 65_536
    max_streams: Annotated[
        int, Meta(ge=0, description="Clients that may follow /v1/events at once.")
    ] = 100
    exemplars: Annotated[
        bool, Meta(description="Show exemplars, the redacted log lines, in answers.")
    ] = True
    base_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+[^/\s])?$",
            description="Address of the pages as people reach them, for links in messages: "
            "https://HOST, without a slash at its end. Empty: messages carry no links.",
        ),
    ] = ""
