"""Where people reach the pages."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


class WebSettings(Section, frozen=True):
    """Where people reach the pages."""

    base_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+[^/\s])?$",
            description="Address of the pages as people reach them, for links in messages: "
            "https://HOST, without a slash at its end. Empty: messages carry no links.",
        ),
    ] = ""
