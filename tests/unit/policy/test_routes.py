"""The most specific route answers."""

import pytest

from gateline.policy.identity import Identity
from gateline.policy.routes import Destination, HeaderMatch, Route, RouteTable

WEB = Destination("web")


def _route(name: str, path: str, *methods: str, host: str = "") -> Route:
    return Route(
        name,
        path,
        WEB,
        methods=frozenset(methods),
        hosts=frozenset({host}) if host else frozenset(),
    )


TABLE = RouteTable(
    [
        _route("root", "/*"),
        _route("home", "/"),
        _route("doctors", "/api/v1/doctors/*"),
        _route("doctor", "/api/v1/doctors/{id}"),
        _route("me", "/api/v1/doctors/me"),
        _route("records", "/api/v1/doctors/{id}/records/*"),
        _route("read", "/only", "GET"),
        _route("write", "/only", "POST"),
        _route("admin", "/*", host="admin.example.com"),
        _route("tenants", "/tenant/*", host="*.tenants.example.com"),
    ]
)


def _name(path: str, method: str = "GET", host: str = "example.com") -> str | None:
    route = TABLE.match(method, host, path).route
    return route.name if route else None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "home"),
        ("/x", "root"),
        ("/api/v1/doctors", "doctors"),
        ("/api/v1/doctors/", "doctors"),
        ("/api/v1/doctors/7", "doctor"),
        ("/api/v1/doctors/7/", "doctor"),
        ("/api/v1/doctors/me", "me"),
        ("/api/v1/doctors/me/dashboard", "doctors"),
        ("/api/v1/doctors/7/records", "records"),
        ("/api/v1/doctors/7/records/1/2", "records"),
        ("/api/v1/doctors/7/other", "doctors"),
        ("/api/v1/doctorsx", "root"),
    ],
)
def test_specific_first(path: str, name: str) -> None:
    """Literal before parameter before subtree, and a subtree answers its own root."""
    assert _name(path) == name


def test_named_host_wins() -> None:
    """A route for a host comes before routes for any."""
    assert _name("/api/v1/doctors", host="admin.example.com") == "admin"
    assert _name("/tenant/x", host="a.tenants.example.com") == "tenants"
    assert _name("/other", host="a.tenants.example.com") == "root"


def test_methods() -> None:
    """Several routes may share a path by method; the subtree above takes the rest."""
    assert _name("/only", "GET") == "read"
    assert _name("/only", "POST") == "write"
    assert _name("/only", "DELETE") == "root"


def test_method_not_allowed_names_what_would_be() -> None:
    """A path without a route for the method tells which methods it answers."""
    table = RouteTable([_route("read", "/only", "GET"), _route("write", "/only", "POST")])
    match = table.match("DELETE", "h", "/only")
    assert match.route is None
    assert match.allow == {"GET", "POST"}


def test_nothing() -> None:
    """No route at all is an empty answer."""
    match = RouteTable([_route("a", "/a")]).match("GET", "h", "/b")
    assert match.route is None
    assert not match.allow


def test_parameters() -> None:
    """Parameters are read from their segments."""
    assert TABLE.match("GET", "h", "/api/v1/doctors/7/records/1").params == {"id": "7"}


def test_what_was_answered_before_is_answered_alike() -> None:
    """An answer that is remembered belongs to one method, one host and one path."""
    table = RouteTable(TABLE.routes)
    asked = [
        (method, host, path)
        for method in ("GET", "POST", "DELETE")
        for host in ("example.com", "admin.example.com", "a.tenants.example.com")
        for path in (
            "/only",
            "/api/v1/doctors/7",
            "/api/v1/doctors/8",
            "/tenant/x",
            "/" + "x" * 300,
        )
    ]
    fresh = [RouteTable(TABLE.routes).match(*one) for one in asked]
    assert [table.match(*one) for one in asked] == fresh
    assert [table.match(*one) for one in reversed(asked)] == fresh[::-1]


def test_more_than_is_remembered_is_answered_too() -> None:
    """The memory is bounded; who asks for ever new paths gets the same answers."""
    table = RouteTable(TABLE.routes)
    for number in range(10_000):
        match = table.match("GET", "h", f"/api/v1/doctors/{number}")
        assert match.params == {"id": str(number)}
    assert table.match("GET", "h", "/api/v1/doctors/3").params == {"id": "3"}


def test_where_headers_decide_nothing_is_remembered() -> None:
    """The same path with other headers may be another route's."""
    table = RouteTable(
        [
            _route("all", "/a"),
            Route("beta", "/a", WEB, headers=(HeaderMatch(b"x-version", b"2"),)),
        ]
    )
    for fields, name in [({}, "all"), ({b"x-version": b"2"}, "beta"), ({}, "all")] * 2:
        route = table.match("GET", "h", "/a", fields).route
        assert route is not None
        assert route.name == name


def test_two_claims_are_refused() -> None:
    """Two routes for the very same requests are a mistake that is told."""
    with pytest.raises(ValueError, match="both claim"):
        RouteTable([_route("a", "/x/*"), _route("b", "/x/*")])


def test_destination_by_user_type() -> None:
    """One path may lead each kind of account to its own service."""
    route = Route(
        "me",
        "/me/*",
        None,
        by_user_type={"doctor": Destination("doctors", replace=("/me", "/doctors/me"))},
    )
    doctor = Identity(7, "doctor", "d@example.com", "s1", "Dana", 0, 100, 200, "bearer")
    customer = Identity(8, "customer", "c@example.com", "s2", "Carl", 0, 100, 200, "bearer")
    destination = route.destination_for(doctor)
    assert destination is not None
    assert destination.path("/me/dashboard", "/api/v1") == "/api/v1/doctors/me/dashboard"
    assert route.destination_for(customer) is None
