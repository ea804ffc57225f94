"""Timelines of incidents, and the outbox of what is to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "timeline"
down_revision = "marks"

_TIME = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "timeline",
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("errors", sa.Float, nullable=False),
        sa.Column("excess", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "number", name="pk_timeline"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("incident_revision", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("notice", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_incident_id", "outbox", ["incident_id"])
