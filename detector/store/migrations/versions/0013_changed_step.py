"""Which step wrote what last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "changes"
down_revision = "series"


def upgrade() -> None:
    for table in ("incidents", "windows", "conditions"):
        column = sa.Column("changed_step", sa.BigInteger, nullable=False, server_default="0")
        op.add_column(table, column)
        op.create_index(f"ix_{table}_changed_step", table, ["changed_step"])
