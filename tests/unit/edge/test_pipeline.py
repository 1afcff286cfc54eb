"""From match to allow: who is let in, where to, and how a refusal reads."""

import base64
import json

import pytest
from edge_people import People
from running_edge import Answer, RunningEdge
from scripted_services import ScriptedServices

LIST = "/api/v1/doctors/"


def refusal(answer: Answer) -> tuple[int, str]:
    """Return status and reason of a standard error body, whose shape is checked."""
    assert set(answer.json()) == {"error", "message", "details"}
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"cache-control") == [b"no-store"]
    assert answer.values(b"x-request-id") == [answer.json()["details"]["request_id"].encode()]
    return answer.status, answer.reason


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/auth/login", "auth"),
        ("/api/v1/auth/validate", "auth"),
        ("/.well-known/jwks.json", "auth"),
        ("/api/health", "api"),
        ("/api/v1/health", "web"),
        ("/api/web/patient/dashboard", "web"),
        ("/admin", "web"),
        ("/", "web"),
        ("/any/page", "web"),
    ],
)
def test_open_paths_reach_their_service(
    edge: RunningEdge, services: ScriptedServices, path: str, service: str
) -> None:
    """What needs no session goes to the service that owns the path."""
    assert edge.get(path).json() == {"service": service}
    assert services.seen(path)[0].service == service


@pytest.mark.parametrize(
    ("path", "user_type", "service"),
    [
        ("/api/v1/doctors", "doctor", "doctors"),
        ("/api/v1/doctors/7", "institution", "doctors"),
        ("/api/v1/patients/", "patient", "patients"),
        ("/api/v1/institutions/3/doctors", "doctor", "institutions"),
        ("/api/v1/admins", "admin", "admins"),
        ("/api/users/1", "customer", "api"),
        ("/api/orders/", "patient", "api"),
    ],
)
def test_a_session_opens_the_paths_of_its_role(
    edge: RunningEdge,
    services: ScriptedServices,
    people: People,
    path: str,
    user_type: str,
    service: str,
) -> None:
    """A person of the right kind reaches the service, with and without a trailing slash."""
    answer = edge.get(path, token=people.log_in(user_type).token)
    assert (answer.status, answer.json()) == (200, {"service": service})
    assert services.seen(path)[0].target == path.encode()


@pytest.mark.parametrize(
    ("path", "user_type"),
    [
        ("/api/v1/doctors", "patient"),
        ("/api/v1/doctors", "customer"),
        ("/api/v1/patients", "customer"),
        ("/api/v1/institutions/1", "patient"),
        ("/api/v1/admins", "doctor"),
        ("/api/v1/admins/", "institution"),
    ],
)
def test_other_roles_are_refused(
    edge: RunningEdge, services: ScriptedServices, people: People, path: str, user_type: str
) -> None:
    """A session of another kind gets 403, and the service never hears of it."""
    answer = edge.get(path, token=people.log_in(user_type).token)
    assert refusal(answer) == (403, "role_missing")
    assert services.requests == []


@pytest.mark.parametrize(
    ("user_type", "home"),
    [
        ("patient", "patients"),
        ("doctor", "doctors"),
        ("institution", "institutions"),
        ("admin", "admins"),
    ],
)
def test_me_leads_home(
    edge: RunningEdge, services: ScriptedServices, people: People, user_type: str, home: str
) -> None:
    """`/api/v1/me` is one's own record in the service of one's kind, deeper paths included."""
    token = people.log_in(user_type).token
    for rest in ("", "/", "/dashboard?month=5"):
        assert edge.get(f"/api/v1/me{rest}", token=token).json() == {"service": home}
        assert services.requests[-1].target == f"/api/v1/{home}/me{rest}".encode()


def test_me_of_a_customer_is_nowhere(edge: RunningEdge, people: People) -> None:
    """A kind of account without a record service has no `me`."""
    answer = edge.get("/api/v1/me", token=people.log_in("customer").token)
    assert refusal(answer) == (404, "no_route")


