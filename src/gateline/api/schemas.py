"""The payloads of the api service: what it reads and what it answers."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainSerializer, StringConstraints

from gateline.shared.schemas.base import PageQuery, Schema, Timestamp

MAX_ITEMS: Final = 100
MAX_QUANTITY: Final = 10_000
ORDER_PREFIX: Final = "order_"
USER_PREFIX: Final = "user_"

OrderStatus = Literal["pending", "confirmed", "shipped", "delivered", "cancelled"]

# The 50 states, the District of Columbia, the territories, and the armed forces' addresses.
State = Literal[
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA",
    "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM",
    "NY", "NC", "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA",
    "WV", "WI", "WY", "AS", "GU", "MP", "PR", "VI", "AA", "AE", "AP",
]  # fmt: skip

_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"


def _single_spaced(value: str) -> str:
    # The accounts' service keeps a first and a last name and joins them with one blank.
    return " ".join(value.split())


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=_PRINTABLE),
    AfterValidator(_single_spaced),
    Field(examples=["Jane Doe"]),
]
Phone = Annotated[
    str, StringConstraints(pattern=r"^\+?[0-9 ()./-]{3,32}$"), Field(examples=["+1234567890"])
]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]
ZipCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}(-[0-9]{4})?$")]
ProductId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

OrderId = Annotated[int, PlainSerializer(lambda number: f"{ORDER_PREFIX}{number}", str, "json")]
OwnerId = Annotated[int, PlainSerializer(lambda number: f"{USER_PREFIX}{number}", str, "json")]
AccountId = Annotated[int, PlainSerializer(str, str, "json")]


class ProfilePatch(Schema):
    """What shall change; what is left out stays as it is, `"phone": null` removes the number."""

    name: Name = ""
    phone: Phone | None = None


class ProfileOut(Schema):
    """A profile as its owner sees it."""

    id: AccountId = Field(validation_alias="user_id")
    email: str
    name: str
    phone: str | None
    created_at: Timestamp
    updated_at: Timestamp


class Item(Schema):
    """A line of an order."""

    product_id: ProductId = Field(examples=["abc"])
    quantity: int = Field(ge=1, le=MAX_QUANTITY, examples=[2])


class Address(Schema):
    """A postal address in the United States."""

    street: Line = Field(examples=["123 Main St"])
    city: Line = Field(examples=["San Francisco"])
    state: State = Field(examples=["CA"])
    zip: ZipCode = Field(examples=["94102"])


class OrderBody(Schema):
    """A new order."""

    items: list[Item] = Field(min_length=1, max_length=MAX_ITEMS)
    shipping_address: Address


class OrderQuery(PageQuery):
    """Which of one's orders are wanted."""

    status: OrderStatus | None = Field(None, description="Only orders in this state.")


class OrderOut(Schema):
    """An order as its owner sees it."""

    id: OrderId
    user_id: OwnerId
    status: OrderStatus
    items: list[Item]
    shipping_address: Address
    created_at: Timestamp
    updated_at: Timestamp
    cancelled_at: Timestamp | None
