"""Run by alembic: works on the connection and in the transaction of detector.migrate."""

from __future__ import annotations

from alembic import context

from detector.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
