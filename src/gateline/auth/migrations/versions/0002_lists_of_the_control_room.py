"""Indexes for the lists of all accounts, sessions and audit events, newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_users_newest", "users", ["created_at", "id"], None),
    ("ix_sessions_newest", "sessions", ["created_at", "sid"], "ended_at IS NULL"),
    ("ix_audit_events_latest", "audit_events", ["occurred_at", "id"], None),
)


def upgrade() -> None:
    """Create the indexes."""
    for name, table, columns, condition in _INDEXES:
        where = sa.text(condition) if condition else None
        op.create_index(name, table, columns, schema="auth", postgresql_where=where)


def downgrade() -> None:
    """Drop them."""
    for name, table, _, _ in reversed(_INDEXES):
        op.drop_index(name, table, schema="auth")
