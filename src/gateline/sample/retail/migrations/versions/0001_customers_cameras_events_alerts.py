"""Make the shop's tables: customers, cameras, events, alerts and what the rules watch."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "retail"


def upgrade() -> None:
    """Make the tables in the order of their references."""
    op.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
    _make_customers_and_cameras()
    _make_events()
    _make_alerts()


def downgrade() -> None:
    """Drop the tables; the schema stays, it holds the version table."""
    for table in ("conditions", "alerts", "events", "cameras", "customers"):
        op.drop_table(table, schema=SCHEMA)


def _make_customers_and_cameras() -> None:
    _table(
        "customers",
        *_number("customers"),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        _text("email"),
        _text("first_name"),
        _text("last_name"),
        _text("phone", nullable=True),
        sa.Column("newsletter", sa.Boolean, nullable=False),
        _time("created_at"),
        sa.UniqueConstraint("user_id", name="uq_customers_user_id"),
    )
    _table(
        "cameras",
        *_number("cameras"),
        _text("code"),
        _text("name"),
        _text("zone"),
        _text("resolution", nullable=True),
        sa.Column("installed_on", sa.Date),
        _text("status"),
        _time("status_at", nullable=True),
        _time("last_seen_at", nullable=True),
        sa.UniqueConstraint("code", name="uq_cameras_code"),
    )


def _make_events() -> None:
    _table(
        "events",
        *_number("events"),
        _text("event_id"),
        _text("type"),
        _text("severity"),
        _text("message"),
        _text("camera_code", nullable=True),
        _text("zone", nullable=True),
        sa.Column("data", JSONB, nullable=False),
        _time("occurred_at"),
        _time("received_at"),
        _text("received_from"),
        sa.UniqueConstraint("event_id", name="uq_events_event_id"),
        sa.ForeignKeyConstraint(
            ["camera_code"], [f"{SCHEMA}.cameras.code"], name="fk_events_camera_code_cameras"
        ),
    )
    _index("events_by_time", "events", "occurred_at", "id")
    _index("events_by_type", "events", "type", "occurred_at", "id")
    _index("events_by_camera", "events", "camera_code", "occurred_at", "id")
    that_matter = sa.text("severity <> 'info'")
    _index(
        *("events_that_matter", "events", "severity", "occurred_at", "id"),
        postgresql_where=that_matter,
    )


def _make_alerts() -> None:
    _table(
        "alerts",
        *_number("alerts"),
        _text("rule"),
        _text("subject"),
        _text("severity"),
        _text("message"),
        _text("camera_code", nullable=True),
        _text("zone", nullable=True),
        _text("event_id"),
        _time("opened_at"),
        _time("closed_at", nullable=True),
    )
    _index("alerts_by_opening", "alerts", "opened_at", "id")
    still_open = sa.text("closed_at IS NULL")
    _index(
        *("alerts_open_once", "alerts", "rule", "subject"),
        unique=True,
        postgresql_where=still_open,
    )
    _table(
        "conditions",
        _text("rule"),
        _text("subject"),
        _time("last_at", nullable=True),
        sa.Column("alert_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("rule", "subject", name="pk_conditions"),
        sa.ForeignKeyConstraint(
            ["alert_id"], [f"{SCHEMA}.alerts.id"], name="fk_conditions_alert_id_alerts"
        ),
    )


def _table(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, schema=SCHEMA)


def _index(name: str, table: str, *columns: str, **options: Any) -> None:
    op.create_index(name, table, list(columns), schema=SCHEMA, **options)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _number(table: str) -> tuple[Any, ...]:
    return (
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )
