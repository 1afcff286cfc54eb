"""The platform's own services and routes, alike for the edge and the Flask-only gateway."""

from typing import TYPE_CHECKING, Final

from gateline.policy.identity import USER_TYPES
from gateline.policy.routes import Authentication, Destination, Route, is_same_claim, shape
from gateline.policy.services import BreakerPolicy, Service, endpoints_at

if TYPE_CHECKING:
    from gateline.shared.config import Settings

DOMAIN_PREFIX: Final = "/api/v1"
PAGES: Final = "pages"
"""The name of the route that answers what no other does."""
UNKNOWN_API: Final = "unknown-api"
"""The name of the route that refuses what no other answers below `/api/`."""

_HOMES: Final = {
    "patient": "patients",
    "doctor": "doctors",
    "institution": "institutions",
    "admin": "admins",
}
"""Which domain service holds the record of an account of this type."""

_DOMAIN_ROLES: Final = {
    "doctors": frozenset({"doctor", "institution", "admin"}),
    "patients": frozenset({"patient", "doctor", "institution", "admin"}),
    "institutions": frozenset({"doctor", "institution", "admin"}),
    "admins": frozenset({"admin"}),
}


PLATFORM_SERVICES: Final = frozenset({"api", "auth", "jwt", "web"})
"""The services that every platform has; `jwt` is another name of `auth`."""

SAMPLE_SERVICES: Final = frozenset({*_DOMAIN_ROLES, "users", "events"})
"""The services of the platform that are there to try it on."""


def platform_services(settings: "Settings", *, samples: bool = True) -> dict[str, Service]:
    """Return the services by name; one without an address has no `urls`. `jwt` is `auth`."""
    addresses = {
        "auth": settings.jwt_service_url,
        "doctors": settings.doctor_service_url,
        "patients": settings.patient_service_url,
        "institutions": settings.institution_service_url,
        "admins": settings.admin_service_url,
        "users": settings.user_service_url,
        "events": settings.edge_processor_url,
        "web": settings.web_service_url,
        "api": settings.api_service_url,
    }
    services = {
        name: Service(
            name=name,
            endpoints=endpoints_at(address) if address else (),
            timeout=settings.upstream_timeout,
            prefix=DOMAIN_PREFIX if name in _DOMAIN_ROLES else "",
            breaker=BreakerPolicy() if settings.upstream_breaker else None,
        )
        for name, address in addresses.items()
        if samples or name not in SAMPLE_SERVICES
    }
    return {**services, "jwt": services["auth"]}


def platform_routes(*, samples: bool = True) -> tuple[Route, ...]:
    """Return the routes of the platform; its own health is the gateway's business, not a route."""
    shown = (*_domain_routes(), _me_route(), *_retail_routes()) if samples else ()
    return (*_auth_routes(), *_api_routes(), *shown, *_web_routes())


def beside(own: tuple[Route, ...], *, samples: bool) -> tuple[Route, ...]:
    """Return routes of one's own and those of the platform whose place none of them takes."""
    by_shape: dict[str, list[Route]] = {}
    for route in own:
        by_shape.setdefault(shape(route.path), []).append(route)
    kept = [
        route
        for route in platform_routes(samples=samples)
        if not any(is_same_claim(route, other) for other in by_shape.get(shape(route.path), ()))
    ]
    # Who answers everything also answers what would be refused below /api/ only for being unknown.
    if not any(route.name == PAGES for route in kept):
        kept = [route for route in kept if route.name != UNKNOWN_API]
    return (*own, *kept)


def _auth_routes() -> tuple[Route, ...]:
    return (
        _open("auth", "/api/auth/*", "auth"),
        _open("auth-v1", "/api/v1/auth/*", "auth"),
        _open("jwks", "/.well-known/jwks.json", "auth"),
    )


def _api_routes() -> tuple[Route, ...]:
    return (
        _open("api-health", "/api/health", "api"),
        Route("users", "/api/users/*", Destination("api")),
        Route("orders", "/api/orders/*", Destination("api")),
        Route(UNKNOWN_API, "/api/*", None, auth="none"),
    )


def _domain_routes() -> tuple[Route, ...]:
    return tuple(
        Route(name, f"{DOMAIN_PREFIX}/{name}/*", Destination(name), roles=roles)
        for name, roles in _DOMAIN_ROLES.items()
    )


def _me_route() -> Route:
    """Send `/api/v1/me` to one's own record; a type without one is nobody's (`no_route`)."""
    own = f"{DOMAIN_PREFIX}/me"
    return Route(
        "me",
        f"{own}/*",
        None,
        by_user_type={
            user_type: Destination(home, replace=(own, f"{DOMAIN_PREFIX}/{home}/me"))
            for user_type, home in _HOMES.items()
            if user_type in USER_TYPES
        },
    )


def _retail_routes() -> tuple[Route, ...]:
    """Return what the shop shows to everybody; the page at `/register` is the web service's."""
    shown = (("cameras", "/cameras"), ("events", "/logs"), ("alerts", "/alerts/*"))
    return (
        Route(
            *("customers", "/register", Destination("users")),
            methods=frozenset({"POST"}),
            auth="none",
        ),
        *(Route(name, path, Destination("events"), auth="none") for name, path in shown),
    )


def _web_routes() -> tuple[Route, ...]:
    return (
        _open("web-health", "/api/v1/health", "web"),
        _open("web-api", "/api/web/*", "web", "optional"),
        _open("admin", "/admin/*", "web", "optional"),
        _open(PAGES, "/*", "web", "optional"),
    )


def _open(name: str, path: str, service: str, auth: Authentication = "none") -> Route:
    """Return a route that the anonymous may take; these services set or read the cookie."""
    return Route(name, path, Destination(service), auth=auth, share_cookie=True)
