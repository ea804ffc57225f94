"""The ledger: proxies and istiods."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "ledger"
down_revision = "0001"

_TIME = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "proxies",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("namespace", sa.String),
        sa.Column("istiod", sa.String),
        sa.Column("version", sa.String),
        sa.Column("revision", sa.String),
        sa.Column("proxy_version", sa.String),
        sa.Column("connected", sa.Boolean, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_proxies"),
    )
    op.create_index("ix_proxies_version", "proxies", ["version"])
    op.create_table(
        "istiods",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_istiods"),
    )
