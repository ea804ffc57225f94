"""What a service suffered, and which windows touch a time, is told by an index alone."""

from __future__ import annotations

from alembic import op

revision = "lookups"
down_revision = "misses"


WIDER = {
    "incident_shares": ("service", "incident_id", "errors", "expected"),
    "windows": ("started_at", "id", "ended_at", "kind"),
}


def upgrade() -> None:
    for table, columns in WIDER.items():
        name = f"ix_{table}_{columns[0]}"
        op.drop_index(name, table)
        op.create_index(name, table, columns)
    op.create_index("ix_incidents_id", "incidents", ["id", "cause", "status", "started_at"])
