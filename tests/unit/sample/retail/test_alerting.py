"""Alerts over several batches."""

from typing import Any

import sqlalchemy as sa

from gateline.sample.retail.models import Alert


def alerts(shop: Any) -> list[tuple[str, str, bool]]:
    """Return severity, message and whether it is open of every alert, in the order of opening."""
    rows = shop.execute(
        sa.select(Alert.severity, Alert.message, Alert.closed_at).order_by(Alert.opened_at)
    )
    return [(severity, message, closed is None) for severity, message, closed in rows]


def test_an_alert_opens_worsens_and_closes(shop: Any, queue: Any) -> None:
    """One alert from the first long queue to the first short one, at its worst."""
    opened = shop.report(queue(1, 7, at=-9)).json
    assert (opened["alerts_opened"], opened["alerts_closed"]) == (1, 0)
    shop.report(queue(2, 12, at=-8))
    shop.report(queue(3, 8, at=-7))
    shop.report(queue(4, 5, at=-6))
    assert alerts(shop) == [("critical", "12 waiting at till-1", True)]
    closed = shop.report(queue(5, 4, at=-5)).json
    assert (closed["alerts_opened"], closed["alerts_closed"]) == (0, 1)
    assert alerts(shop) == [("critical", "12 waiting at till-1", False)]


def test_a_second_trouble_is_a_second_alert(shop: Any, queue: Any) -> None:
    """Within one batch, in whatever order its events are written."""
    outcome = shop.report(
        queue(3, 9, at=-1), queue(1, 8, at=-9), queue(2, 0, at=-5), queue(4, 8, till="till-2")
    ).json
    assert (outcome["alerts_opened"], outcome["alerts_closed"]) == (3, 1)
    assert [is_open for _, _, is_open in alerts(shop)] == [False, True, True]


def test_late_events_leave_alerts_alone(shop: Any, queue: Any) -> None:
    """A long queue of half an hour ago is logged, but nobody is alarmed."""
    shop.report(queue(1, 1, at=-1))
    assert shop.report(queue(2, 12, at=-30)).json["alerts_opened"] == 0
    assert alerts(shop) == []
    assert len(shop("GET", "/logs?severity=critical").json["items"]) == 1


def test_duplicates_do_not_reopen(shop: Any, queue: Any) -> None:
    """A sender that repeats itself changes nothing."""
    trouble = queue(1, 9)
    shop.report(trouble)
    shop.report(queue(2, 0))
    assert shop.report(trouble).json["alerts_opened"] == 0
    assert [is_open for _, _, is_open in alerts(shop)] == [False]
