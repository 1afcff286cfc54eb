"""A stamp for each field of an account that other services tell."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FIELDS = (
    "email",
    "first_name",
    "last_name",
    "profile_picture",
    "phone",
    "is_active",
    "is_email_verified",
)
# Until now the newest message spoke for all fields.
_FILL = f"""
    UPDATE auth.users SET field_stamps = (
        SELECT jsonb_object_agg(
            field,
            to_char(last_sync AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00'
        )
        FROM unnest(ARRAY{list(_FIELDS)!r}) AS field
    )
    WHERE last_sync IS NOT NULL
"""  # noqa: S608 - names of our own


def upgrade() -> None:
    """Add the column, filled from the one stamp that there was."""
    empty = sa.text("'{}'::jsonb")
    op.add_column(
        "users",
        sa.Column("field_stamps", JSONB, nullable=False, server_default=empty),
        schema="auth",
    )
    op.execute(_FILL)


def downgrade() -> None:
    """Drop it."""
    op.drop_column("users", "field_stamps", schema="auth")
