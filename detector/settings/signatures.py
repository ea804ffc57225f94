"""Which known faults are looked for."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


class SignatureSettings(Section, frozen=True):
    """Which known faults are looked for."""

    folder: Annotated[
        str,
        Meta(
            description="A folder of TOML files with faults of your own; an entry with the id of "
            "one that comes with Pushwake takes its place."
        ),
    ] = ""
    off: Annotated[
        tuple[str, ...], Meta(description="Ids of faults that incidents are not compared with.")
    ] = ()
