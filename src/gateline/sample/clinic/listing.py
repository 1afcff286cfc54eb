"""The orders in which the clinic's lists are paged."""

from typing import Any, Final

from gateline.sample.clinic.models import Appointment, RecordEntry
from gateline.shared.paging import Order, read_time


def people_order(table: Any, sort: str) -> Order:
    """Return the order that a list's `sort` asks for."""
    descending = sort.startswith("-")
    if sort.lstrip("-") == "name":
        return Order(sort, table.name, table.id, descending=descending)
    return Order(sort, table.created_at, table.id, read_time, descending)


def appointment_order(starting: str | None) -> Order:
    """Return the order of appointments: the next first when upcoming, else the latest first."""
    name = starting or "all"
    return Order(
        name, Appointment.starts_at, Appointment.id, read_time, descending=name != "upcoming"
    )


RECORD_ORDER: Final = Order(
    "recorded", RecordEntry.recorded_at, RecordEntry.id, read_time, descending=True
)
