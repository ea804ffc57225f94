"""What is wrong with the input."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "conditions"
down_revision = "deliveries"


def upgrade() -> None:
    op.create_table(
        "conditions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.Column("seen", sa.String(27), nullable=False),
        sa.Column("until", sa.String(27)),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("advice", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conditions"),
    )
    op.create_index("ix_conditions_until", "conditions", ["until"])
