"""What incidents are looked up by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "web"
down_revision = "timeline"


def upgrade() -> None:
    op.create_index("ix_incidents_detected_at", "incidents", ["detected_at", "id"])
    op.create_table(
        "incident_names",
        sa.Column("incident_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "kind", "name", name="pk_incident_names"),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name="fk_incident_names_incident_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_incident_names_kind", "incident_names", ["kind", "name"])
