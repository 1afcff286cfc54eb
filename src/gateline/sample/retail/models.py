"""Tables of the shop, in the schema `retail`.

Customers are linked to accounts by `user_id` alone: accounts live in another service, so there is
no foreign key. Events are added, never changed; alerts and conditions are derived from them.
"""

from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from gateline.shared.database import COLUMN_TYPES, metadata_for

SCHEMA: Final = "retail"


class Base(DeclarativeBase):
    """Base of every table of the shop."""

    metadata = metadata_for(SCHEMA)
    type_annotation_map = COLUMN_TYPES


class _Numbered:
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)


class Customer(_Numbered, Base):
    """Somebody who registered as a customer; the e-mail is as it was then."""

    __tablename__ = "customers"

    user_id: Mapped[int] = mapped_column(sa.BigInteger, unique=True)
    email: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    phone: Mapped[str | None]
    newsletter: Mapped[bool]
    created_at: Mapped[datetime]


class Camera(_Numbered, Base):
    """A camera, known by its code; `status` is what it said of itself at `status_at`."""

    __tablename__ = "cameras"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    zone: Mapped[str]
    resolution: Mapped[str | None]
    installed_on: Mapped[date | None]
    status: Mapped[str]
    status_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]


class LoggedEvent(_Numbered, Base):
    """An event as it was reported, with what the rules made of it; `event_id` is the sender's."""

    __tablename__ = "events"
    __table_args__ = (
        sa.Index("events_by_time", "occurred_at", "id"),
        sa.Index("events_by_type", "type", "occurred_at", "id"),
        sa.Index("events_by_camera", "camera_code", "occurred_at", "id"),
        sa.Index(
            "events_that_matter",
            "severity",
            "occurred_at",
            "id",
            postgresql_where=sa.text("severity <> 'info'"),
        ),
    )

    event_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    severity: Mapped[str]
    message: Mapped[str]
    camera_code: Mapped[str | None] = mapped_column(sa.ForeignKey(Camera.code))
    zone: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    received_from: Mapped[str]


class Alert(_Numbered, Base):
    """Something that was or is wrong; `severity` is the worst it came to."""

    __tablename__ = "alerts"
    __table_args__ = (
        sa.Index("alerts_by_opening", "opened_at", "id"),
        sa.Index(
            "alerts_open_once",
            "rule",
            "subject",
            unique=True,
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
    )

    rule: Mapped[str]
    subject: Mapped[str]
    severity: Mapped[str]
    message: Mapped[str]
    camera_code: Mapped[str | None]
    zone: Mapped[str | None]
    event_id: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Condition(Base):
    """What was last known of one thing that a rule watches: when, and its open alert if any."""

    __tablename__ = "conditions"

    rule: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    last_at: Mapped[datetime | None]
    alert_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Alert.id))

    alert: Mapped[Alert | None] = relationship(lazy="raise")
