"""A file becomes the plan that it describes, with the environment on top."""

from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import Authority

from gateline.policy.caching import CacheRule
from gateline.policy.cors import CorsPolicy
from gateline.policy.gcra import LimitRule
from gateline.policy.headers import HeaderChanges
from gateline.policy.limits import Limit
from gateline.policy.retries import RetryPolicy
from gateline.policy.routes import Destination, HeaderMatch, Redirect, Route, RouteTable
from gateline.policy.services import (
    AppProgram,
    BreakerPolicy,
    ConcurrencyPolicy,
    EjectionPolicy,
    Endpoint,
    Mirror,
    ProbePolicy,
    RetryBudget,
    TlsPolicy,
)
from gateline.shared.config import ConfigError, Settings
from gateline.shared.gateway import GatewayFileError, GatewayPlan, load_plan
from gateline.shared.routing import platform_routes, platform_services

Load = Callable[..., GatewayPlan]
BY_CLIENT = LimitRule(Limit(600, 60), 600)
BY_USER = LimitRule(Limit(30, 60), 30, "user")
BASE = {
    "SECRET_KEY": "a-key-for-tests-that-is-long-enough-for-hs256",
    "DATABASE_URL": "postgresql://nobody@localhost/none",
    "DOCTOR_SERVICE_URL": "http://doctors",
}
SMALL = '[services.shop]\nurl = "http://shop"\n[[routes]]\npath = "/api/shop/*"\nservice = "shop"\n'
FULL = """
[gateway]
allowed_hosts = ["api.example.com"]
cors_origins = "https://app.example.com"
trusted_proxies = ["10.0.0.0/8"]
max_body = "1MB"
max_header_count = 50
server_timing = true
access_log = false
security_headers = false
retry_budget = { share = 0.1, least = 1 }
tls = { certificate = "edge.pem", key = "edge.key", http2 = false }

[services.shop]
targets = [{ url = "http://a:1", weight = 9 }, { url = "https://b" }]
prefix = "/v1"
timeout = "500ms"
connect_timeout = 0.25
balance = "hash"
hash_on = "cookie:cart"
protocol = "http2"
max_connections = 10
idle = "1m"
dns_refresh = "5s"
retries = { attempts = 2, statuses = [503], backoff = "100ms", most = "1s" }
breaker = { error_share = 0.2, least_requests = 5, window = 4, open = 3 }
ejection = { failures = 2, base = 1, most = 2, most_share = 0.3, slow_start = 0 }
health_check = { path = "/up", interval = 1, timeout = 0.5, healthy = 1, unhealthy = 2 }
concurrency = { limit = 7, queue = 2, wait = 0.1 }
tls = { ca = "edge.pem", certificate = "edge.pem", key = "edge.key", server_name = "b.example" }

[services.own]
app = "own:create_app"
directory = "app"
workers = 2
threads = 4
env = { CURRENCY = "EUR" }
retries = false
breaker = false
ejection = false
concurrency = 9

[[routes]]
name = "shop"
path = "/api/shop/*"
service = "shop"
hosts = "api.example.com"
methods = ["get", "POST"]
headers = { X-Version = "2", X-Beta = true }
auth = "optional"
accept = ["session", "key", "corp"]
roles = ["customer"]
rate_limit = ["600/minute", { limit = "5/second", burst = 2, by = "header:X-Tenant" }]
strip_prefix = true
rewrite_prefix = "/v2"
timeout = "1h"
max_body = "5kB"
request_headers = { set = { X-A = "1" }, add = { X-B = "2" }, remove = ["X-C", "X-User-ID"] }
response_headers = { remove = "Server" }
cors = { origins = "https://a.example", headers = ["X-D"], expose = [], credentials = false }
allow_ips = "10.0.0.0/8"
deny_ips = ["10.1.0.0/16", "::1"]
cache = { default = 5, most = "1m", vary = ["Accept-Language"] }
compress = true
mirror = { service = "own", share = 0.5 }
websocket = false
encoded_slashes = true
share_cookie = true
server_timing = true

[[routes]]
path = "/old/*"
redirect = { to = "/new/{path}", status = 302 }

[issuers.corp]
issuer = "https://login.example.com/"
jwks_url = "https://login.example.com/keys"
audience = ["shop", "web"]
user_type = "realm.role"
roles = { boss = "admin" }
cooldown = "1m"

[[api_keys]]
name = "warehouse"
sha256 = "ABababababababababababababababababababababababababababababababab"
rate_limit = "5/minute"
"""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Give a function that loads a file's text, with variables of the environment."""

    def load(text: str | None, **environ: str) -> GatewayPlan:
        path = tmp_path / "gateline.toml"
        (tmp_path / "app").mkdir(exist_ok=True)
        (tmp_path / "app/own.py").touch()
        pair = Authority(tmp_path).issue("edge.example", "edge.pem")
        (tmp_path / "edge.key").write_bytes(pair.read_bytes())
        if text is not None:
            path.write_text(text)
        variables = {"GATELINE_CONFIG": str(path), **BASE, **environ}
        return load_plan(Settings.load(variables, folder=tmp_path))

    return load


