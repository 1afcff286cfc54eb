"""Accounts, sessions, service keys and the audit trail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_moment = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the four tables."""
    _create_users()
    _create_sessions()
    _create_service_keys()
    _create_audit_events()


def downgrade() -> None:
    """Drop them, with everything in them."""
    for table in ("audit_events", "service_keys", "sessions", "users"):
        op.drop_table(table, schema="auth")


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("username", sa.Text),
        sa.Column("password_hash", sa.Text),
        sa.Column("user_type", sa.Text, nullable=False),
        sa.Column("first_name", sa.Text, nullable=False),
        sa.Column("last_name", sa.Text, nullable=False),
        sa.Column("profile_picture", sa.Text),
        sa.Column("phone", sa.Text),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("is_email_verified", sa.Boolean, nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("updated_at", _moment, nullable=False),
        sa.Column("last_login_at", _moment),
        sa.Column("last_sync", _moment),
        sa.Column("sessions_revoked_at", _moment),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.CheckConstraint(
            "user_type IN ('patient', 'doctor', 'institution', 'admin', 'customer')",
            name=op.f("ck_users_user_type"),
        ),
        schema="auth",
    )
    for column in ("email", "username"):
        lowered = sa.text(f"lower({column})")
        op.create_index(f"uq_users_{column}", "users", [lowered], unique=True, schema="auth")


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("sid", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("external_id", sa.Text),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("last_seen", _moment, nullable=False),
        sa.Column("expires_at", _moment, nullable=False),
        sa.Column("renewable_until", _moment, nullable=False),
        sa.Column("ended_at", _moment),
        sa.Column("end_reason", sa.Text),
        sa.Column("last_sync", _moment),
        sa.Column("device_info", postgresql.JSONB, nullable=False),
        sa.Column("ip_address", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("refresh_hash", sa.Text),
        sa.PrimaryKeyConstraint("sid", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.users.id"], name="fk_sessions_user_id_users", ondelete="CASCADE"
        ),
        schema="auth",
    )
    op.create_index(
        "ix_sessions_open",
        "sessions",
        ["user_id", "created_at"],
        schema="auth",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_sessions_external_id",
        "sessions",
        ["user_id", "external_id"],
        unique=True,
        schema="auth",
    )


def _create_service_keys() -> None:
    op.create_table(
        "service_keys",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key_hash", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("expires_at", _moment),
        sa.Column("revoked_at", _moment),
        sa.PrimaryKeyConstraint("id", name="pk_service_keys"),
        sa.UniqueConstraint("key_hash", name="uq_service_keys_key_hash"),
        schema="auth",
    )
    op.create_index("ix_service_keys_name", "service_keys", ["name"], schema="auth")


def _create_audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("occurred_at", _moment, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("session_id", sa.Uuid),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("ip_address", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("details", postgresql.JSONB, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        schema="auth",
    )
    op.create_index("ix_audit_events_user_id", "audit_events", ["user_id", "id"], schema="auth")
