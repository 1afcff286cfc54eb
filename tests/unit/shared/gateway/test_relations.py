"""What the check takes for granted of other parts is so."""

from gateline.edge.composition import _OWN
from gateline.edge.sockets.entrance import socket_routes
from gateline.shared.config import Settings
from gateline.shared.gateway.relations import EDGE_PATHS, PLATFORM_PATHS
from gateline.shared.routing import PLATFORM_SERVICES, SAMPLE_SERVICES, platform_services


def test_the_paths_of_the_edge_are_known() -> None:
    """A route of the file that the edge would not have is refused by the check."""
    assert set(EDGE_PATHS) == {f"/{name}" for name in _OWN}
    assert set(PLATFORM_PATHS) == {route.path for route in socket_routes()}


def test_the_services_of_the_platform_are_known() -> None:
    """No service of a file takes the name of one of ours."""
    settings = Settings.load(
        {
            "SECRET_KEY": "a-key-for-tests-that-is-long-enough-for-hs256",
            "DATABASE_URL": "postgresql://nobody@localhost/none",
        }
    )

    assert set(platform_services(settings, samples=False)) == PLATFORM_SERVICES
    assert set(platform_services(settings)) == PLATFORM_SERVICES | SAMPLE_SERVICES
