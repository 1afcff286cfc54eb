"""The configuration file of each contender that has one, as text."""

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contenders import Stage

_PLENTY = 1_000_000


def gateline(stage: "Stage") -> str:
    """Return a gateway file with every policy on."""
    return f"""\
[gateway]
platform = false

[services.doctors]
url = "http://127.0.0.1:{stage.upstream_port}"

[[routes]]
path = "/api/v1/doctors/*"
service = "doctors"
auth = "session"
roles = ["doctor", "institution", "admin"]
rate_limit = {{ limit = "{_PLENTY}/second", burst = {_PLENTY}, by = "route" }}
"""


def gateline_bare(stage: "Stage") -> str:
    """Return a gateway file that only forwards: without a limit, and without access lines."""
    return f"""\
[gateway]
platform = false
access_log = false
rate_limit = false

[services.doctors]
url = "http://127.0.0.1:{stage.upstream_port}"

[[routes]]
path = "/*"
service = "doctors"
auth = "none"
"""


def envoy(stage: "Stage") -> str:
    """Return an Envoy configuration with every policy that the edge has, where Envoy has it."""
    header = json.loads(_decoded(stage.token.split(".")[0]))
    claims = json.loads(_decoded(stage.token.split(".")[1]))
    key = {
        "kty": "oct",
        "alg": "HS256",
        "kid": header.get("kid"),
        "k": base64.urlsafe_b64encode(stage.secret.encode()).rstrip(b"=").decode(),
    }
    claims_to_headers = (
        ("x-user-id", "sub"),
        ("x-user-type", "user_type"),
        ("x-user-email", "email"),
    )
    authn = _filter(
        "envoy.filters.http.jwt_authn",
        "jwt_authn.v3.JwtAuthentication",
        providers={
            "own": {
                "issuer": claims["iss"],
                "forward": True,
                "local_jwks": {"inline_string": json.dumps({"keys": [key]})},
                "payload_in_metadata": "claims",
                "claim_to_headers": [
                    {"header_name": name, "claim_name": claim} for name, claim in claims_to_headers
                ],
            }
        },
        rules=[{"match": {"prefix": "/"}, "requires": {"provider_name": "own"}}],
    )
    limit = _filter(
        "envoy.filters.http.local_ratelimit",
        "local_ratelimit.v3.LocalRateLimit",
        stat_prefix="limit",
        token_bucket={
            "max_tokens": _PLENTY,
            "tokens_per_fill": _PLENTY,
            "fill_interval": "1s",
        },
        filter_enabled={"default_value": {"numerator": 100}},
        filter_enforced={"default_value": {"numerator": 100}},
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
    )
    log = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": _type("access_loggers.file.v3.FileAccessLog"),
            "path": str(stage.folder / "access.log"),
            "log_format": {
                "json_format": {
                    "at": "%START_TIME%",
                    "method": "%REQ(:METHOD)%",
                    "path": "%REQ(:PATH)%",
                    "status": "%RESPONSE_CODE%",
                    "duration_ms": "%DURATION%",
                    "upstream_ms": "%RESPONSE_DURATION%",
                    "route": "%ROUTE_NAME%",
                    "target": "%UPSTREAM_HOST%",
                    "in": "%BYTES_RECEIVED%",
                    "out": "%BYTES_SENT%",
                    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                    "flags": "%RESPONSE_FLAGS%",
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "user": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:sub)%",
                }
            },
        },
    }
    return json.dumps(_envoy(stage, [authn, limit], [log]))


def envoy_bare(stage: "Stage") -> str:
    """Return an Envoy configuration that only forwards."""
    return json.dumps(_envoy(stage, [], []))


def _envoy(stage: "Stage", filters: list[Any], logs: list[Any]) -> dict[str, Any]:
    router = _filter("envoy.filters.http.router", "router.v3.Router")
    manager = {
        "@type": _type("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "edge",
        "generate_request_id": bool(filters),
        "access_log": logs,
        "http_filters": [*filters, router],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "name": "doctors",
                            "match": {"prefix": "/"},
                            "route": {"cluster": "upstream"},
                        }
                    ],
                }
            ]
        },
    }
    listener = {
        "address": _address(stage.port),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address(stage.upstream_port)}}]}
            ],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _filter(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": _type(f"filters.http.{kind}"), **config}}


def _type(name: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{name}"


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def nginx(stage: "Stage") -> str:
    """Return an nginx configuration that only forwards, over kept connections."""
    return f"""\
worker_processes 1;
daemon off;
pid {stage.folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {stage.folder}/body;
    proxy_temp_path {stage.folder}/proxy;
    fastcgi_temp_path {stage.folder}/fastcgi;
    uwsgi_temp_path {stage.folder}/uwsgi;
    scgi_temp_path {stage.folder}/scgi;
    keepalive_requests 10000000;
    upstream target {{
        server 127.0.0.1:{stage.upstream_port};
        keepalive 256;
        keepalive_requests 10000000;
    }}
    server {{
        listen 127.0.0.1:{stage.port};
        location / {{
            proxy_pass http://target;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
        }}
    }}
}}
"""


def haproxy(stage: "Stage") -> str:
    """Return a HAProxy configuration that only forwards."""
    return f"""\
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend front
    bind 127.0.0.1:{stage.port}
    default_backend target
backend target
    server one 127.0.0.1:{stage.upstream_port}
"""


def caddy(stage: "Stage") -> str:
    """Return a Caddyfile that only forwards."""
    return f"""\
{{
    admin off
    auto_https off
    storage file_system {stage.folder}/caddy
}}
http://127.0.0.1:{stage.port} {{
    reverse_proxy 127.0.0.1:{stage.upstream_port}
}}
"""


def traefik(stage: "Stage") -> str:
    """Return Traefik's static configuration, in that part of YAML which is JSON.

    Its routes are written beside it. It is to ask nobody for a newer version.
    """
    routes = {
        "http": {
            "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "target"}},
            "services": {
                "target": {
                    "loadBalancer": {
                        "servers": [{"url": f"http://127.0.0.1:{stage.upstream_port}"}]
                    }
                }
            },
        }
    }
    path = stage.folder / "routes.yaml"
    path.write_text(json.dumps(routes), encoding="utf-8")
    return json.dumps(
        {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "entryPoints": {"front": {"address": f"127.0.0.1:{stage.port}"}},
            "providers": {"file": {"filename": str(path)}},
            "log": {"level": "ERROR"},
        }
    )
