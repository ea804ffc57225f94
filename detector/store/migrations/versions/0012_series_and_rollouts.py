"""What is normal, series by series, and what was rolled out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "series"
down_revision = "tokens"

_TIME = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("destination", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("signal", sa.String, nullable=False),
        sa.Column("reporter", sa.String, nullable=False),
        sa.Column("namespaces", sa.String, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("settles_at", _TIME, nullable=False),
        sa.Column("judged", sa.Boolean, nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.Column("rate", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
    )
    places = ["destination", "source", "signal", "reporter"]
    op.create_index("ix_series_destination", "series", places)
    op.create_index("ix_series_source", "series", ["source"])
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workload", sa.String, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("latest", _TIME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
    )
    op.create_index("ix_rollouts_started_at", "rollouts", ["started_at", "id"])
