"""When judging began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "first"
down_revision = "impact"


def upgrade() -> None:
    op.add_column("progress", sa.Column("first", sa.String(27)))
