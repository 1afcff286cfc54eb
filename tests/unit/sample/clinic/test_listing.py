"""Cursor paging by keyset."""

from typing import Any

import pytest
import sqlalchemy as sa

from gateline.sample.clinic.models import Patient
from gateline.shared.schemas.base import encode_cursor

PATH = "/api/v1/patients"


def walk(caller: Any, path: str) -> list[str]:
    """Follow the cursors from the first page to the last."""
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = caller("GET", path + (f"&cursor={cursor}" if cursor else "")).json
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    return seen


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at"])
def test_pages_hold_every_row_once(clinic: Any, sort: str) -> None:
    """Also when many rows share the key, in both directions."""
    rows = [{"name": f"N{number % 3}"} for number in range(40)]
    clinic.execute(sa.insert(Patient).values(rows))
    seen = walk(clinic.as_("root"), f"{PATH}?sort={sort}&limit=7")
    assert len(seen) == len(set(seen)) == 43
    whole = clinic.as_("root")("GET", f"{PATH}?sort={sort}&limit=100").json
    assert seen == [item["id"] for item in whole["items"]]
    assert whole["next_cursor"] is None


def test_rows_that_come_and_go_shift_nothing(clinic: Any) -> None:
    """Between two pages a row before the cursor comes and one goes: the next page is the same."""
    clinic.execute(sa.insert(Patient).values([{"name": f"M{n}"} for n in range(6)]))
    root = clinic.as_("root")
    first = root("GET", f"{PATH}?q=m&limit=3").json
    expected = root("GET", f"{PATH}?q=m&limit=3&cursor={first['next_cursor']}").json["items"]
    root("POST", PATH, json={"name": "M00"})
    root("DELETE", f"{PATH}/{first['items'][1]['id']}")
    second = root("GET", f"{PATH}?q=m&limit=3&cursor={first['next_cursor']}").json
    assert second["items"] == expected
    assert [item["name"] for item in second["items"]] == ["M3", "M4", "M5"]


def test_a_cursor_belongs_to_its_order(clinic: Any) -> None:
    """A cursor of another sort is refused instead of giving a wrong page."""
    root = clinic.as_("root")
    cursor = root("GET", f"{PATH}?limit=1&sort=name").json["next_cursor"]
    answer = root("GET", f"{PATH}?sort=created_at&cursor={cursor}")
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == ["cursor"]


@pytest.mark.parametrize(
    "position",
    [
        {"order": "created_at", "at": "yesterday", "id": 1},
        {"order": "created_at", "at": "2025-01-01T00:00:00", "id": 1},
        {"order": "created_at", "at": 7, "id": 1},
        {"order": "created_at", "at": "2025-01-01T00:00:00+00:00", "id": "1"},
        {"order": "created_at", "at": "2025-01-01T00:00:00+00:00", "id": True},
        {"order": "created_at", "at": "2025-01-01T00:00:00+00:00", "id": 2**63},
        {"order": ["created_at"], "at": "2025-01-01T00:00:00+00:00", "id": 1},
    ],
)
def test_a_forged_cursor_is_refused(clinic: Any, position: dict[str, Any]) -> None:
    """What a cursor holds is the client's word: nonsense is 400, never 500."""
    cursor = encode_cursor(**position)
    answer = clinic.as_("root")("GET", f"{PATH}?sort=created_at&cursor={cursor}")
    assert answer.status_code == 400


@pytest.mark.parametrize("at", ["\x00", "\ud800"])
def test_a_cursor_of_unstorable_text_is_refused(clinic: Any, at: str) -> None:
    """PostgreSQL knows neither NUL nor half surrogates."""
    cursor = encode_cursor(order="name", at=at, id=1)
    assert clinic.as_("root")("GET", f"{PATH}?cursor={cursor}").status_code == 400
