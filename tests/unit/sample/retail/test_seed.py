"""The sample week."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateline.sample.retail import seed
from gateline.sample.retail.models import Alert, Camera, Customer, LoggedEvent

NOW = datetime(2025, 3, 12, 12, tzinfo=UTC)
ACCOUNTS = {"customer@example.com": 105, "patient@example.com": 101}


def load(shop: Any, accounts: dict[str, int] | None = None) -> bool:
    """Load the sample week for a fixed time."""
    with Session(shop.engine) as session, session.begin():
        return seed.load(session, ACCOUNTS if accounts is None else accounts, now=NOW)


def count(shop: Any, table: Any) -> int:
    """Count the rows of a table."""
    [(number,)] = shop.execute(sa.select(sa.func.count()).select_from(table))
    return int(number)


def test_a_week_of_a_shop(empty_shop: Any) -> None:
    """A dozen cameras, thousands of events up to now, some dozens of alerts, the customer."""
    start = time.perf_counter()
    assert load(empty_shop) is True
    assert time.perf_counter() - start < 10, "the first start does not wait for it"
    assert count(empty_shop, Camera) == 12
    assert 3000 < count(empty_shop, LoggedEvent) < 8000
    [(first, last)] = empty_shop.execute(
        sa.select(sa.func.min(LoggedEvent.occurred_at), sa.func.max(LoggedEvent.occurred_at))
    )
    assert NOW - timedelta(days=7) <= first < NOW - timedelta(days=6)
    assert NOW - timedelta(minutes=5) < last < NOW
    assert empty_shop.execute(sa.select(Customer.user_id)) == [(105,)]


def test_something_is_always_wrong(empty_shop: Any) -> None:
    """Whenever it is loaded there is an open alert of either severity, and closed ones."""
    load(empty_shop)
    counted = empty_shop("GET", "/alerts/count").json
    assert counted["closed"] > 10
    assert all(counted["by_severity"][name]["open"] for name in ("warning", "critical"))
    offline = empty_shop("GET", "/cameras?status=offline").json["items"]
    assert "cam-12" in [camera["id"] for camera in offline]


def test_it_is_the_same_every_time() -> None:
    """For one time and seed."""
    assert list(seed.sample_events(NOW, 1)) == list(seed.sample_events(NOW, 1))


def test_a_second_load_adds_nothing(empty_shop: Any) -> None:
    """Also when the customer's account is another one by now."""
    load(empty_shop)
    before = count(empty_shop, LoggedEvent), count(empty_shop, Alert)
    assert load(empty_shop, {"customer@example.com": 205}) is False
    assert (count(empty_shop, LoggedEvent), count(empty_shop, Alert)) == before


def test_a_shop_of_ones_own_stays_as_it_is(shop: Any) -> None:
    """Where there are cameras, no sample is mixed in."""
    assert load(shop) is False
    assert count(shop, LoggedEvent) == 0


def test_a_url_will_do(empty_shop: Any, database_url: str) -> None:
    """Given a URL, the load commits by itself."""
    assert seed.load(database_url, {}, now=NOW) is True
    assert seed.load(database_url, {}, now=NOW) is False
    assert count(empty_shop, Camera) == 12
