"""What is written in several ways is one thing to the policies."""

import pytest

from gateline.shared.gateway import building
from gateline.shared.gateway.route_model import LimitEntry, RouteEntry


def _entry(**settings: object) -> RouteEntry:
    return RouteEntry.model_validate({"path": "/a/b/*", "service": "shop", **settings})


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/", "/"),
        ("/a/", "/a"),
        ("//a//b", "/a/b"),
        ("/%7euser/caf%c3%a9/*", "/~user/caf%C3%A9/*"),
        ("/orders/{id}/", "/orders/{id}"),
    ],
)
def test_a_path_has_one_spelling(written: str, path: str) -> None:
    """It is the one in which requests are matched."""
    assert _entry(path=written).path == path


@pytest.mark.parametrize("path", ["/a/../b", "/a%2Fb", "/a b", "/caf\u00e9", "/a?b", "/{a}{b}"])
def test_what_no_request_could_have_is_refused(path: str) -> None:
    """Such a route would never be reached."""
    with pytest.raises(ValueError, match="path"):
        _entry(path=path)


@pytest.mark.parametrize(
    ("names", "hosts"),
    [
        (["A.example"], {"a.example"}),
        ([".example"], {"*.example"}),
        (["*", "a.example"], set()),
        ([], set()),
    ],
)
def test_hosts(names: list[str], hosts: set[str]) -> None:
    """Case does not matter; a dot in front is a wildcard, a lone star is any host."""
    assert building.route(_entry(hosts=names), "r").hosts == hosts


@pytest.mark.parametrize(
    ("settings", "replaced"),
    [
        ({}, None),
        ({"strip_prefix": True}, ("/a/b", "")),
        ({"strip_prefix": "/a"}, ("/a", "")),
        ({"rewrite_prefix": "/v2/"}, ("/a/b", "/v2")),
        ({"strip_prefix": "/a", "rewrite_prefix": "/v2"}, ("/a", "/v2")),
        ({"path": "/*", "rewrite_prefix": "/v2"}, ("", "/v2")),
        ({"path": "/a/{id}/*", "strip_prefix": "/a"}, ("/a", "")),
    ],
)
def test_prefixes(settings: dict[str, object], replaced: tuple[str, str] | None) -> None:
    """What is taken from the path and what is put there."""
    assert building.replacement(_entry(**settings)) == replaced


def test_a_limit_without_a_burst_may_come_at_once() -> None:
    """As many as the limit says; a burst of its own takes that place."""
    assert building.limit_rule(LimitEntry(limit="10/minute")).burst == 10
    assert building.limit_rule(LimitEntry(limit="10/minute", burst=2)).burst == 2


def test_a_redirect_asks_nobody_who_it_is() -> None:
    """It is answered before sessions are looked for."""
    entry = RouteEntry.model_validate({"path": "/old", "redirect": "/new"})

    assert building.route(entry, "old").auth == "none"
