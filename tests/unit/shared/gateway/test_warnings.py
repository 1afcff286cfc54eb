"""What is allowed and probably not meant is said, and nothing that is right."""

from pathlib import Path
from typing import NamedTuple

import pytest

from gateline.shared.gateway.checking import check
from gateline.shared.gateway.source import Source

SHOP = '[services.shop]\nurl = "http://shop:9000"\n'
ROUTE = '[[routes]]\npath = "/api/shop/*"\nservice = "shop"\n'
KEY = f"[[api_keys]]\nname = 'a'\nsha256 = '{'ab' * 32}'\n"
CORP = "[issuers.corp]\nissuer = 'a'\njwks_url = 'https://a/k'\naudience = 'shop'\n"


class Doubt(NamedTuple):
    """A doubtful file: the field that is named and part of what is said."""

    text: str
    field: str
    message: str
    remedy: str


DOUBTS = {
    "nothing at all": Doubt("", "file", "neither services nor routes", "gateline init"),
    "everybody is a proxy": Doubt(
        f"[gateway]\ntrusted_proxies = ['0.0.0.0/0']\n{SHOP}{ROUTE}",
        "gateway.trusted_proxies[1]",
        "everybody",
        "alone",
    ),
    "a service without a route": Doubt(SHOP, "services.shop", "no route", 'service = "shop"'),
    "workers without an app": Doubt(
        f"{SHOP}workers = 2\n{ROUTE}", "services.shop.workers", "without app", "name the app"
    ),
    "a module that is not there": Doubt(
        f"[services.shop]\napp = 'no_such_module:app'\n{ROUTE}",
        "services.shop.app",
        "no_such_module.py",
        "directory",
    ),
    "hash_on without hash": Doubt(
        f"{SHOP}hash_on = 'user'\n{ROUTE}", "services.shop.hash_on", "nothing", "balance"
    ),
    "tls without https": Doubt(
        f"{SHOP}tls = {{ server_name = 'a' }}\n{ROUTE}", "services.shop.tls", "https://", "https://"
    ),
    "no verification": Doubt(
        f"[services.shop]\nurl = 'https://a'\ntls = {{ verify = false }}\n{ROUTE}",
        "services.shop.tls.verify",
        "anybody",
        "ca",
    ),
    "roles for nobody": Doubt(
        f"{SHOP}{ROUTE}auth = 'none'\nroles = ['customer']",
        "routes[1].roles",
        "nobody is asked",
        'auth = "session"',
    ),
    "accept for nobody": Doubt(
        f"{SHOP}{ROUTE}auth = 'none'\naccept = ['session']",
        "routes[1].accept",
        "nobody is asked",
        "take accept out",
    ),
    "a limit of nobody": Doubt(
        f"{SHOP}{ROUTE}auth = 'none'\nrate_limit = {{ limit = '5/minute', by = 'user' }}",
        "routes[1].rate_limit",
        "nobody is known",
        "client",
    ),
    "sessions without a platform": Doubt(
        f"[gateway]\nplatform = false\n{SHOP}{ROUTE}",
        "routes[1].auth",
        "nobody can log in",
        'auth = "none"',
    ),
    "a cached redirect": Doubt(
        "[[routes]]\npath = '/a'\nredirect = '/b'\ncache = true",
        "routes[1].cache",
        "redirect",
        "take it out",
    ),
    "credentials for a wildcard": Doubt(
        f"{SHOP}{ROUTE}cors = {{ origins = '*', credentials = true }}",
        "routes[1].cors.credentials",
        "wildcard",
        "exact origins",
    ),
    "a shut door": Doubt(
        f"{SHOP}{ROUTE}deny_ips = '0.0.0.0/0'",
        "routes[1].deny_ips",
        "everybody",
        "take the route",
    ),
    "an unknown role": Doubt(
        f"{SHOP}{ROUTE}roles = ['costumer']", "routes[1].roles[1]", "'costumer'", "'customer'"
    ),
    "a host that is not allowed": Doubt(
        f"[gateway]\nallowed_hosts = ['a.example']\n{SHOP}{ROUTE}hosts = ['b.example']",
        "routes[1].hosts",
        "b.example is refused",
        "allowed_hosts",
    ),
    "a route in the shadow of others": Doubt(
        f"{SHOP}{ROUTE}name = 'all'\n"
        "[[routes]]\npath = '/api/shop/*'\nredirect = '/'\nname = 'each'\n"
        "methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']",
        "routes[1].path",
        "'each' (redirects)",
        "path, hosts or headers",
    ),
    "an issuer that nobody accepts": Doubt(
        f"{SHOP}{ROUTE}{CORP}", "issuers.corp", "no route", '"corp"'
    ),
    "keys that nobody accepts": Doubt(f"{SHOP}{ROUTE}{KEY}", "api_keys", "no route", '"key"'),
    "a route of the platform": Doubt(
        f"{SHOP}[[routes]]\npath = '/*'\nservice = 'shop'",
        "routes[1].path",
        "the platform's own /* (pages)",
        "another path",
    ),
    "HTTP/2 to an app": Doubt(
        f"[services.shop]\napp = 'flask:Flask'\nprotocol = 'http2'\n{ROUTE}",
        "services.shop.protocol",
        "HTTP/1.1",
        "take it out",
    ),
    "fewer headers than browsers send": Doubt(
        f"[gateway]\nmax_header_count = 5\n{SHOP}{ROUTE}",
        "gateway.max_header_count",
        "less than a browser sends",
        "at least 20",
    ),
    "a cache for orders": Doubt(
        f"{SHOP}{ROUTE}cache = true\nmethods = 'POST'",
        "routes[1].cache",
        "only answers to GET",
        "take it out",
    ),
    "keys that nobody has": Doubt(
        f"{SHOP}{ROUTE}accept = ['session', 'key']",
        "routes[1].accept[2]",
        "there are no keys",
        "gateline key new",
    ),
    "roles for anybody": Doubt(
        f"{SHOP}{ROUTE}auth = 'optional'\nroles = ['customer']",
        "routes[1].auth",
        "there are roles",
        'auth = "session"',
    ),
    "a door that opens and shuts": Doubt(
        f"{SHOP}{ROUTE}allow_ips = ['10.1.0.0/16', '::1']\ndeny_ips = ['10.0.0.0/8', '::/16']",
        "routes[1].deny_ips",
        "everybody",
        "take the route",
    ),
    "an address twice": Doubt(
        f"[services.shop]\nurls = ['http://a', 'http://b', 'http://A']\n{ROUTE}",
        "services.shop.urls[3]",
        "listed twice",
        "weight",
    ),
    "a target twice": Doubt(
        f"[services.shop]\ntargets = [{{ url = 'http://a' }}, {{ url = 'http://a' }}]\n{ROUTE}",
        "services.shop.targets[2].url",
        "listed twice",
        "weight",
    ),
    "an ejection that ends before it begins": Doubt(
        f"{SHOP}ejection = {{ base = 60, most = 10 }}\n{ROUTE}",
        "services.shop.ejection.most",
        "shorter than base",
        "at least 60",
    ),
    "a wait that is cut": Doubt(
        f"{SHOP}retries = {{ backoff = 10, most = 5 }}\n{ROUTE}",
        "services.shop.retries.most",
        "shorter than backoff",
        "at least 10",
    ),
    "a health check that overtakes itself": Doubt(
        f"{SHOP}health_check = {{ interval = 1, timeout = 3 }}\n{ROUTE}",
        "services.shop.health_check.timeout",
        "longer than interval",
        "at most 1",
    ),
    "a connection slower than any request": Doubt(
        f"{SHOP}connect_timeout = 30\n{ROUTE}",
        "services.shop.connect_timeout",
        "longer than the 10 s",
        "a timeout too",
    ),
    "WebSockets over HTTP/2": Doubt(
        f"{SHOP}protocol = 'http2'\n{ROUTE}websocket = true",
        "routes[1].websocket",
        "take no WebSockets",
        'protocol = "http1"',
    ),
    "a parameter as others write it": Doubt(
        f"{SHOP}[[routes]]\npath = '/a/:id'\nservice = 'shop'",
        "routes[1].path",
        "stands for itself",
        '"{id}"',
    ),
    "a part taken out twice": Doubt(
        f"{SHOP}{ROUTE}strip_prefix = true\nrewrite_prefix = '/v2'",
        "routes[1].strip_prefix",
        "means nothing beside rewrite_prefix",
        "one of them",
    ),
    "a mirror of itself": Doubt(
        f"{SHOP}{ROUTE}mirror = 'shop'",
        "routes[1].mirror",
        "has them already",
        "another service",
    ),
    "two issuers of one name": Doubt(
        f"{SHOP}{ROUTE}accept = ['corp', 'firm']\n{CORP}{CORP.replace('corp', 'firm')}",
        "routes[1].accept[2]",
        "same issuer as 'corp'",
        "both audiences",
    ),
    "origins of nobody": Doubt(
        f"{SHOP}{ROUTE}cors = {{ origins = [] }}",
        "routes[1].cors.origins",
        "lists nobody",
        "list origins",
    ),
    "an answer that is fresh for too long": Doubt(
        f"{SHOP}{ROUTE}cache = {{ default = 60, most = 10 }}",
        "routes[1].cache.default",
        "longer than most",
        "at most 10",
    ),
    "a part of the platform": Doubt(
        f"{SHOP}[[routes]]\npath = '/api/auth/login'\nservice = 'shop'",
        "routes[1].path",
        "takes /api/auth/login out of the platform's own /api/auth/* (auth)",
        "another path",
    ),
    "a part of the control room": Doubt(
        f"{SHOP}[[routes]]\npath = '/admin/reports/*'\nservice = 'shop'",
        "routes[1].path",
        "the platform's own /admin/* (admin)",
        "another path",
    ),
}

