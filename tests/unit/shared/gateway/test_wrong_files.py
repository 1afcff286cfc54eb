"""Every mistake is named by line and field, with what would be right."""

from pathlib import Path
from typing import NamedTuple

import pytest

from gateline.shared.gateway.checking import check
from gateline.shared.gateway.problems import FileProblem, GatewayFileError
from gateline.shared.gateway.source import Source

SHOP = '[services.shop]\nurl = "http://shop:9000"\n'
ROUTE = '[[routes]]\npath = "/api/shop/*"\nservice = "shop"\n'
DIGEST = "ab" * 32


class Wrong(NamedTuple):
    """A wrong file: the line with `# HERE` is the one that is named."""

    text: str
    field: str
    message: str
    remedy: str


WRONG = {
    "no quotes": Wrong(
        "[services.shop]\nurl = http://shop  # HERE", "syntax", "invalid value", "in quotes"
    ),
    "a setting twice": Wrong(
        f'{SHOP}url = "http://b"  # HERE', "syntax", "overwrite", "name each setting once"
    ),
    "a table twice": Wrong(
        f"{SHOP}[services.shop]  # HERE", "syntax", "declare", "write each table once"
    ),
    "no equals sign": Wrong("[gateway]\nplatform false  # HERE", "syntax", "'='", "name = value"),
    "an open heading": Wrong("[services.shop  # HERE", "syntax", "']'", "close the heading"),
    "an open list": Wrong(
        f"{SHOP}{ROUTE}roles = ['customer'\nauth = 'session'  # HERE",
        "syntax",
        "unclosed array",
        "end the list with ]",
    ),
    "an open string": Wrong(
        '[services.shop]\nurl = "http://shop  # HERE\n', "syntax", "character", "close the quotes"
    ),
    "a backslash": Wrong(
        '[[routes]]\npath = "\\api"  # HERE', "syntax", "unescaped", "write a backslash twice"
    ),
    "an unknown table": Wrong(
        "[service.shop]  # HERE\nurl = 'http://a'", "service", "no table", "'services'"
    ),
    "an unknown setting of the gateway": Wrong(
        "[gateway]\nallow_hosts = []  # HERE",
        "gateway.allow_hosts",
        "no setting",
        "'allowed_hosts'",
    ),
    "an unknown setting of a service": Wrong(
        f"{SHOP}time_out = 5  # HERE", "services.shop.time_out", "no setting", "'timeout'"
    ),
    "an unknown setting of a route": Wrong(
        f"{SHOP}{ROUTE}rate-limit = '5/minute'  # HERE",
        "routes[1].rate-limit",
        "no setting",
        "'rate_limit'",
    ),
    "a setting that looks like none": Wrong(
        f"{SHOP}{ROUTE}zzz = 1  # HERE", "routes[1].zzz", "no setting", "there are accept"
    ),
    "a setting of an inner table": Wrong(
        f"{SHOP}breaker = {{ windw = 5 }}  # HERE",
        "services.shop.breaker.windw",
        "no setting",
        "'window'",
    ),
    "text for a switch": Wrong(
        '[gateway]\nplatform = "no"  # HERE',
        "gateway.platform",
        "true or false",
        "platform = true",
    ),
    "a number for text": Wrong(
        "[services.shop]\nurl = 9000  # HERE", "services.shop.url", "text", 'url = "http://shop'
    ),
    "text for a number": Wrong(
        f"{SHOP}max_connections = 'many'  # HERE",
        "services.shop.max_connections",
        "whole number",
        "max_connections = 1024",
    ),
    "text for a table": Wrong(
        f"{SHOP}tls = 'yes'  # HERE", "services.shop.tls", "table", 'tls = { ca = "ca.pem" }'
    ),
    "one bracket for a route": Wrong(
        f"{SHOP}[routes]  # HERE\npath = '/a'", "routes", "list of tables", "[[routes]]"
    ),
    "a service without a name": Wrong(
        "services = 5  # HERE", "services", "tables with names", "[services.NAME]"
    ),
    "a name in capitals": Wrong(
        "[services.Shop]  # HERE\nurl = 'http://a'", "services.Shop", "no name", "lower-case"
    ),
    "a host with a scheme": Wrong(
        "[gateway]\nallowed_hosts = [\n 'a.example',\n 'https://b.example',  # HERE\n]",
        "gateway.allowed_hosts[2]",
        "no host name",
        "without scheme",
    ),
    "an origin with a path": Wrong(
        "[gateway]\ncors_origins = ['https://a.example/x']  # HERE",
        "gateway.cors_origins[1]",
        "no origin",
        "scheme, host and port",
    ),
    "a wildcard among origins": Wrong(
        "[gateway]\ncors_origins = ['*', 'https://a.example']  # HERE",
        "gateway.cors_origins",
        "* and others",
        '["*"]',
    ),
    "a proxy by name": Wrong(
        "[gateway]\ntrusted_proxies = 'balancer'  # HERE",
        "gateway.trusted_proxies",
        "no address",
        "10.0.0.0/8",
    ),
    "a size in words": Wrong(
        "[gateway]\nmax_body = '1 megabyte'  # HERE", "gateway.max_body", "no size", '"10MB"'
    ),
    "a certificate that is not there": Wrong(
        "[gateway.tls]\nkey = 'pyproject.toml'\ncertificate = 'edge.pem'  # HERE",
        "gateway.tls.certificate",
        "not there",
        "counts from",
    ),
    "samples without the platform": Wrong(
        "[gateway]\nplatform = false\nsamples = true  # HERE",
        "gateway.samples",
        "needs the platform",
        "take out",
    ),
    "a service without an address": Wrong(
        "[services.shop]  # HERE\ntimeout = 5", "services.shop.url", "missing", "http://host:port"
    ),
    "a service with two": Wrong(
        f"{SHOP}app = 'shop:app'\nurls = ['http://b']  # HERE",
        "services.shop.urls",
        "beside app",
        "keep one",
    ),
    "an address with a path": Wrong(
        "[services.shop]\nurl = 'http://shop:9000/v1'  # HERE",
        "services.shop.url",
        "has a path",
        'prefix = "/v1"',
    ),
    "an address without scheme": Wrong(
        "[services.shop]\nurl = 'shop:9000'  # HERE", "services.shop.url", "no address", "http://"
    ),
    "an address with a password": Wrong(
        "[services.shop]\nurl = 'http://me:secret@shop'  # HERE",
        "services.shop.url",
        "no password",
        "request_headers",
    ),
    "a port that is none": Wrong(
        "[services.shop]\nurls = ['http://a:1', 'http://b:99999']  # HERE",
        "services.shop.urls[2]",
        "no address",
        "http://host:port",
    ),
    "a socket without a path": Wrong(
        "[services.shop]\nurl = 'unix://app.sock'  # HERE",
        "services.shop.url",
        "no socket",
        "unix:///run",
    ),
    "no weight at all": Wrong(
        "[services.shop]\ntargets = [{ url = 'http://a', weight = 0 }]  # HERE",
        "services.shop.targets",
        "weights are 0",
        "weight = 1",
    ),
    "an app that is none": Wrong(
        "[services.shop]\napp = 'shop.py'  # HERE",
        "services.shop.app",
        "names no app",
        "module:create_app",
    ),
    "a folder that is not there": Wrong(
        "[services.shop]\napp = 'shop:app'\ndirectory = 'nowhere'  # HERE",
        "services.shop.directory",
        "not there",
        "counts from",
    ),
    "a service of the platform": Wrong(
        "[services.auth]  # HERE\nurl = 'http://a'", "services.auth", "platform", "my-auth"
    ),
    "a duration in words": Wrong(
        f"{SHOP}timeout = '5 sec'  # HERE", "services.shop.timeout", "no duration", '"10s"'
    ),
    "a duration below zero": Wrong(
        f"{SHOP}timeout = -1  # HERE", "services.shop.timeout", "more than 0", 'timeout = "10s"'
    ),
    "a connection slower than the request": Wrong(
        f"{SHOP}timeout = 1\nconnect_timeout = 5  # HERE",
        "services.shop.connect_timeout",
        "longer than timeout",
        "at most 1",
    ),
    "too many attempts": Wrong(
        f"{SHOP}retries = 50  # HERE", "services.shop.retries", "at most 10", "retries = {"
    ),
    "a status that is none": Wrong(
        f"{SHOP}retries = {{ statuses = [502, 5] }}  # HERE",
        "services.shop.retries.statuses[2]",
        "at least 400",
        "statuses = [502, 503, 504]",
    ),
    "a balance that is none": Wrong(
        f"{SHOP}balance = 'roundrobin'  # HERE",
        "services.shop.balance",
        "none of the choices",
        "'round_robin'",
    ),
    "nothing to hash": Wrong(
        f"{SHOP}hash_on = 'cokie:cart'  # HERE",
        "services.shop.hash_on",
        "nothing to hash",
        "cookie:NAME",
    ),
    "a share above one": Wrong(
        f"{SHOP}[services.shop.breaker]\nerror_share = 50  # HERE",
        "services.shop.breaker.error_share",
        "at most 1",
        "error_share = 0.5",
    ),
    "a certificate without its key": Wrong(
        f"{SHOP}tls = {{ certificate = 'pyproject.toml' }}  # HERE",
        "services.shop.tls.key",
        "missing",
        "together",
    ),
    "a route without path": Wrong(
        f"{SHOP}[[routes]]  # HERE\nservice = 'shop'", "routes[1].path", "missing", 'path = "/api'
    ),
    "a route to nobody": Wrong(
        "[[routes]]  # HERE\npath = '/a'", "routes[1].service", "missing", 'service = "NAME"'
    ),
    "a route to a stranger": Wrong(
        f"{SHOP}[[routes]]\npath = '/a'\nservice = 'shopp'  # HERE",
        "routes[1].service",
        "no service 'shopp'",
        "'shop'",
    ),
    "a route to two places": Wrong(
        f"{SHOP}{ROUTE}redirect = '/b'  # HERE", "routes[1].redirect", "beside service", "keep one"
    ),
    "a path without slash": Wrong(
        f"{SHOP}[[routes]]\nservice = 'shop'\npath = 'api/*'  # HERE",
        "routes[1].path",
        "does not start with /",
        '"/api/*"',
    ),
    "a star in the middle": Wrong(
        f"{SHOP}[[routes]]\nservice = 'shop'\npath = '/api/*/x'  # HERE",
        "routes[1].path",
        "at the end",
        "{name}",
    ),
    "half a parameter": Wrong(
        f"{SHOP}[[routes]]\nservice = 'shop'\npath = '/orders/{{id}}.json'  # HERE",
        "routes[1].path",
        "no parameter",
        "/orders/{id}",
    ),
    "a parameter twice": Wrong(
        f"{SHOP}[[routes]]\nservice = 'shop'\npath = '/{{id}}/x/{{id}}'  # HERE",
        "routes[1].path",
        "twice",
        "its own name",
    ),
    "a path of the gateway's": Wrong(
        f"{SHOP}[[routes]]\nservice = 'shop'\npath = '/health'  # HERE",
        "routes[1].path",
        "by the gateway itself",
        "another path",
    ),
    "the same requests twice": Wrong(
        f"{SHOP}{ROUTE}[[routes]]\nservice = 'shop'\npath = '/api/shop/*'  # HERE",
        "routes[2].path",
        "'api-shop' in line 4",
        "methods, hosts or headers",
    ),
    "a name twice": Wrong(
        f"{SHOP}{ROUTE}name = 'one'\n[[routes]]\npath = '/b'\nservice = 'shop'\n"
        "name = 'one'  # HERE",
        "routes[2].name",
        "taken in line 6",
        "another name",
    ),
    "a method that is none": Wrong(
        f"{SHOP}{ROUTE}methods = ['GET', 'PSOT']  # HERE",
        "routes[1].methods[2]",
        "'PSOT'",
        "'POST'",
    ),
    "a header with an underscore": Wrong(
        f"{SHOP}{ROUTE}headers = {{ X_Version = '2' }}  # HERE",
        "routes[1].headers.X_Version",
        "underscore",
        "X-Version",
    ),
    "a header's value as a number": Wrong(
        f"{SHOP}{ROUTE}headers = {{ X-Version = 2 }}  # HERE",
        "routes[1].headers.X-Version",
        "no condition",
        "in quotes",
    ),
    "a kind of auth that is none": Wrong(
        f"{SHOP}{ROUTE}auth = 'sesion'  # HERE", "routes[1].auth", "'sesion'", "'session'"
    ),
    "an identity from nowhere": Wrong(
        f"{SHOP}{ROUTE}accept = ['session', 'keys']  # HERE",
        "routes[1].accept[2]",
        "no identity",
        "'key'",
    ),
    "no identity at all": Wrong(
        f"{SHOP}{ROUTE}accept = []  # HERE", "routes[1].accept", "empty", '["session"]'
    ),
    "a rate that is none": Wrong(
        f"{SHOP}{ROUTE}rate_limit = '600 per minute'  # HERE",
        "routes[1].rate_limit",
        "no rate",
        '"600/minute"',
    ),
    "a limit of nothing": Wrong(
        f"{SHOP}{ROUTE}rate_limit = [{{ burst = 5 }}]  # HERE",
        "routes[1].rate_limit[1].limit",
        "missing",
        'limit = "600/minute"',
    ),
    "a limit without a time": Wrong(
        f"{SHOP}{ROUTE}rate_limit = 600  # HERE",
        "routes[1].rate_limit",
        "600 is not of a kind",
        'rate_limit = "600/minute"',
    ),
    "a limit by nobody": Wrong(
        f"{SHOP}{ROUTE}rate_limit = {{ limit = '5/second', by = 'ip' }}  # HERE",
        "routes[1].rate_limit.by",
        "count by",
        "client",
    ),
    "a part that is not in the path": Wrong(
        f"{SHOP}{ROUTE}strip_prefix = '/shop'  # HERE",
        "routes[1].strip_prefix",
        "does not begin with /shop",
        '"/api/shop"',
    ),
    "a rewrite of parameters": Wrong(
        f"{SHOP}[[routes]]\npath = '/a/{{id}}/*'\nservice = 'shop'\nrewrite_prefix = '/v2'  # HERE",
        "routes[1].rewrite_prefix",
        "{parameters}",
        'strip_prefix = "/a"',
    ),
    "a redirect to nowhere": Wrong(
        "[[routes]]\npath = '/old/*'\nredirect = 'new'  # HERE",
        "routes[1].redirect",
        "no place to go",
        "/new/{path}",
    ),
    "a redirect by what is not there": Wrong(
        "[[routes]]\npath = '/old/{shop}'\nredirect = '/new/{shp}'  # HERE",
        "routes[1].redirect",
        "{shp} is no part",
        "'shop'",
    ),
    "a redirect with a wrong status": Wrong(
        "[[routes]]\npath = '/old'\nredirect = { to = '/new', status = 200 }  # HERE",
        "routes[1].redirect.status",
        "200",
        "301",
    ),
    "an identity header": Wrong(
        f"{SHOP}{ROUTE}request_headers = {{ set = {{ X-User-ID = '1' }} }}  # HERE",
        "routes[1].request_headers.set.X-User-ID",
        "gateway's own",
        "another name",
    ),
    "a header in two lines": Wrong(
        f'{SHOP}{ROUTE}response_headers = {{ add = {{ X-A = "a\\r\\nb" }} }}  # HERE',
        "routes[1].response_headers.add.X-A",
        "line breaks",
        "take them out",
    ),
    "a network that is none": Wrong(
        f"{SHOP}{ROUTE}allow_ips = '10.0.0.0/99'  # HERE",
        "routes[1].allow_ips",
        "no address",
        "10.0.0.0/8",
    ),
    "a mirror of nobody": Wrong(
        f"{SHOP}{ROUTE}mirror = {{ service = 'next', share = 0.5 }}  # HERE",
        "routes[1].mirror.service",
        "no service 'next'",
        "shop",
    ),
    "origins and a wildcard on a route": Wrong(
        f"{SHOP}{ROUTE}[routes.cors]\norigins = ['*', 'https://a.example']  # HERE",
        "routes[1].cors.origins",
        "* and others",
        "alone",
    ),
    "a symmetric algorithm": Wrong(
        "[issuers.corp]\nissuer = 'https://a'\njwks_url = 'https://a/keys'\naudience = 'shop'\n"
        "algorithms = ['HS256']  # HERE",
        "issuers.corp.algorithms[1]",
        "public key",
        "'RS256'",
    ),
    "an issuer without keys": Wrong(
        "[issuers.corp]  # HERE\nissuer = 'https://a'\naudience = 'shop'",
        "issuers.corp.jwks_url",
        "missing",
        "jwks.json",
    ),
    "an issuer called session": Wrong(
        "[issuers.session]  # HERE\nissuer = 'a'\njwks_url = 'https://a/k'\naudience = 'shop'",
        "issuers.session",
        "meaning of its own",
        "another name",
    ),
    "a key instead of its digest": Wrong(
        "[[api_keys]]\nname = 'warehouse'\nsha256 = 'gk_secret'  # HERE",
        "api_keys[1].sha256",
        "no SHA-256",
        "gateline key new",
    ),
    "a key twice": Wrong(
        f"[[api_keys]]\nname = 'a'\nsha256 = '{DIGEST}'\n"
        f"[[api_keys]]\nname = 'b'\nsha256 = '{DIGEST}'  # HERE",
        "api_keys[2].sha256",
        "same key",
        "gateline key new",
    ),
    "a host name in other letters": Wrong(
        "[services.shop]\nurl = 'http://shöp:80'  # HERE",
        "services.shop.url",
        "no address has",
        "xn--shp-tna",
    ),
    "a host with a space": Wrong(
        "[services.shop]\nurl = 'http://my shop:80'  # HERE",
        "services.shop.url",
        "no address has",
        "http://host:port",
    ),
    "a host with an empty part": Wrong(
        "[services.shop]\nurl = 'http://shop..internal'  # HERE",
        "services.shop.url",
        "'shop..internal' is no host name",
        "http://host:port",
    ),
    "a host of a route with an empty part": Wrong(
        f"{SHOP}{ROUTE}hosts = ['*.shop..example']  # HERE",
        "routes[1].hosts[1]",
        "no host name",
        "*.example.com",
    ),
    "a host of a route that is no address": Wrong(
        f"{SHOP}{ROUTE}hosts = ['[:::::]']  # HERE",
        "routes[1].hosts[1]",
        "no host name",
        "api.example.com",
    ),
    "two things called path": Wrong(
        "[[routes]]\nredirect = '/new/{path}'\npath = '/old/{path}/*'  # HERE",
        "routes[1].path",
        "under /* too",
        "another name",
    ),
    "port zero": Wrong(
        "[services.shop]\nurl = 'http://shop:0'  # HERE",
        "services.shop.url",
        "port 0",
        "the service's port",
    ),
    "a socket's path in other letters": Wrong(
        "[services.shop]\nurl = 'unix:///run/shöp.sock'  # HERE",
        "services.shop.url",
        "no address has",
        "unix:///run/sh%C3%B6p.sock",
    ),
    "a socket's path that no system takes": Wrong(
        f"[services.shop]\nurl = 'unix:///{'run' * 40}'  # HERE",
        "services.shop.url",
        "longer than the system takes",
        "at most 107 bytes",
    ),
    "a health check in other letters": Wrong(
        f"{SHOP}health_check = {{ path = '/ü' }}  # HERE",
        "services.shop.health_check.path",
        "no path has",
        '"/%C3%BC"',
    ),
    "a health check without slash": Wrong(
        f"{SHOP}health_check = {{ path = 'livez' }}  # HERE",
        "services.shop.health_check.path",
        "does not start with /",
        '"/livez"',
    ),
    "a health check with a space": Wrong(
        f"{SHOP}health_check = {{ path = '/li vez' }}  # HERE",
        "services.shop.health_check.path",
        "cannot be asked for",
        '"/li%20vez"',
    ),
    "a health check with a fragment": Wrong(
        f"{SHOP}health_check = {{ path = '/livez?deep=1#all' }}  # HERE",
        "services.shop.health_check.path",
        "no query has",
        '"/livez?deep=1%23all"',
    ),
    "a prefix in other letters": Wrong(
        f"{SHOP}prefix = '/ü'  # HERE", "services.shop.prefix", "no path has", '"/%C3%BC"'
    ),
    "a name for TLS that is none": Wrong(
        f"{SHOP}tls = {{ server_name = 'shop:443' }}  # HERE",
        "services.shop.tls.server_name",
        "no host name",
        "without scheme and port",
    ),
    "an authority that is no certificate": Wrong(
        f"{SHOP}tls = {{ ca = 'pyproject.toml' }}  # HERE",
        "services.shop.tls.ca",
        "no PEM file",
        "BEGIN CERTIFICATE",
    ),
    "a client certificate that is none": Wrong(
        f"{SHOP}[services.shop.tls]\nkey = 'pyproject.toml'\ncertificate = 'Makefile'  # HERE",
        "services.shop.tls.certificate",
        "'Makefile' is no PEM file",
        "BEGIN CERTIFICATE",
    ),
    "a certificate of the edge that is none": Wrong(
        "[gateway.tls]\nkey = 'pyproject.toml'\ncertificate = 'Makefile'  # HERE",
        "gateway.tls.certificate",
        "'Makefile' is no PEM file",
        "BEGIN CERTIFICATE",
    ),
    "a variable with a zero byte": Wrong(
        '[services.shop]\napp = "shop:app"\nenv = { A = "\\u0000" }  # HERE',
        "services.shop.env.A",
        "zero byte",
        "take it out",
    ),
    "a size without end": Wrong(
        f"[gateway]\nmax_body = '{'9' * 400}GB'  # HERE", "gateway.max_body", "no size", '"10MB"'
    ),
    "a replacement with a space": Wrong(
        f"{SHOP}{ROUTE}rewrite_prefix = '/a b'  # HERE",
        "routes[1].rewrite_prefix",
        "cannot be asked for",
        '"/a%20b"',
    ),
    "a replacement that climbs": Wrong(
        f"{SHOP}{ROUTE}rewrite_prefix = '/../secret'  # HERE",
        "routes[1].rewrite_prefix",
        "no dot segments",
        '"/secret"',
    ),
    "a leading part in other letters": Wrong(
        f"{SHOP}{ROUTE}strip_prefix = '/ü'  # HERE",
        "routes[1].strip_prefix",
        "no path has",
        '"/%C3%BC"',
    ),
    "a parameter as others write it": Wrong(
        f"{SHOP}[[routes]]\nservice = 'shop'\npath = '/orders/<id>'  # HERE",
        "routes[1].path",
        "cannot stand in a path",
        "{id}",
    ),
    "a rate beyond counting": Wrong(
        f"{SHOP}{ROUTE}rate_limit = '99999999999999999999999999/minute'  # HERE",
        "routes[1].rate_limit",
        "more than can be counted",
        "at most 1000000000",
    ),
    "a role in two lines": Wrong(
        f'{SHOP}{ROUTE}roles = ["a\\nb"]  # HERE',
        "routes[1].roles[1]",
        "nothing that could be said",
        "visible characters",
    ),
    "one condition twice": Wrong(
        f"{SHOP}{ROUTE}headers = {{ X-A = '1', x-a = '2' }}  # HERE",
        "routes[1].headers.x-a",
        "same header as X-A",
        "one of the two",
    ),
    "one header set twice": Wrong(
        f"{SHOP}{ROUTE}response_headers = {{ set = {{ X-A = '1', x-a = '2' }} }}  # HERE",
        "routes[1].response_headers.set.x-a",
        "same header as X-A",
        "one of the two",
    ),
    "answers that differ by everything": Wrong(
        f"{SHOP}{ROUTE}cache = {{ vary = ['*'] }}  # HERE",
        "routes[1].cache.vary[1]",
        "no header",
        "name the headers",
    ),
    "an origin that no browser sends": Wrong(
        f"{SHOP}{ROUTE}cors = {{ origins = ['https://App.example.com:443'] }}  # HERE",
        "routes[1].cors.origins[1]",
        "no browser sends",
        "write https://app.example.com,",
    ),
    "a redirect with an open brace": Wrong(
        "[[routes]]\npath = '/old/*'\nredirect = '/new/{path'  # HERE",
        "routes[1].redirect",
        "a brace",
        '"/new/{path}"',
    ),
    "a redirect with a backslash": Wrong(
        "[[routes]]\npath = '/old'\nredirect = '/\\evil.example'  # HERE",
        "routes[1].redirect",
        "no spaces or other characters",
        '"/%5Cevil.example"',
    ),
    "a redirect to a host in other letters": Wrong(
        "[[routes]]\npath = '/old'\nredirect = 'https://shöp.example/'  # HERE",
        "routes[1].redirect",
        "no spaces or other characters",
        "xn--shp-tna.example",
    ),
    "a redirect to itself": Wrong(
        "[[routes]]\npath = '/old/*'\nredirect = '/old/{path}'  # HERE",
        "routes[1].redirect",
        "leads back to /old/*",
        "another route answers",
    ),
    "a redirect into itself": Wrong(
        "[[routes]]\npath = '/*'\nredirect = '/new/{path}'  # HERE",
        "routes[1].redirect",
        "leads back to /*",
        "another route answers",
    ),
    "redirects in a circle": Wrong(
        "[[routes]]\npath = '/a'\nredirect = '/b'  # HERE\n"
        "[[routes]]\npath = '/b'\nredirect = '/a'",
        "routes[1].redirect",
        "leads back to /a",
        "another route answers",
    ),
    "keys at a port that is none": Wrong(
        "[issuers.corp]\nissuer = 'https://a'\naudience = 'shop'\n"
        "jwks_url = 'https://a:99999/keys'  # HERE",
        "issuers.corp.jwks_url",
        "no address",
        "https://login.example.com/keys",
    ),
    "keys behind a password": Wrong(
        "[issuers.corp]\nissuer = 'https://a'\naudience = 'shop'\n"
        "jwks_url = 'https://user:password@a/keys'  # HERE",
        "issuers.corp.jwks_url",
        "no password",
        "before the @",
    ),
    "keys at an address with a space": Wrong(
        "[issuers.corp]\nissuer = 'https://a'\naudience = 'shop'\n"
        "jwks_url = 'https://a/my keys'  # HERE",
        "issuers.corp.jwks_url",
        "no address has",
        "https://login.example.com/keys",
    ),
    "an issuer without a word": Wrong(
        "[issuers.corp]\njwks_url = 'https://a/keys'\naudience = 'shop'\nissuer = ''  # HERE",
        "issuers.corp.issuer",
        "nothing that could be said",
        "visible characters",
    ),
    "an audience without a word": Wrong(
        "[issuers.corp]\nissuer = 'a'\njwks_url = 'https://a/keys'\naudience = ['']  # HERE",
        "issuers.corp.audience[1]",
        "nothing that could be said",
        "visible characters",
    ),
    "a user type of an issuer in two lines": Wrong(
        "[issuers.corp]\nissuer = 'a'\njwks_url = 'https://a/keys'\naudience = 'shop'\n"
        'roles = { boss = "ad\\nmin" }  # HERE',
        "issuers.corp.roles.boss",
        "cannot stand in a header",
        "shop-admin",
    ),
    "a user type of a key in two lines": Wrong(
        f"[[api_keys]]\nname = 'a'\nsha256 = '{DIGEST}'\nuser_type = \"x\\ny\"  # HERE",
        "api_keys[1].user_type",
        "cannot stand in a header",
        "shop-admin",
    ),
}