@pytest.mark.parametrize(
    "path", ["/api/v1/unknown", "/api", "/api/nothing/here", "/api/v2/doctors"]
)
def test_an_unknown_service_is_not_found(
    edge: RunningEdge, services: ScriptedServices, path: str
) -> None:
    """Below /api nothing falls through to the pages."""
    assert refusal(edge.get(path)) == (404, "no_route")
    assert services.requests == []


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND", "FOO", "get"])
def test_unknown_methods_are_refused(
    edge: RunningEdge, services: ScriptedServices, method: str
) -> None:
    """Only the methods that services answer are passed on."""
    target = "127.0.0.1:80" if method == "CONNECT" else "/"
    assert edge.ask(method, target).status in (400, 405)
    assert services.requests == []


def test_a_session_is_asked_for(edge: RunningEdge, services: ScriptedServices) -> None:
    """Without a token the answer is 401 with a challenge (RFC 9110, 11.6.1)."""
    answer = edge.get(LIST)
    assert refusal(answer) == (401, "session_missing")
    assert answer.values(b"www-authenticate") == [b"Bearer"]
    assert services.requests == []


def unsigned(token: str) -> str:
    """Return the token's claims under `alg: none`."""
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


def tampered(token: str) -> str:
    """Return the token with another user type in its claims, under the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["user_type"] = "admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{forged}.{signature}"


def test_a_token_that_is_not_ours_is_refused(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """Tampered, unsigned and garbled tokens are invalid even where a session entry exists."""
    genuine = people.log_in().token
    for forged in (
        tampered(genuine),
        unsigned(genuine),
        genuine[:-4] + "AAAA",
        genuine + "x",
        "junk",
        "a.b.c",
        "x" * 9000,
    ):
        people.plant(forged, genuine)
        assert refusal(edge.get(LIST, token=forged)) == (401, "token_invalid")
    answer = edge.get(LIST, [(b"Authorization", b"Bearer caf\xc3\xa9")])
    assert refusal(answer) == (401, "token_invalid")
    assert services.requests == []


def test_the_kinds_of_dead_tokens_are_told_apart(edge: RunningEdge, people: People) -> None:
    """Each way in which a genuine token can be of no use has a reason of its own."""
    people.tokens._audience, audience = "another", people.tokens._audience
    elsewhere = people.issue()
    people.tokens._audience = audience
    revoked = people.log_in()
    people.store.drop(revoked.token)
    idle = people.log_in()
    people.revoke(idle)  # the entry fell out by itself: it is still in the user's index
    for token, reason in (
        (people.issue(type="refresh"), "token_type_wrong"),
        (people.issue(lifetime_seconds=-1), "token_expired"),
        (elsewhere, "token_invalid"),
        (revoked.token, "session_revoked"),
        (idle.token, "session_expired"),
        (people.issue(), "session_revoked"),
    ):
        assert refusal(edge.get(LIST, token=token)) == (401, reason)


def test_an_entry_of_another_session_is_no_proof(edge: RunningEdge, people: People) -> None:
    """A token is believed only with the record of its own session."""
    one, other = people.log_in(), people.log_in("admin")
    people.plant(one.token, other.token)
    assert refusal(edge.get(LIST, token=one.token)) == (401, "session_invalid")


@pytest.mark.parametrize("value", [b"Basic dXNlcjpwYXNz", b"Bearer", b"Bearer ", b"Token abc"])
def test_other_credentials_are_no_session(edge: RunningEdge, value: bytes) -> None:
    """Only bearer tokens count; the scheme's case does not matter."""
    assert refusal(edge.get(LIST, [(b"Authorization", value)])) == (401, "session_missing")


def test_the_bearer_scheme_is_read_in_any_case(edge: RunningEdge, people: People) -> None:
    """RFC 9110, 11.1: the scheme is case-insensitive."""
    token = people.log_in().token.encode()
    for value in (b"bearer " + token, b"BEARER   " + token):
        assert edge.get(LIST, [(b"Authorization", value)]).status == 200