def _named(plan: GatewayPlan, name: str) -> Route:
    return next(route for route in plan.routes if route.name == name)


def test_without_a_file_the_platform_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Services and routes are then what they always were."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.load({**BASE, "CORS_ORIGINS": "https://a.example"}, folder=tmp_path)
    plan = load_plan(settings)

    assert (plan.path, plan.version) == (None, "built-in")
    assert plan.services == platform_services(settings)
    assert plan.routes == platform_routes()
    assert plan.cors == CorsPolicy(frozenset({"https://a.example"}))
    assert plan.samples


def test_a_named_file_must_be_there(load: Load) -> None:
    """Who names a file means it."""
    with pytest.raises(GatewayFileError, match=r"gateline\.toml:1: file: is not there"):
        load(None)


def test_a_wrong_file_is_a_wrong_configuration(load: Load) -> None:
    """The commands end with 2, as for a wrong setting, and every problem is in the message."""
    with pytest.raises(ConfigError) as raised:
        load("[gateway]\nplatfrm = 1\n[[routes]]\npath = 'a'")

    assert isinstance(raised.value, GatewayFileError)
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == [
        "gateway.platfrm",
        "routes[1].path",
    ]


def test_the_smallest_file(load: Load) -> None:
    """Platform without samples, one service, one route: everything else has a default."""
    plan = load(SMALL)

    assert plan.services["shop"].endpoints == (Endpoint("http://shop"),)
    assert plan.services["shop"].breaker == BreakerPolicy()
    assert plan.services["shop"].timeout == 10
    assert plan.routes[0] == Route(
        "api-shop", "/api/shop/*", Destination("shop"), limits=(BY_CLIENT,)
    )
    assert set(plan.services) == {"auth", "api", "web", "jwt", "shop"}
    assert plan.routes[1:] == platform_routes(samples=False)
    assert plan.max_body_bytes == 10 * 1024 * 1024
    assert plan.problems == ()
    assert len(plan.version) == 12
    assert plan.version != load(SMALL + "\n").version


def test_samples_and_platform_are_asked_for(load: Load) -> None:
    """Each of both may be had or left out."""
    samples = load(f"[gateway]\nsamples = true\n{SMALL}")
    alone = load(f"[gateway]\nplatform = false\n{SMALL}")

    assert "doctors" in samples.services
    assert samples.routes[1:] == platform_routes()
    assert set(alone.services) == {"shop"}
    assert [route.name for route in alone.routes] == ["api-shop"]


