"""What reports and exemplars show."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


class ReportSettings(Section, frozen=True):
    """What the HTML report shows."""

    title: Annotated[str, Meta(description="Heading of the report.")] = "Pushwake report"
    context_s: Annotated[
        int, Meta(ge=0, description="Seconds drawn before and after an incident.")
    ] = 300


class RedactionSettings(Section, frozen=True):
    """What exemplars may show of a log line."""

    query_strings: Annotated[bool, Meta(description="Hide the query part of paths.")] = True
    addresses: Annotated[
        bool, Meta(description="Hide addresses of clients (X-Forwarded-For, remote address).")
    ] = True
    patterns: Annotated[
        tuple[str, ...], Meta(description="Further regular expressions to hide in exemplars.")
    ] = ()
    max_length: Annotated[int, Meta(ge=80, description="Characters kept of an exemplar line.")] = (
        1000
    )
