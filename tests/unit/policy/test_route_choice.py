"""The table answers as a slow search through all routes does, whatever the routes."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateline.policy.routes import (
    Destination,
    HeaderMatch,
    Match,
    Redirect,
    Route,
    RouteTable,
    is_same_claim,
    shape,
)

ANY = Destination("any")
SEGMENTS = ("a", "b", "{x}", "{y}")
HOSTS = ("", "a.example", "b.a.example", "*.example", "*.a.example")
METHODS = ("GET", "POST")
CONDITIONS = tuple(
    HeaderMatch(name, value) for name in (b"x", b"y") for value in (None, b"1", b"2")
)


@st.composite
def _routes(draw: st.DrawFn) -> list[Route]:
    """Draw routes of which no two claim the same requests."""
    kept: list[Route] = []
    for number in range(draw(st.integers(0, 9))):
        parts = [*draw(st.lists(st.sampled_from(SEGMENTS), max_size=3, unique=True))]
        if draw(st.booleans()):
            parts.append("*")
        host = draw(st.sampled_from(HOSTS))
        route = Route(
            str(number),
            f"/{'/'.join(parts)}",
            ANY,
            methods=frozenset(draw(st.sets(st.sampled_from(METHODS), max_size=2))),
            hosts=frozenset({host} if host else ()),
            headers=tuple(draw(st.lists(st.sampled_from(CONDITIONS), max_size=2, unique=True))),
        )
        if not any(is_same_claim(route, other) for other in kept):
            kept.append(route)
    return kept


def _fits(route: Route, host: str, path: str, fields: Mapping[bytes, bytes]) -> bool:
    """Tell by regular expressions whether a route fits but for the method."""
    pattern = re.sub(r"\{[^}]*\}", "[^/]+", route.path)
    pattern = r"(/.*)?" if pattern == "/*" else pattern.replace("/*", "(/.*)?")
    hosts = [one.replace(".", r"\.").replace("*", ".+") for one in route.hosts]
    return (
        re.fullmatch(pattern, path) is not None
        and (not hosts or any(re.fullmatch(one, host) for one in hosts))
        and all(one.fits(fields) for one in route.headers)
    )


def _order(route: Route, number: int) -> tuple[object, ...]:
    """Return the documented order: what comes first is more specific."""
    host = next(iter(route.hosts), "")
    host_rank = (0, 0) if host and host[0] != "*" else (1, -host.count(".")) if host else (2, 0)
    parts = [part for part in shape(route.path).split("/") if part]
    kinds = [{"{}": 2, "*": 4}.get(part, 1) for part in parts]
    valued = sum(one.value is not None for one in route.headers)
    end = () if parts[-1:] == ["*"] else (3,)
    return (host_rank, (*kinds, *end), -len(route.headers), -valued, not route.methods, number)


@settings(max_examples=300, deadline=None)
@given(
    routes=_routes(),
    host=st.sampled_from(("a.example", "b.a.example", "c.b.a.example", "other")),
    parts=st.lists(st.sampled_from(("a", "b", "c")), max_size=4),
    method=st.sampled_from((*METHODS, "PUT")),
    fields=st.dictionaries(st.sampled_from((b"x", b"y")), st.sampled_from((b"1", b"2"))),
)
def test_the_table_answers_as_the_slow_search(
    routes: list[Route],
    host: str,
    parts: list[str],
    method: str,
    fields: dict[bytes, bytes],
) -> None:
    """The most specific route that fits answers; without one, the methods of those that would."""
    path = f"/{'/'.join(parts)}"
    fitting = [
        (route, number)
        for number, route in enumerate(routes)
        if _fits(route, host, path.rstrip("/"), fields) or _fits(route, host, path, fields)
    ]
    willing = [one for one in fitting if not one[0].methods or method in one[0].methods]
    expected = min(willing, key=lambda one: _order(*one), default=(None, 0))[0]

    match = RouteTable(routes).match(method, host, path, fields)

    assert match.route is expected
    if expected is None:
        assert match.allow == frozenset(name for one, _ in fitting for name in one.methods)


def _route(name: str, path: str, *headers: HeaderMatch, redirect: str = "") -> Route:
    return Route(
        name, path, ANY, headers=headers, redirect=Redirect(redirect) if redirect else None
    )


def test_more_conditions_win() -> None:
    """A header that is asked for makes a route more specific, a value more than mere presence."""
    version, exact = HeaderMatch(b"x-version"), HeaderMatch(b"x-version", b"2")
    table = RouteTable(
        [
            _route("plain", "/*"),
            _route("any", "/*", version),
            _route("two", "/*", exact),
            _route("both", "/*", exact, HeaderMatch(b"x-beta")),
        ]
    )

    def name(fields: dict[bytes, bytes]) -> str:
        route = table.match("GET", "h", "/p", fields).route
        assert route is not None
        return route.name

    assert name({}) == "plain"
    assert name({b"x-version": b"1"}) == "any"
    assert name({b"x-version": b"2"}) == "two"
    assert name({b"x-version": b"2", b"x-beta": b""}) == "both"


def test_a_redirect_knows_parameters_and_rest() -> None:
    """What stands under the star goes into the new place, and so does the query."""
    route = _route("old", "/old/{shop}/*", redirect="https://new.example/{shop}/p/{path}?a=1")

    match = RouteTable([route]).match("GET", "h", "/old/north/x/y%20z")

    assert route.redirect is not None
    assert route.redirect.location(match) == "https://new.example/north/p/x/y%20z?a=1"
    assert route.redirect.location(match, "b=2").endswith("?a=1&b=2")


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/old", "/new/"),
        ("/old/", "/new/"),
        ("/old/x", "/new/x"),
        ("/old/x/", "/new/x/"),
        ("/old/x/y/", "/new/x/y/"),
    ],
)
def test_a_redirect_keeps_the_slash_at_the_end(asked: str, location: str) -> None:
    """`/x/` and `/x` are two things to whoever answers there."""
    route = _route("old", "/old/*", redirect="/new/{path}")
    match = RouteTable([route]).match("GET", "h", asked)

    assert route.redirect is not None
    assert route.redirect.location(match) == location


@pytest.mark.parametrize(
    ("to", "location"),
    [("/new#part", "/new?b=2#part"), ("/new?a=1#part", "/new?a=1&b=2#part"), ("/new", "/new?b=2")],
)
def test_the_query_of_a_redirect_comes_before_its_fragment(to: str, location: str) -> None:
    """Behind the fragment nobody would see it (RFC 3986, section 3)."""
    assert Redirect(to).location(Match(None), "b=2") == location


def test_a_stripped_path_is_never_empty() -> None:
    """What is left of the path begins with a slash."""
    strip = Destination("shop", replace=("/api/shop", ""))

    assert strip.path("/api/shop") == "/"
    assert strip.path("/api/shop/x") == "/x"
