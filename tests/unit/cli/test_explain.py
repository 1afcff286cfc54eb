"""`gateline explain`: what the edge would do, and why."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateline.cli.explain import explain

FILE = """
[gateway]
allowed_hosts = ["localhost", "shop.example.com"]
max_header_count = 4
trusted_proxies = ["10.9.0.0/16"]

[services.shop]
urls = ["http://127.0.0.1:9000", "http://127.0.0.1:9001"]
retries = false

[services.beta]
url = "http://beta:9000"
prefix = "/v2"

[services.second]
url = "http://second:9000"
protocol = "http2"

[[routes]]
path = "/second/*"
service = "second"
auth = "none"

[[routes]]
path = "/api/shop/*"
service = "shop"
roles = ["customer"]
rate_limit = { limit = "60/minute", burst = 5, by = "user" }
request_headers = { set = { X-Team = "shop" }, remove = ["Accept-Language"] }
max_body = "2MB"
timeout = "3s"

[[routes]]
name = "beta"
path = "/api/shop/*"
service = "beta"
headers = { X-Beta = "1" }
strip_prefix = true
compress = true

[[routes]]
path = "/api/shop/orders"
methods = ["POST"]
service = "shop"
cors = { origins = ["https://app.example.com"] }

[[routes]]
path = "/old/*"
redirect = "/api/shop/{path}"

[[routes]]
path = "/inside"
service = "shop"
auth = "none"
allow_ips = ["10.0.0.0/8"]
websocket = false

[[routes]]
path = "/program"
service = "shop"
accept = ["key"]

[[api_keys]]
name = "till"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
user_type = "customer"
rate_limit = "7/day"
"""


COOKIES = "Cookie: a=1; gateline_session=very-secret"

SOCKET = ("-H", "Upgrade: websocket")
FOREIGN = ("-H", "Origin: https://a.b")


@pytest.fixture(autouse=True)
def _file(own_folder: Path) -> None:
    (own_folder / "gateline.toml").write_text(FILE)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(explain, arguments)


def _explain(*arguments: str) -> dict[str, Any]:
    answer = _run(*arguments, "--json")
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.output)
    return found


def _step(found: dict[str, Any], phase: str) -> tuple[bool | None, str]:
    step = next(one for one in found["steps"] if one["phase"] == phase)
    return step["passed"], step["text"]


def test_a_limit_that_nobody_wrote_is_told() -> None:
    """A route without `rate_limit` has the default one, and the step says where it is from."""
    found = _explain("GET", "/program", "--as", "key:till")
    told = [step["text"] for step in found["steps"] if step["phase"] == "limit"]
    assert told == [
        "600/minute by client address, 600 at once: 429 when spent "
        "(the route says nothing of limits)",
        "7/day by service key, 7 at once: 429 when spent",
    ]


def test_a_limit_by_client_comes_before_the_identity() -> None:
    """As at the edge: who is refused for want of a session has been counted."""
    phases = [step["phase"] for step in _explain("GET", "/program")["steps"]]
    assert phases.index("limit") < phases.index("identity")
    later = _explain("GET", "/api/shop/1", "--as", "customer", "--from", "10.0.0.1")
    phases = [step["phase"] for step in later["steps"]]
    assert phases.index("identity") < phases.index("role") < phases.index("limit")


def test_a_request_that_is_forwarded() -> None:
    """Route, policies, target and the headers as they would be sent."""
    found = _explain(
        *("get", "/api/shop/1?x=2", "--as", "customer", "--from", "10.0.0.1"),
        *("-H", "Accept-Language: de", "-H", "X-User-ID: 7", "-H", "Authorization: Bearer t"),
    )

    assert found["route"] == {"name": "api-shop", "path": "/api/shop/*"}
    assert (found["verdict"], found["status"]) == ("forwarded to shop", None)
    assert _step(found, "role") == (True, "customer is one of customer")
    assert _step(found, "limit")[1].startswith("60/minute by account, 5 at once")
    assert _step(found, "body")[1] == "at most 2 MB"
    assert _step(found, "patience")[1] == "3 s, 1 attempt"
    assert "http://127.0.0.1:9000, http://127.0.0.1:9001" in _step(found, "target")[1]
    sent = found["forwarded"]
    headers = dict(sent["headers"])
    assert (sent["method"], sent["path"]) == ("GET", "/api/shop/1?x=2")
    assert headers["x-user-email"] == "customer@example.com"
    assert headers["x-forwarded-for"] == "10.0.0.1"
    assert (headers["x-team"], headers["host"]) == ("shop", "127.0.0.1:9000")
    assert headers["x-user-id"] == "1", "what the client sent never gets through"
    assert headers["authorization"] == "Bearer (the caller's token)"
    assert "accept-language" not in headers


def test_a_service_is_told_of_a_key_and_not_the_key() -> None:
    """X-Consumer says who asks; the limit of the key counts once it is known."""
    found = _explain("GET", "/program", "--as", "key:till", "-H", "X-API-Key: very-secret")
    headers = dict(found["forwarded"]["headers"])

    assert headers["x-consumer"] == "till"
    assert "very-secret" not in json.dumps(found)
    limits = [step["text"] for step in found["steps"] if step["phase"] == "limit"]
    assert limits[-1].startswith("7/day by service key")


def test_the_session_cookie_is_shown_to_stay() -> None:
    """What would go out is told by the edge's own rules, for anonymous callers too."""
    found = _explain("GET", "/inside", "--from", "10.0.0.9", "-H", COOKIES)
    assert dict(found["forwarded"]["headers"])["cookie"] == "a=1"
    assert "very-secret" not in json.dumps(found)