RIGHT = {
    "the smallest": f"{SHOP}{ROUTE}",
    "an app that is installed": f"[services.shop]\napp = 'flask:Flask'\n{ROUTE}",
    "roles of keys": f"{SHOP}{ROUTE}accept = ['key']\nroles = ['service']\n{KEY}",
    "roles of an issuer": f"{SHOP}{ROUTE}accept = ['corp']\nroles = ['boss']\n{CORP}",
    "mapped roles": f"{SHOP}{ROUTE}accept = 'corp'\nroles = 'boss'\n{CORP}roles = {{ b = 'boss' }}",
    "a mirror is use": f"{SHOP}[services.next]\nurl = 'http://n'\n{ROUTE}mirror = 'next'",
    "methods apart": f"{SHOP}{ROUTE}methods = 'GET'\n{ROUTE}methods = 'POST'\n{ROUTE}",
    "hosts apart": f"{SHOP}{ROUTE}hosts = 'a.example'\n{ROUTE}hosts = 'b.example'",
    "headers apart": f"{SHOP}{ROUTE}headers = {{ X-A = '1' }}\n{ROUTE}headers = {{ X-A = '2' }}",
    "a wider host": "[gateway]\nallowed_hosts = '*.example'\n"
    f"{SHOP}{ROUTE}hosts = ['*.example', 'a.example']",
    "a part of the platform under a name": f"{SHOP}[[routes]]\npath = '/admin/x'\n"
    "service = 'shop'\nhosts = 'shop.example'",
    "no origins where the gateway has some": "[gateway]\ncors_origins = ['https://a.example']\n"
    f"{SHOP}{ROUTE}cors = {{ origins = [] }}",
    "two issuers apart": f"{SHOP}{ROUTE}accept = 'corp'\n[[routes]]\npath = '/b'\n"
    f"service = 'shop'\naccept = 'firm'\n{CORP}{CORP.replace('corp', 'firm')}",
    "no platform, no session": f"[gateway]\nplatform = false\n{SHOP}{ROUTE}auth = 'none'",
}


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
def test_a_doubt_is_told(doubt: Doubt) -> None:
    """Field, what is odd and what to do are all in the warning, and it is no error."""
    checked = check(Source.parse(doubt.text, Path("gateline.toml")))

    assert checked.errors == ()
    assert [one.field for one in checked.warnings] == [doubt.field]
    (found,) = checked.warnings
    assert doubt.message in found.message
    assert doubt.remedy in found.remedy
    assert ": warning: " in str(found)


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_left_alone(text: str) -> None:
    """A file that means what it says has neither errors nor warnings."""
    checked = check(Source.parse(text, Path("gateline.toml")))

    assert (checked.errors, checked.warnings) == ((), ())
