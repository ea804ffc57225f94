"""Faults that people say were missed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "misses"
down_revision = "changes"

_TIME = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "misses",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("signal", sa.String, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("reported_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_misses"),
    )