def test_the_others_are_told_with_their_reason() -> None:
    """Why this route, and why none of those that look like it."""
    others = {one["name"]: one["why"] for one in _explain("GET", "/api/shop/orders")["others"]}

    assert others["beta"] == "it asks for header X-Beta: 1"
    assert others["api-shop-orders"] == "it takes POST"
    assert others["pages"] == "a less specific path"


def test_a_condition_on_a_header_decides() -> None:
    """More conditions win; the prefix is exchanged and the service's own added."""
    found = _explain("GET", "/api/shop/1", "-H", "X-Beta: 1", "--as", "doctor")
    others = {one["name"]: one["why"] for one in found["others"]}

    assert (found["service"], found["forwarded"]["path"]) == ("beta", "/v2/1")
    assert others["api-shop"] == "fewer conditions on headers"
    assert _step(found, "compress")[1] == "answers may be compressed"


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (("GET", "/api/shop/1"), 401, "session_missing"),
        (("GET", "/api/shop/1", "--as", "patient"), 403, "role_missing"),
        (("GET", "/api/shop/1", "--host", "evil.example"), 400, "host_not_allowed"),
        (("GET", "/api/shop/1", "--host", "a,b"), 400, "bad_request"),
        (("GET", "/api/shop/../1"), 400, "path_not_allowed"),
        (("GET", "/api/shop%2F1"), 400, "path_not_allowed"),
        (("GET", "/api/nowhere"), 404, "no_route"),
        (("BREW", "/api/shop/1"), 405, "method_not_allowed"),
        (("GET", "/inside"), 403, "address_not_allowed"),
        (("GET", "/inside", "--from", "10.0.0.1", "-H", "Upgrade: websocket"), 403, None),
        (("GET", "/program", "--as", "customer"), 401, "session_missing"),
        (("GET", "/second/x", "-H", "Upgrade: websocket"), 403, "socket_not_allowed"),
        (("GET", "/inside", *(("-H", "X-A: 1") * 4)), 431, "headers_too_large"),
        (("POST", "/second/x", "-H", "Content-Length: 99999999"), 413, "payload_too_large"),
        (("GET", "/ws/dashboard", "--as", "admin"), 426, "upgrade_required"),
        (
            ("GET", "/ws/dashboard", "--as", "admin", "--cookie", *SOCKET, *FOREIGN),
            403,
            "cross_site",
        ),
        (("GET", "/socket.io/", *FOREIGN), 403, "cross_site"),
        (
            ("GET", "/api/shop/1", "--as", "customer", "--cookie", *SOCKET, *FOREIGN),
            403,
            "cross_site",
        ),
        (
            ("POST", "/api/shop/1", "--as", "customer", "--cookie", *FOREIGN),
            403,
            "cross_site",
        ),
    ],
)
def test_a_refusal_is_that_of_the_edge(
    arguments: tuple[str, ...], status: int, reason: str | None
) -> None:
    """The same status and the same word, and nothing is said of phases that are not reached."""
    found = _explain(*arguments)

    assert found["forwarded"] is None
    assert found["status"] == status
    assert reason in (None, found["reason"])
    assert found["steps"][-1]["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("GET", "/old/a/b?x=1"), "redirected to /api/shop/a/b?x=1"),
        (("GET", "/health"), "answered by the edge itself"),
        (("GET", "/inside", "--from", "10.0.0.1"), "forwarded to shop"),
        (
            ("GET", "/inside", "--from", "10.9.0.1", "-H", "X-Forwarded-For: 10.0.0.1"),
            "forwarded to shop",
        ),
        (("GET", "/program", "--as", "key:till"), "forwarded to shop"),
        (("GET", "/api/shop/1", "--as", "customer", "--cookie", *SOCKET), "forwarded to shop"),
        (("GET", "/api/shop/1", "--as", "customer", *SOCKET, *FOREIGN), "forwarded to shop"),
        (("GET", "/ws/dashboard", "--as", "admin", *SOCKET), "answered by the edge itself"),
        (("GET", "https://shop.example.com/inside", "--from", "10.1.1.1"), "forwarded to shop"),
        (
            ("POST", "/api/shop/1", "--as", "customer", "--cookie"),
            "forwarded to shop",
        ),
        (
            (
                *("OPTIONS", "/api/shop/orders", "-H", "Origin: https://app.example.com"),
                *("-H", "Access-Control-Request-Method: POST"),
            ),
            "answered with 204 to the browser's preflight",
        ),
    ],
)
def test_other_ends(arguments: tuple[str, ...], verdict: str) -> None:
    """Redirects, the edge's own answers, proxies that are believed, keys, preflights."""
    assert _explain(*arguments)["verdict"] == verdict


