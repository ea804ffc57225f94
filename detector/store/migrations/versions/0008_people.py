"""What people say and do: acknowledgements, feedback, silences, and the log of it all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "people"
down_revision = "first"

_TIME = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("matcher", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
    )
    op.create_index("ix_silences_ends_at", "silences", ["ends_at"])
    op.create_table(
        "acknowledgements",
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("incident_id", name="pk_acknowledgements"),
    )
    op.create_table(
        "feedback",
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("expectation", sa.Text),
        sa.Column("held_back", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_verdict", "feedback", ["verdict"])
    _create_log()


def _create_log() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "answered",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("question", sa.String, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_answered"),
    )
    op.create_index("ix_answered_at", "answered", ["at"])
