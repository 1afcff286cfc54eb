"""The tables of the api service: profiles, orders, and answers kept for retries.

People are known by their account's number alone: accounts live in another service, so there is no
foreign key. The outbox's tables are procrastinate's, made by the same migrations.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from gateline.shared.database import COLUMN_TYPES, metadata_for
from gateline.shared.idempotency import KeptAnswerColumns

SCHEMA: Final = "api"
ORDER_STATUSES: Final = ("pending", "confirmed", "shipped", "delivered", "cancelled")


class Base(DeclarativeBase):
    """The tables of the schema `api`."""

    metadata = metadata_for(SCHEMA)
    type_annotation_map = COLUMN_TYPES


class Profile(Base):
    """What a person says about itself.

    The name and the telephone number are told to the accounts' service, and follow what is changed
    there later: `name_as_of` and `phone_as_of` are of when each is, so the newer one stays. The
    address is theirs, as told by the session that began last (`identified_at`), and so is the
    account's beginning (`created_at`). `last_sync` dates the last change that was told and only
    grows.
    """

    __tablename__ = "profiles"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    email: Mapped[str]
    name: Mapped[str]
    phone: Mapped[str | None]
    identified_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_sync: Mapped[datetime | None]
    name_as_of: Mapped[datetime]
    phone_as_of: Mapped[datetime]


class Order(Base):
    """An order and where it goes; the address is a copy, so that it stays what was agreed on."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"status IN {ORDER_STATUSES!r}", name="status"),
        Index("ix_orders_user_id", "user_id", "created_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(default="pending")
    street: Mapped[str]
    city: Mapped[str]
    state: Mapped[str]
    zip: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]

    items: Mapped[list["OrderItem"]] = relationship(
        lazy="selectin", order_by="OrderItem.position", cascade="all, delete-orphan"
    )

    @property
    def shipping_address(self) -> "Order":
        """Return where it goes: the order itself has the address's fields."""
        return self


class OrderItem(Base):
    """One line of an order, in the place where the customer put it."""

    __tablename__ = "order_items"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    order_id: Mapped[int] = mapped_column(
        ForeignKey(Order.id, ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    product_id: Mapped[str]
    quantity: Mapped[int]


class KeptAnswer(KeptAnswerColumns, Base):
    """The answer to an order with an `Idempotency-Key`, kept to be given again."""