def test_a_socket_is_asked_for_by_the_edge_itself() -> None:
    """The client's handshake ends here; a socket has no deadline."""
    found = _explain(
        *("GET", "/api/shop/1", "--as", "customer", *SOCKET, "-H", "Sec-WebSocket-Key: a")
    )
    headers = dict(found["forwarded"]["headers"])

    assert _step(found, "socket") == (True, "WebSockets are proxied here")
    assert (headers["upgrade"], headers["connection"]) == ("websocket", "Upgrade")
    assert headers["sec-websocket-key"] == "(new for each request)"
    assert "x-gateline-deadline" not in headers


def test_an_address_may_be_that_of_a_socket() -> None:
    """Its scheme says that it is one; the page of the same host may open it."""
    found = _explain(
        *("GET", "wss://shop.example.com/api/shop/1", "--as", "customer", "--cookie"),
        *("-H", "Origin: https://shop.example.com"),
    )

    assert found["verdict"] == "forwarded to shop"
    assert dict(found["forwarded"]["headers"])["x-forwarded-proto"] == "https"
    assert _step(found, "socket")[0] is True


def test_where_no_origin_is_named_the_service_decides() -> None:
    """The edge says nothing of other origins then, and so the service's word counts."""
    found = _explain("GET", "/inside", "--from", "10.0.0.1", *FOREIGN)

    assert _step(found, "cors") == (None, "what the service says of other origins is passed on")


@pytest.mark.parametrize(
    ("origin", "may"), [("https://app.example.com", True), ("https://b", False)]
)
def test_cors_is_told(origin: str, may: bool) -> None:
    """By the route's own policy."""
    found = _explain("POST", "/api/shop/orders", "-H", f"Origin: {origin}", "--as", "customer")

    assert _step(found, "cors")[0] is may


def test_it_reads_well_on_a_terminal() -> None:
    """One line a phase, the request as it goes on, the verdict at the end."""
    shown = _run("GET", "/api/shop/1", "--as", "customer").output

    assert shown.splitlines()[0] == (
        "GET /api/shop/1 as customer with a living session, by bearer token"
    )
    assert "not beta /api/shop/*: it asks for header X-Beta: 1" in shown
    assert "  x-user-type: customer" in shown
    assert shown.splitlines()[-1] == "It is forwarded to shop"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("GET", "api"), "a path starts with a slash"),
        (("GET", "/", "--as", "king"), "there are: patient, doctor, institution, admin, customer"),
        (("GET", "/", "-H", "no colon"), "write it as 'Name: value'"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and what would be right."""
    answer = _run(*arguments)

    assert answer.exit_code == 2
    assert said in " ".join(answer.output.split())
