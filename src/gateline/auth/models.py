"""The tables of the auth service: accounts, sessions, service keys and the audit trail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gateline.policy.identity import USER_TYPES
from gateline.shared.database import COLUMN_TYPES, metadata_for

SCHEMA = "auth"


class Base(DeclarativeBase):
    """The tables of the schema `auth`."""

    metadata = metadata_for(SCHEMA)
    type_annotation_map = COLUMN_TYPES


class User(Base):
    """An account.

    `id` is the one number that every service knows the person by. It comes from the sequence for
    accounts that are made here and from outside for those that another service made first.
    `password_hash` is empty for an account that cannot log in with a password. `last_sync` is of
    the newest message about the account, `field_stamps` tells the same of each field (`stamps`).
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email", func.lower(text("email")), unique=True),
        Index("uq_users_username", func.lower(text("username")), unique=True),
        Index("ix_users_newest", "created_at", "id"),
        CheckConstraint(f"user_type IN {USER_TYPES!r}", name="user_type"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str]
    username: Mapped[str | None]
    password_hash: Mapped[str | None]
    user_type: Mapped[str]
    first_name: Mapped[str] = mapped_column(default="")
    last_name: Mapped[str] = mapped_column(default="")
    profile_picture: Mapped[str | None]
    phone: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(default=True)
    is_email_verified: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]
    last_sync: Mapped[datetime | None]
    field_stamps: Mapped[dict[str, str]] = mapped_column(
        JSONB, default=dict, server_default=text("'{}'::jsonb")
    )
    sessions_revoked_at: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """Return how to address the person: the full name, else the user name, else the e-mail."""
        return f"{self.first_name} {self.last_name}".strip() or self.username or self.email


class Session(Base):
    """A login and what became of it: the history behind the live entries in Valkey.

    `expires_at` ends the refresh token's use, `renewable_until` a cookie's renewals.
    `external_id` is what the service that reported the session calls it.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index(
            "ix_sessions_open", "user_id", "created_at", postgresql_where=text("ended_at IS NULL")
        ),
        Index("ix_sessions_newest", "created_at", "sid", postgresql_where=text("ended_at IS NULL")),
        Index("ix_sessions_expires_at", "expires_at"),
        Index("uq_sessions_external_id", "user_id", "external_id", unique=True),
    )

    sid: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    external_id: Mapped[str | None]
    origin: Mapped[str]
    created_at: Mapped[datetime]
    last_seen: Mapped[datetime]
    expires_at: Mapped[datetime]
    renewable_until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    last_sync: Mapped[datetime | None]
    device_info: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]
    refresh_hash: Mapped[str | None]


class ServiceKey(Base):
    """A key that another service shows; only its hash is kept.

    Several keys of one name may be valid at once, so that a key can be replaced without a gap.
    """

    __tablename__ = "service_keys"
    __table_args__ = (Index("ix_service_keys_name", "name"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditEvent(Base):
    """One thing that happened to an account, who did it and from where; never changed afterwards.

    There is no foreign key: the trail outlives the account.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_user_id", "user_id", "id"),
        Index("ix_audit_events_latest", "occurred_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    occurred_at: Mapped[datetime]
    event: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    session_id: Mapped[UUID | None]
    actor: Mapped[str]
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]
    request_id: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
