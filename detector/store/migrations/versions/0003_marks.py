"""Marks: changes that people and pipelines announce."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "marks"
down_revision = "ledger"

_TIME = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "marks",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("from_version", sa.String),
        sa.Column("to_version", sa.String),
        sa.Column("revision", sa.String),
        sa.Column("note", sa.Text),
        sa.Column("author", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_marks"),
    )
    op.create_index("ix_marks_started_at", "marks", ["started_at"])