def test_optional_pages_open_for_a_dead_token(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """Where nobody must log in, a token that is not believed is simply nobody."""
    gone = people.log_in()
    people.revoke(gone)
    assert edge.get("/", [gone.cookie]).status == 200
    assert services.seen("/")[0].values(b"x-user-id") == []


def test_a_cookie_is_a_session(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """A browser's cookie identifies; the service gets a bearer token instead."""
    doctor = people.log_in()
    name, value = doctor.cookie
    answer = edge.get(LIST, [(name, b"theme=dark; " + value + b"; lang=de")])
    assert answer.status == 200
    seen = services.seen(LIST)[0]
    assert seen.values(b"authorization") == [b"Bearer " + doctor.token.encode()]
    assert seen.values(b"x-user-id") == [str(doctor.user_id).encode()]


def test_a_bearer_goes_before_a_cookie(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """With both, the one that was put there on purpose counts."""
    program, browser = people.log_in(), people.log_in()
    assert edge.get(LIST, [program.bearer, browser.cookie]).status == 200
    assert services.seen(LIST)[0].values(b"x-user-id") == [str(program.user_id).encode()]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"Sec-Fetch-Site", b"cross-site")], 403),
        ([(b"Sec-Fetch-Site", b"same-site")], 403),
        ([(b"Origin", b"https://evil.example")], 403),
        ([(b"Origin", b"null")], 403),
        ([(b"Sec-Fetch-Site", b"same-origin")], 200),
        ([(b"Sec-Fetch-Site", b"none")], 200),
        ([], 200),
    ],
)
def test_another_site_cannot_use_the_cookie(
    edge: RunningEdge,
    services: ScriptedServices,
    people: People,
    headers: list[tuple[bytes, bytes]],
    status: int,
) -> None:
    """An unsafe request with a cookie must come from our own pages; with a bearer from anywhere."""
    doctor = people.log_in()
    answer = edge.ask("POST", LIST, [doctor.cookie, *headers], b"{}")
    assert answer.status == status
    if status == 403:
        assert answer.reason == "cross_site"
        assert services.requests == []
    assert edge.ask("POST", LIST, [doctor.bearer, *headers], b"{}").status == 200
    assert edge.get(LIST, [doctor.cookie, *headers]).status == 200


def test_our_own_origin_may_post(edge: RunningEdge, people: People) -> None:
    """Without fetch metadata the Origin must be the host that was asked."""
    own = b"http://127.0.0.1:%d" % edge.port
    headers = [people.log_in().cookie, (b"Origin", own)]
    assert edge.ask("POST", LIST, headers, b"{}").status == 200


def test_a_listed_origin_may_post(strict_edge: RunningEdge, people: People) -> None:
    """An origin in CORS_ORIGINS is trusted with the cookie, any other is not."""
    cookie = people.log_in().cookie
    for origin, status in ((b"https://app.example.org", 200), (b"https://b.example.org", 403)):
        headers = [cookie, (b"Origin", origin), (b"Sec-Fetch-Site", b"cross-site")]
        assert strict_edge.ask("POST", LIST, headers, b"{}").status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"api.example.org", 200),
        (b"API.Example.ORG:8443", 200),
        (b"127.0.0.1", 200),
        (b"example.org", 400),
        (b"example.com", 400),
        (b"evilexample.org", 400),
        (b"localhost", 400),
    ],
)
def test_only_our_hosts_are_answered(strict_edge: RunningEdge, host: bytes, status: int) -> None:
    """ALLOWED_HOSTS decides by name, without port and case; `*.` means all names below."""
    answer = strict_edge.get("/", [(b"Host", host)])
    assert answer.status == status
    if status == 400:
        assert answer.reason == "host_not_allowed"


def test_a_request_id_is_accepted_when_it_is_fit(
    edge: RunningEdge, services: ScriptedServices
) -> None:
    """A sound id of the client's is used on both sides; any other is replaced."""
    for offered, kept in (
        (b"abc-123.DEF_456", True),
        (b"short", False),
        (b"x" * 129, False),
        (b"has space in it", False),
        (b'injected"quote', False),
    ):
        answer = edge.get("/", [(b"X-Request-ID", offered)])
        (used,) = answer.values(b"x-request-id")
        assert (used == offered) is kept
        assert services.requests[-1].values(b"x-request-id") == [used]


def test_request_ids_are_not_repeated(edge: RunningEdge) -> None:
    """Each request without an id gets a new one of 32 hexadecimal digits."""
    ids = {edge.get("/livez").values(b"x-request-id")[0] for _ in range(20)}
    assert len(ids) == 20
    assert all(len(one) == 32 and int(one, 16) for one in ids)