def test_every_setting_of_a_service(load: Load, tmp_path: Path) -> None:
    """What the file says of a service is what the policies get."""
    shop, own = (load(FULL).services[name] for name in ("shop", "own"))

    assert shop.endpoints == (Endpoint("http://a:1", 9), Endpoint("https://b", 1))
    assert (shop.prefix, shop.timeout, shop.connect_timeout) == ("/v1", 0.5, 0.25)
    assert (shop.balance, shop.hash_on, shop.protocol) == ("hash", "cookie:cart", "http2")
    assert (shop.max_connections, shop.idle_seconds, shop.dns_seconds) == (10, 60, 5)
    assert shop.retry == RetryPolicy(2, 0.1, 1, frozenset({503}))
    assert shop.breaker == BreakerPolicy(0.2, 5, 4, 3)
    assert shop.ejection == EjectionPolicy(2, 1, 2, 0.3, 0)
    assert shop.probe == ProbePolicy("/up", 1, 0.5, 1, 2)
    assert shop.concurrency == ConcurrencyPolicy(7, 2, 0.1)
    pem, key = str(tmp_path / "edge.pem"), str(tmp_path / "edge.key")
    assert shop.tls == TlsPolicy(True, pem, pem, key, "b.example")
    assert own.app == AppProgram("own:create_app", str(tmp_path / "app"), 2, 4, {"CURRENCY": "EUR"})
    assert (own.endpoints, own.retry.attempts) == ((), 1)
    assert (own.breaker, own.ejection, own.concurrency) == (None, None, ConcurrencyPolicy(9))


def test_every_setting_of_a_route(load: Load) -> None:
    """What the file says of a route is what the edge gets."""
    plan = load(FULL)
    route, old = _named(plan, "shop"), _named(plan, "old")

    assert route.destination == Destination("shop", ("/api/shop", "/v2"))
    assert route.hosts == {"api.example.com"}
    assert route.methods == {"GET", "POST"}
    assert route.headers == (HeaderMatch(b"x-beta"), HeaderMatch(b"x-version", b"2"))
    assert route.auth == "optional"
    assert route.roles == {"customer"}
    assert route.accept == {"session", "key", "corp"}
    assert route.limits == (
        LimitRule(Limit(600, 60), 600),
        LimitRule(Limit(5, 1), 2, "header", b"x-tenant"),
    )
    assert (route.timeout, route.max_body_bytes) == (3600, 5000)
    assert route.request_headers == HeaderChanges(
        ((b"x-a", b"1"),), ((b"x-b", b"2"),), frozenset({b"x-c"})
    )
    assert route.response_headers == HeaderChanges(remove=frozenset({b"server"}))
    assert route.cors == CorsPolicy(
        frozenset({"https://a.example"}),
        expose=(),
        headers=frozenset({"x-d"}),
        credentials=False,
    )
    assert list(map(str, route.allow_ips)) == ["10.0.0.0/8"]
    assert list(map(str, route.deny_ips)) == ["10.1.0.0/16", "::1/128"]
    assert route.cache == CacheRule(5, 60, frozenset({b"accept-language"}))
    assert route.mirror == Mirror("own", 0.5)
    assert (route.compress, route.websocket, route.encoded_slashes) == (True, False, True)
    assert (route.share_cookie, route.server_timing) == (True, True)
    assert (old.redirect, old.destination) == (Redirect("/new/{path}", 302), None)


def test_every_setting_of_the_gateway(load: Load, tmp_path: Path) -> None:
    """The rest of the file, and who else may be known."""
    plan = load(FULL)
    (issuer,), (key,) = plan.issuers, plan.api_keys

    assert plan.path == tmp_path / "gateline.toml"
    assert plan.allowed_hosts == ("api.example.com",)
    assert plan.cors.origins == {"https://app.example.com"}
    assert list(map(str, plan.trusted_proxies)) == ["10.0.0.0/8"]
    assert (plan.max_body_bytes, plan.max_header_count) == (1_000_000, 50)
    assert (plan.server_timing, plan.access_log) == (True, False)
    assert not plan.security_headers
    assert load(SMALL).security_headers
    assert plan.retry_budget == RetryBudget(0.1, 1)
    assert plan.tls is not None
    assert (plan.tls.certificate, plan.tls.http2) == (tmp_path / "edge.pem", False)
    assert (issuer.name, issuer.audience, issuer.cooldown) == ("corp", ("shop", "web"), 60)
    assert (issuer.user_type, issuer.roles) == ("realm.role", {"boss": "admin"})
    assert (key.name, key.digest) == ("warehouse", b"\xab" * 32)
    assert key.limit == LimitRule(Limit(5, 60), 5)


