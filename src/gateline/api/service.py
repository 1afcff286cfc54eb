"""What the api service does, without HTTP: profiles and orders of the person who asks."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from gateline.api import outbox
from gateline.api.models import Order, OrderItem, Profile
from gateline.api.moments import at, now
from gateline.api.schemas import ORDER_PREFIX, OrderBody, OrderQuery
from gateline.policy.identity import Identity
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import Conflict, NotFound
from gateline.shared.paging import Found, page, read_time
from gateline.shared.paging import Order as Sorting
from gateline.shared.schemas.base import MAX_ID, timestamp_text
from gateline.shared.sessions import moment_of

_NAME_LIMIT: Final = 100
_TICK: Final = timedelta(microseconds=1)
_NEWEST_FIRST: Final = Sorting("newest", Order.created_at, Order.id, read_time, descending=True)
_CANCELLABLE: Final = frozenset({"pending", "confirmed"})


def profile_of(identity: Identity) -> Profile:
    """Return the profile of the person who asks, made from its identity at first use.

    It follows what the identity tells that is newer.
    """
    profile = db.session.get(Profile, identity.user_id)
    if profile is not None and not _news(identity, profile):
        return profile
    with transaction_context():
        return _hold_profile(identity)


def change_profile(identity: Identity, changes: Mapping[str, Any]) -> Profile:
    """Write what the person says about itself and, with it, the message for the accounts' service.

    What is already so changes nothing and tells nobody.
    """
    with transaction_context():
        profile = _hold_profile(identity)
        wanted = {key: value for key, value in changes.items() if getattr(profile, key) != value}
        if wanted:
            for key, value in wanted.items():
                setattr(profile, key, value)
            moment = _later_than(profile.last_sync, profile.name_as_of, profile.phone_as_of)
            profile.updated_at = profile.last_sync = moment
            for key in wanted:
                setattr(profile, f"{key}_as_of", moment)
            db.session.flush()
            outbox.tell_auth(_message(profile, wanted))
        return profile


def place_order(identity: Identity, wanted: OrderBody) -> Order:
    """Record an order; call it inside a transaction."""
    moment = now()
    order = Order(
        user_id=identity.user_id,
        **wanted.shipping_address.model_dump(),
        created_at=moment,
        updated_at=moment,
        items=[
            OrderItem(position=place, product_id=item.product_id, quantity=item.quantity)
            for place, item in enumerate(wanted.items)
        ],
    )
    db.session.add(order)
    db.session.flush()
    return order


def find_order(identity: Identity, name: str, *, lock: bool = False) -> Order:
    """Return one's own order by its public id; raise NotFound for all others alike."""
    wanted = select(Order).where(Order.id == _number(name), Order.user_id == identity.user_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    order = db.session.scalars(wanted).one_or_none()
    if order is None:
        raise NotFound("There is no such order.")
    return order


def list_orders(identity: Identity, query: OrderQuery) -> Found:
    """Return a page of one's own orders, the newest first."""
    wanted = select(Order).where(Order.user_id == identity.user_id)
    if query.status is not None:
        wanted = wanted.where(Order.status == query.status)
    return page(wanted, _NEWEST_FIRST, query)


def cancel_order(identity: Identity, name: str) -> Order:
    """Cancel one's own order, once; raise Conflict when it is on its way already."""
    with transaction_context():
        order = find_order(identity, name, lock=True)
        if order.status == "cancelled":
            return order
        if order.status not in _CANCELLABLE:
            raise Conflict(f"An order that is {order.status} cannot be cancelled.")
        order.status = "cancelled"
        order.cancelled_at = order.updated_at = now()
        return order


def _hold_profile(identity: Identity) -> Profile:
    """Return the profile with its row locked, made from this session or following its news."""
    profile = _locked(int(identity.user_id))
    if profile is None:
        _make_profile(identity)
        profile = _locked(int(identity.user_id))
    assert profile is not None  # noqa: S101 - made above, by us or by whom we waited for
    for key, value in _news(identity, profile).items():
        setattr(profile, key, value)
    return profile


def _locked(user_id: int) -> Profile | None:
    wanted = select(Profile).where(Profile.user_id == user_id).with_for_update()
    return db.session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()


def _make_profile(identity: Identity) -> None:
    moment = now()
    row = insert(Profile).values(
        user_id=identity.user_id,
        email=identity.email,
        name=_name_of(identity),
        phone=identity.phone or None,
        identified_at=at(identity.issued_at),
        created_at=at(identity.created_at) if identity.created_at else moment,
        updated_at=moment,
        name_as_of=moment_of(identity.name_as_of),
        phone_as_of=moment_of(identity.phone_as_of),
    )
    # Two first requests at once make one profile.
    db.session.execute(row.on_conflict_do_nothing(index_elements=[Profile.user_id]))


def _name_of(identity: Identity) -> str:
    return (" ".join(identity.name.split()) or identity.email)[:_NAME_LIMIT]


def _news(identity: Identity, profile: Profile) -> dict[str, Any]:
    """Return what this session tells that the profile does not have yet, by column.

    The address counts from a session newer than the last one heard of, name and telephone number
    when they are newer than ours.
    """
    news: dict[str, Any] = {}
    if identity.email != profile.email and at(identity.issued_at) >= profile.identified_at:
        news |= {"email": identity.email, "identified_at": at(identity.issued_at)}
    if identity.created_at and at(identity.created_at) != profile.created_at:
        news["created_at"] = at(identity.created_at)
    for key, value, as_of in (
        ("name", _name_of(identity), moment_of(identity.name_as_of)),
        ("phone", identity.phone or None, moment_of(identity.phone_as_of)),
    ):
        if as_of > getattr(profile, f"{key}_as_of"):
            news |= {key: value, f"{key}_as_of": as_of}
            if value != getattr(profile, key):
                news["updated_at"] = max(as_of, news.get("updated_at", profile.updated_at))
    return news


def _later_than(*earlier: datetime | None) -> datetime:
    """Return the present, or just after the last change where the clock was put back."""
    return max(now(), *(moment + _TICK for moment in earlier if moment is not None))


def _message(profile: Profile, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the accounts' service is told: only what changed, and only what is ours.

    The e-mail address is theirs: an old one sent along with a name would overwrite a newer one.
    """
    told: dict[str, Any] = {"id": profile.user_id}
    if "name" in changed:
        told["first_name"], _, told["last_name"] = profile.name.partition(" ")
    if "phone" in changed:
        told["phone"] = profile.phone
    assert profile.last_sync is not None  # noqa: S101 - set by the caller
    return {**told, "last_sync": timestamp_text(profile.last_sync)}


def _number(name: str) -> int:
    """Return the row's number that a public id holds, 0 (which none has) for anything else."""
    digits = name.removeprefix(ORDER_PREFIX)
    usable = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MAX_ID))
    number = int(digits) if usable else 0
    return number if number <= MAX_ID else 0
