"""Profiles, orders, answers kept for retries, and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from gateline.api.migrations import queue_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_THROUGH = "03.04.00_50_post_add_retry_failed_job_procedure"
_moment = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    _create_profiles()
    _create_orders()
    _create_kept_answers()
    queue_tables.apply(after="", through=_THROUGH)
    queue_tables.add_index()


def downgrade() -> None:
    """Drop them, with everything in them."""
    queue_tables.drop()
    for table in ("kept_answers", "order_items", "orders", "profiles"):
        op.drop_table(table, schema="api")


def _create_profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("user_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("phone", sa.Text),
        sa.Column("identified_at", _moment, nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("updated_at", _moment, nullable=False),
        sa.Column("last_sync", _moment),
        sa.PrimaryKeyConstraint("user_id", name="pk_profiles"),
        schema="api",
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("status", "street", "city", "state", "zip")
        ),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("updated_at", _moment, nullable=False),
        sa.Column("cancelled_at", _moment),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')",
            name=op.f("ck_orders_status"),
        ),
        schema="api",
    )
    op.create_index("ix_orders_user_id", "orders", ["user_id", "created_at", "id"], schema="api")
    op.create_table(
        "order_items",
        sa.Column("order_id", sa.BigInteger, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "position", name="pk_order_items"),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["api.orders.id"],
            name="fk_order_items_order_id_orders",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_items_quantity")),
        schema="api",
    )


def _create_kept_answers() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", JSONB),
        sa.Column("body", JSONB),
        sa.Column("created_at", _moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_kept_answers"),
        schema="api",
    )
    op.create_index("kept_answers_by_age", "kept_answers", ["created_at"], schema="api")
