"""Where state is kept."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


class StoreSettings(Section, frozen=True):
    """Where state is kept."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            description="SQLAlchemy address of the store: sqlite:///FILE, sqlite:// to keep all in "
            "memory, or postgresql://USER@HOST/DATABASE (password in the file of PGPASSFILE).",
        ),
    ] = "sqlite:///pushwake.db"
    lease_s: Annotated[
        float,
        Meta(gt=0, description="Seconds after which a process that went silent loses the store."),
    ] = 30.0
    busy_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to wait for another process's transaction.")
    ] = 10.0
    commit_s: Annotated[
        float, Meta(gt=0, description="Seconds at the most between two commits of a live run.")
    ] = 5.0