def test_the_environment_stays_on_top(load: Load) -> None:
    """What is set there wins over the file."""
    plan = load(
        FULL,
        ALLOWED_HOSTS="b.example",
        CORS_ORIGINS="https://b.example",
        EDGE_TRUSTED_PROXIES="192.0.2.1",
        MAX_BODY_BYTES="7",
        GATELINE_APPS="own=http://own:1",
    )

    assert plan.allowed_hosts == ("b.example",)
    assert plan.cors.origins == {"https://b.example"}
    assert list(map(str, plan.trusted_proxies)) == ["192.0.2.1/32"]
    assert plan.max_body_bytes == 7
    assert plan.services["own"].endpoints == (Endpoint("http://own:1"),)


def test_a_route_for_everything_goes_before_the_pages(load: Load) -> None:
    """The platform's own routes that are more specific stay; its refusal below /api/ does not."""
    plan = load(SMALL.replace("/api/shop/*", "/*"))
    table = RouteTable(plan.routes)

    def name(path: str) -> str | None:
        route = table.match("GET", "h", path).route
        return None if route is None else route.name

    assert name("/anything") == name("/api/anything") == "root"
    assert name("/api/auth/login") == "auth"
    assert name("/admin") == "admin"
    assert [problem.field for problem in plan.problems] == ["routes[1].path"]


def test_names_are_made_from_paths(load: Load) -> None:
    """Each route has a name that no other has."""
    routes = "".join(
        f"[[routes]]\npath = '/a/{{id}}'\nservice = 'shop'\nheaders = {{ X = '{number}' }}\n"
        for number in range(2)
    )
    reading = routes.replace("service", 'methods = ["GET"]\nservice')
    plan = load(f"{SMALL}{routes}{reading}")

    names = [route.name for route in plan.routes]
    assert names[1:5] == ["a-id", "a-id-2", "a-id-get", "a-id-3"]
    assert len(set(names)) == len(names)


def test_ten_thousand_routes_are_loaded(load: Load) -> None:
    """The whole check grows with the number of routes and no faster."""
    routes = "".join(
        f"[[routes]]\npath = '/tenant-{number}/{{id}}/*'\nservice = 'shop'\nauth = 'none'\n"
        for number in range(10_000)
    )

    assert len(load(SMALL + routes).routes) > 10_000


@pytest.mark.parametrize(
    ("gateway", "route", "environ", "limits"),
    [
        ("", "", {}, (BY_CLIENT,)),
        ("", "", {"RATE_LIMIT_DEFAULT": "5/second"}, (LimitRule(Limit(5, 1), 5),)),
        ("", "rate_limit = '7/day'", {}, (LimitRule(Limit(7, 86400), 7),)),
        ("", "rate_limit = 'none'", {}, ()),
        ("", "rate_limit = false", {"RATE_LIMIT_DEFAULT": "5/second"}, ()),
        ("rate_limit = { limit = '30/minute', by = 'user' }", "", {}, (BY_USER,)),
        ("rate_limit = 'none'", "", {}, ()),
        ("rate_limit = false", "", {}, ()),
        ("rate_limit = false", "", {"RATE_LIMIT_DEFAULT": "600/minute"}, (BY_CLIENT,)),
        ("rate_limit = false", "rate_limit = '600/minute'", {}, (BY_CLIENT,)),
    ],
)
def test_a_route_that_says_nothing_has_a_limit_too(
    load: Load,
    gateway: str,
    route: str,
    environ: dict[str, str],
    limits: tuple[LimitRule, ...],
) -> None:
    """RATE_LIMIT_DEFAULT wins over the file's default; both can be switched off in words."""
    plan = load(f"[gateway]\n{gateway}\n{SMALL}{route}\n", **environ)

    assert _named(plan, "api-shop").limits == limits


def test_nothing_is_counted_twice(load: Load) -> None:
    """The platform's services limit themselves; redirects ask nobody."""
    plan = load(f"{SMALL}[[routes]]\npath = '/old'\nredirect = '/new'\n")

    assert [route.name for route in plan.routes if route.limits] == ["api-shop"]
