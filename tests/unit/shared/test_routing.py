"""The platform's services and routes."""

from collections.abc import Callable

import pytest

from gateline.policy.identity import USER_TYPES, Identity
from gateline.policy.routes import Route, RouteTable
from gateline.shared.config import Settings
from gateline.shared.routing import platform_routes, platform_services

TABLE = RouteTable(platform_routes())


def route(path: str, method: str = "GET") -> Route:
    """Return the route of a path."""
    found = TABLE.match(method, "localhost", path).route
    assert found is not None
    return found


def identity(user_type: str) -> Identity:
    """Return somebody of a type."""
    return Identity(1, user_type, "a@example.com", "sid", "A", 0, 1, 2, "bearer")


@pytest.mark.parametrize(
    ("path", "service", "auth"),
    [
        ("/", "web", "optional"),
        ("/login", "web", "optional"),
        ("/docs/arquitectura", "web", "optional"),
        ("/patient/dashboard", "web", "optional"),
        ("/admin", "web", "optional"),
        ("/admin/users/ada", "web", "optional"),
        ("/api/web/auth/patient/login", "web", "optional"),
        ("/api/v1/health", "web", "none"),
        ("/api/auth/login", "auth", "none"),
        ("/api/auth/validate-token", "auth", "none"),
        ("/api/v1/auth/validate", "auth", "none"),
        ("/.well-known/jwks.json", "auth", "none"),
        ("/api/health", "api", "none"),
        ("/api/users/me", "api", "session"),
        ("/api/orders", "api", "session"),
        ("/api/orders/order_1", "api", "session"),
        ("/api/v1/doctors", "doctors", "session"),
        ("/api/v1/doctors/", "doctors", "session"),
        ("/api/v1/patients/7/record", "patients", "session"),
        ("/api/v1/institutions/1", "institutions", "session"),
        ("/api/v1/admins/1", "admins", "session"),
        ("/cameras", "events", "none"),
        ("/logs", "events", "none"),
        ("/alerts/count", "events", "none"),
        ("/register", "web", "optional"),
        ("/events", "web", "optional"),
    ],
)
def test_where_paths_lead(path: str, service: str, auth: str) -> None:
    """Every documented path leads to its service with its way to authenticate."""
    found = route(path)

    assert found.destination is not None
    assert (found.destination.service, found.auth) == (service, auth)


def test_customers_register_where_people_read_a_page() -> None:
    """Posting to `/register` goes to the user service, whatever else goes to the web."""
    found = route("/register", "POST")

    assert found.destination is not None
    assert (found.destination.service, found.auth) == ("users", "none")


@pytest.mark.parametrize("path", ["/api", "/api/unknown", "/api/v1/unknown", "/api/authx/login"])
def test_unknown_api_paths_lead_nowhere(path: str) -> None:
    """What no service answers is refused, to anybody, instead of ending up as a page."""
    found = route(path)

    assert found.destination is None
    assert found.auth == "none"


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        ("/api/v1/doctors/1", {"doctor", "institution", "admin"}),
        ("/api/v1/patients/1", {"patient", "doctor", "institution", "admin"}),
        ("/api/v1/institutions/1", {"doctor", "institution", "admin"}),
        ("/api/v1/admins/1", {"admin"}),
        ("/api/v1/me", set()),
        ("/api/orders", set()),
    ],
)
def test_roles(path: str, roles: set[str]) -> None:
    """Domain services admit the documented kinds of account only."""
    assert route(path).roles == roles
    assert roles <= set(USER_TYPES)


@pytest.mark.parametrize(
    ("user_type", "service"),
    [
        ("patient", "patients"),
        ("doctor", "doctors"),
        ("institution", "institutions"),
        ("admin", "admins"),
    ],
)
def test_me_leads_to_ones_own_record(user_type: str, service: str) -> None:
    """`/api/v1/me` goes to the service of one's type, under its own `/me`."""
    found = route("/api/v1/me/dashboard").destination_for(identity(user_type))

    assert found is not None
    assert found.service == service
    assert found.path("/api/v1/me/dashboard") == f"/api/v1/{service}/me/dashboard"
    assert found.path("/api/v1/me") == f"/api/v1/{service}/me"


def test_a_type_without_a_record_has_no_me() -> None:
    """A customer is nobody in the clinic."""
    assert route("/api/v1/me").destination_for(identity("customer")) is None


def test_services_come_from_the_settings(make_settings: Callable[..., Settings]) -> None:
    """Each documented variable names its service; what is not set has no address."""
    services = platform_services(
        make_settings(
            JWT_SERVICE_URL="http://auth:8003",
            DOCTOR_SERVICE_URL="http://doctors:8000/",
            PATIENT_SERVICE_URL="http://patients:8004",
            INSTITUTION_SERVICE_URL="http://institutions:8002",
            ADMIN_SERVICE_URL="http://admins:8006",
            USER_SERVICE_URL="http://users:8001",
            EDGE_PROCESSOR_URL="http://events:8005",
            API_SERVICE_URL="http://api:8007",
        )
    )

    assert {name: service.urls for name, service in services.items()} == {
        "auth": ("http://auth:8003",),
        "jwt": ("http://auth:8003",),
        "doctors": ("http://doctors:8000",),
        "patients": ("http://patients:8004",),
        "institutions": ("http://institutions:8002",),
        "admins": ("http://admins:8006",),
        "users": ("http://users:8001",),
        "events": ("http://events:8005",),
        "web": (),
        "api": ("http://api:8007",),
    }


def test_services_are_patient_as_documented(make_settings: Callable[..., Settings]) -> None:
    """Three attempts from one second, ten seconds in all, and the prefix for domain services."""
    services = platform_services(make_settings())

    assert services["doctors"].timeout == 10
    assert (services["doctors"].retry.attempts, services["doctors"].retry.base) == (3, 1.0)
    assert {name for name, one in services.items() if one.prefix == "/api/v1"} == {
        "doctors",
        "patients",
        "institutions",
        "admins",
    }


def test_every_destination_is_a_service(make_settings: Callable[..., Settings]) -> None:
    """No route leads to a service that does not exist."""
    services = platform_services(make_settings())
    for one in platform_routes():
        for destination in (one.destination, *one.by_user_type.values()):
            assert destination is None or destination.service in services
