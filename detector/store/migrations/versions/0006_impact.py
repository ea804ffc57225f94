"""What incidents did to each service, and the counts behind their charts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "impact"
down_revision = "web"


def _of_incident(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["incident_id"], ["incidents.id"], name=f"fk_{table}_incident_id", ondelete="CASCADE"
    )


def upgrade() -> None:
    op.create_table(
        "incident_shares",
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("errors", sa.Float, nullable=False),
        sa.Column("requests", sa.Float, nullable=False),
        sa.Column("expected", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "service", name="pk_incident_shares"),
        _of_incident("incident_shares"),
    )
    op.create_index("ix_incident_shares_service", "incident_shares", ["service"])
    op.create_table(
        "incident_details",
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incident_details"),
        _of_incident("incident_details"),
    )
