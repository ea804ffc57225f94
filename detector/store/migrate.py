"""Bring the tables of a store up to this version of the code."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from detector.errors import StoreVersionError

Age = Literal["none", "older", "current"]

_FOLDER = Path(__file__).parent / "migrations"


def is_current(connection: sa.Connection) -> bool:
    """Whether a store's tables are those of this version."""
    scripts = ScriptDirectory.from_config(_config(connection))
    present = MigrationContext.configure(connection).get_current_revision()
    return present == scripts.get_current_head()


def migrate(connection: sa.Connection) -> None:
    """Run the migrations that are missing, inside the caller's transaction.

    Two processes may try at once: the transaction holds the write lock, and the later one finds
    nothing left to do.

    Raises:
        StoreVersionError: the store was written by a newer version; nothing is changed.
    """
    if age(connection) != "current":
        command.upgrade(_config(connection), "head")


def age(connection: sa.Connection) -> Age:
    """How a store's tables stand to this version of the code.

    Raises:
        StoreVersionError: the store was written by a newer version.
    """
    scripts = ScriptDirectory.from_config(_config(connection))
    present = MigrationContext.configure(connection).get_current_revision()
    if present == scripts.get_current_head():
        return "current"
    if present not in {None, *(script.revision for script in scripts.walk_revisions())}:
        raise StoreVersionError(
            f"its tables have version {present}, which this Pushwake does not know",
            where=connection.engine.url.render_as_string(hide_password=True),
            advice="Use the newer Pushwake that wrote it, or set store.url to another store",
        )
    return "none" if present is None else "older"


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
