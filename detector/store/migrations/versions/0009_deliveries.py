"""Which channel was told what, in which message."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "deliveries"
down_revision = "people"

_TIME = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("seen_id", sa.Integer, nullable=False),
        sa.Column("retry_at", _TIME),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("problem_since", _TIME),
        sa.PrimaryKeyConstraint("name", name="pk_channels"),
    )
    op.create_table(
        "deliveries",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("outbox_id", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("gist", sa.String, nullable=False),
        sa.Column("notice", sa.Text, nullable=False),
        sa.Column("since", _TIME),
        sa.Column("told_revision", sa.Integer, nullable=False),
        sa.Column("told_at", _TIME),
        sa.Column("message", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("channel", "incident_id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_channel", "deliveries", ["channel", "since"])
    op.create_table(
        "messages",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("storm", sa.Boolean, nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("begun_at", _TIME),
        sa.Column("told_status", sa.String, nullable=False),
        sa.Column("told_severity", sa.String, nullable=False),
        sa.Column("thread", sa.String, nullable=False),
        sa.Column("picture", sa.String, nullable=False),
        sa.Column("attempt", sa.String, nullable=False),
        sa.Column("attempted_at", _TIME),
        sa.Column("renewed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("channel", "key", name="pk_messages"),
    )
