"""A gateway file: what may stand in it, and what holds for all requests.

The JSON Schema for editors and the reference are made from these classes and those of
`service_model` and `route_model`: each setting has a sentence and, where the default does not tell,
an example.
"""

from typing import Annotated

from pydantic import Field

from gateline.shared.gateway import address_fields, fields
from gateline.shared.gateway.plan import MOST_HEADERS
from gateline.shared.gateway.route_model import Limits, OneLimit, RouteEntry
from gateline.shared.gateway.service_model import ServiceEntry
from gateline.shared.gateway.tables import LIST, Table, setting


class TlsEntry(Table):
    """`[gateway.tls]`: what the edge shows to clients."""

    certificate: str = setting(..., "PEM file of the certificate chain.", "tls/edge.pem")
    key: str = setting(..., "PEM file of its key.", "tls/edge.key")
    http2: bool = setting(True, "Whether HTTP/2 is offered besides HTTP/1.1.")


class BudgetEntry(Table):
    """`[gateway.retry_budget]`: how many retries all services together may cause."""

    share: fields.Share = setting(0.2, "Retries as a share of a service's active requests.")
    least: Annotated[int, Field(ge=0)] = setting(3, "Retries that may always run at once.")


class GatewayEntry(Table):
    """`[gateway]`: what holds for all requests."""

    allowed_hosts: Annotated[list[address_fields.Host], LIST] = setting(
        [], "Host names that are answered; none: any. ALLOWED_HOSTS wins.", ["api.example.com"]
    )
    cors_origins: Annotated[list[address_fields.Origin], LIST] = setting(
        [],
        "Origins whose pages may call with credentials; `*`: any, without. CORS_ORIGINS wins.",
        ["https://app.example.com"],
    )
    trusted_proxies: Annotated[list[address_fields.NetworkText], LIST] = setting(
        [],
        "Proxies in front whose X-Forwarded-*, else Forwarded, counts. EDGE_TRUSTED_PROXIES wins.",
        ["10.0.0.0/8"],
    )
    platform: bool = setting(True, "Whether accounts, API, pages and control room are served.")
    samples: bool = setting(False, "Whether the sample services, clinic and shop, are served.")
    max_body: fields.Size | None = setting(
        None, "Largest request body. MAX_BODY_BYTES wins, and is 10 MiB when neither says.", "1MB"
    )
    max_header_count: Annotated[int, Field(ge=1, le=1000)] = setting(
        MOST_HEADERS, "Most headers of a request; over HTTP/1.1 never more than 100.", 50
    )
    rate_limit: Limits | None = setting(
        None,
        "How many requests a route takes that says nothing of limits; `false` (or `none`): any "
        "number. RATE_LIMIT_DEFAULT wins, and is 600/minute for each client when neither says.",
        {"limit": "600/minute", "by": "user"},
    )
    server_timing: bool = setting(False, "Whether every answer says in Server-Timing what took.")
    access_log: bool = setting(True, "Whether every request gets a line in the log.")
    security_headers: bool = setting(
        True, "Whether the edge adds security headers where a service says none."
    )
    tls: TlsEntry | None = setting(None, "Certificate and key; none: plain HTTP.")
    retry_budget: BudgetEntry = setting(BudgetEntry(), "How many retries there may be.")


class IssuerEntry(Table):
    """`[issuers.NAME]`: somebody else whose tokens are believed on routes that accept NAME."""

    issuer: fields.Text = setting(..., "The tokens' `iss`.", "https://login.example.com/")
    jwks_url: address_fields.WebUrl = setting(
        ..., "Where its keys are.", "https://login.example.com/.well-known/jwks.json"
    )
    audience: Annotated[list[fields.Text], Field(min_length=1), LIST] = setting(
        ..., "One of these is the tokens' `aud`.", ["shop"]
    )
    algorithms: Annotated[list[fields.Algorithm], Field(min_length=1), LIST] = setting(
        ["RS256", "ES256", "EdDSA"], "How tokens may be signed."
    )
    user_id: fields.Text = setting("sub", "Claim with the user's id.")
    email: str = setting("email", "Claim with the address.")
    user_type: str = setting("user_type", "Claim with the role; a dot descends.")
    roles: dict[str, fields.UserType] = setting(
        {}, "User type for each value of that claim; none: as it is.", {"shop-admin": "admin"}
    )
    cooldown: fields.Duration = setting(30.0, "Least time between two looks at its keys.")


class ApiKeyEntry(Table):
    """`[[api_keys]]`: a client known by its X-API-Key, on routes that accept `key`."""

    name: fields.Name = setting(..., "Who it is.", "warehouse")
    sha256: fields.Digest = setting(
        ..., "Digest of the key, as `gateline key new` prints it.", "0" * 64
    )
    user_type: fields.UserType = setting("service", "What `roles` of a route compare with.")
    rate_limit: OneLimit | None = setting(None, "How many requests it may make.", "600/minute")


class GatewayFile(Table):
    """A gateway file: services, and the routes that lead to them."""

    gateway: GatewayEntry = setting(GatewayEntry(), "What holds for all requests.")
    services: dict[fields.Name, ServiceEntry] = setting({}, "Who answers.")
    routes: list[RouteEntry] = setting([], "What happens to the requests for a path.")
    issuers: dict[fields.Name, IssuerEntry] = setting({}, "Others whose tokens are believed.")
    api_keys: list[ApiKeyEntry] = setting([], "Clients with a key of their own.")
