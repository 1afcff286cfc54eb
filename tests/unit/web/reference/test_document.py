"""Several documents as one."""

from collections.abc import Mapping
from typing import Any

from gateline.policy.reasons import UPSTREAM_REFUSED
from gateline.policy.services import Service, endpoints_at
from gateline.shared.errors import ApiError
from gateline.web.reference.document import FRESH_SECONDS, Documents, processes


def part(path: str, **more: Any) -> dict[str, Any]:
    """Return a document with one path."""
    return {"paths": {path: {"get": {}}}, **more}


def joined(told: Mapping[str, Any]) -> dict[str, Any]:
    """Put the paths of all parts together."""
    return {"paths": {path: item for part in told.values() for path, item in part["paths"].items()}}


class Services:
    """Services that tell their documents, until they are away."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {"a": part("/a"), "b": part("/b")}
        self.asked: list[str] = []
        self.now = 0.0

    def fetch(self, name: str) -> Any:
        """Answer, or be away."""
        self.asked.append(name)
        if name not in self.told:
            raise ApiError(reason=UPSTREAM_REFUSED)
        return self.told[name]

    def documents(self) -> Documents:
        """Return what asks them."""
        return Documents(("a", "b"), self.fetch, joined, lambda: self.now)


def test_asked_once_in_a_while() -> None:
    """Many readers cost one question in a while."""
    services = Services()
    documents = services.documents()
    assert list(documents.whole()["paths"]) == ["/a", "/b"]
    documents.whole()
    assert services.asked == ["a", "b"]
    services.now += FRESH_SECONDS
    documents.whole()
    assert services.asked == ["a", "b"] * 2


def test_the_same_parts_are_the_same_document() -> None:
    """Asking again costs its readers nothing new, until somebody tells something else."""
    services = Services()
    documents = services.documents()
    first = documents.whole()
    services.told["a"] = part("/a")
    services.now += FRESH_SECONDS
    assert documents.whole() is first
    services.told["a"] = part("/c")
    services.now += FRESH_SECONDS
    assert list(documents.whole()["paths"]) == ["/c", "/b"]


def test_a_service_that_is_away_leaves_what_it_told_last() -> None:
    """Its part stays; one that never told anything is named."""
    services = Services()
    del services.told["b"]
    documents = services.documents()
    assert list(documents.whole()["paths"]) == ["/a"]
    assert documents.silent == ["b"]
    services.told = {"b": part("/b")}
    services.now += FRESH_SECONDS
    assert set(documents.whole()["paths"]) == {"/a", "/b"}
    assert documents.silent == []


def test_rubbish_is_no_document() -> None:
    """An answer that is no document counts as none."""
    services = Services()
    services.told["a"] = {"paths": []}
    services.told["b"] = None
    assert services.documents().whole() == {}


def test_each_address_is_asked_once() -> None:
    """Four names of one process are one question, under the first name and without a prefix."""
    services = {
        "auth": Service("auth", endpoints_at("http://one")),
        "doctors": Service("doctors", endpoints_at("http://two"), prefix="/api/v1"),
        "patients": Service("patients", endpoints_at("http://two"), prefix="/api/v1"),
        "nobody": Service("nobody", ()),
        "jwt": Service("auth", endpoints_at("http://one")),
    }
    found = processes(services)
    assert {name: names for name, (_, names) in found.items()} == {
        "auth": {"auth", "jwt"},
        "doctors": {"doctors", "patients"},
    }
    assert found["doctors"][0].prefix == ""
