"""Run by alembic: works on the connection and in the transaction of detector.store.migrate."""

from __future__ import annotations

from alembic import context

from detector.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
