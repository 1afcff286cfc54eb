"""An index for deleting sessions that are long over."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], schema="auth")


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_sessions_expires_at", table_name="sessions", schema="auth")