def _errors(text: str) -> tuple[FileProblem, ...]:
    try:
        return check(Source.parse(text, Path("gateline.toml"))).errors
    except GatewayFileError as error:
        return error.found


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_mistake_is_named(wrong: Wrong) -> None:
    """File, line, field, what is wrong and what would be right are all in the message."""
    lines = wrong.text.splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "# HERE" in text)

    found = {problem.field: problem for problem in _errors(wrong.text)}

    assert wrong.field in found, list(map(str, found.values()))
    problem = found[wrong.field]
    assert problem.line == line
    assert wrong.message in problem.message
    assert wrong.remedy in problem.remedy
    assert str(problem).startswith(f"gateline.toml:{line}: {wrong.field}: ")


def test_there_are_many() -> None:
    """The table is worth its name."""
    assert len(WRONG) >= 100


def test_all_mistakes_are_named_at_once() -> None:
    """Who mends a file wants to see everything in one go, in the order of its lines."""
    text = f"""[gateway]
platform = 1
{SHOP}timeout = "long"
[[routes]]
path = "/a"
service = "stock"
[[routes]]
path = "b"
service = "shop"
auth = "never"
"""
    found = [(problem.line, problem.field) for problem in _errors(text)]

    assert found == [
        (2, "gateway.platform"),
        (5, "services.shop.timeout"),
        (8, "routes[1].service"),
        (10, "routes[2].path"),
        (12, "routes[2].auth"),
    ]


def test_a_secret_is_not_repeated() -> None:
    """What stands where a digest should be may be the key itself."""
    wrong = WRONG["a key instead of its digest"]

    assert "gk_secret" not in "".join(map(str, _errors(wrong.text)))
