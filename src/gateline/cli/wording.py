"""How routes, limits and services read on a terminal."""

from collections.abc import Collection

from gateline.policy.gcra import LimitRule
from gateline.policy.retries import RetryPolicy
from gateline.policy.routes import Route
from gateline.policy.services import Service

_UNITS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}
_BY = {
    "client": "client address",
    "user": "account",
    "service_key": "service key",
    "route": "everybody together",
}
_BALANCE = {
    "least_requests": "the less busy of two",
    "round_robin": "in turn",
}


def limit_text(rule: LimitRule) -> str:
    """Return a limit: how much, of whom, how much at once."""
    unit = _UNITS.get(rule.limit.seconds, f"{rule.limit.seconds} seconds")
    by = f"header {rule.header.decode('latin-1')}" if rule.by == "header" else _BY[rule.by]
    return f"{rule.limit.requests}/{unit} by {by}, {rule.burst} at once"


def target_text(route: Route) -> str:
    """Return where a route leads: a service, the edge itself, another address, nowhere."""
    if route.redirect is not None:
        return f"{route.redirect.status} {route.redirect.to}"
    if route.destination is None:
        if route.by_user_type:
            return "by kind of account"
        return "nowhere (404)"
    service = route.destination.service
    return "the edge itself" if service.startswith("edge:") else service


def who_text(route: Route) -> str:
    """Return who may take a route."""
    if route.auth == "none":
        return "anybody"
    if route.roles:
        return names(route.roles)
    return "anybody, known or not" if route.auth == "optional" else "any account"


def service_text(service: Service) -> str:
    """Return where a service is and how a target of several is chosen."""
    places = [
        f"{one.url} (weight {one.weight})" if one.weight != 1 else one.url
        for one in service.endpoints
    ]
    if not places:
        return f"{service.app.target}, not served yet" if service.app else "no address is known"
    if len(places) == 1:
        return places[0]
    how = _BALANCE.get(service.balance, f"by hash of {service.hash_on}")
    return f"{', '.join(places)} ({how})"


def retry_text(policy: RetryPolicy) -> str:
    """Return how often a request may be sent."""
    return f"{policy.attempts} attempts" if policy.attempts != 1 else "1 attempt"


def seconds_text(seconds: float) -> str:
    """Return a number of seconds without needless digits."""
    return f"{seconds:g} s"


def size_text(size: int) -> str:
    """Return a number of bytes in the largest unit that keeps it whole.

    >>> size_text(2_000_000), size_text(10 * 1024 * 1024), size_text(1)
    ('2 MB', '10 MiB', '1 bytes')
    """
    for base, units in ((1000, ("GB", "MB", "kB")), (1024, ("GiB", "MiB", "KiB"))):
        for power, unit in zip((3, 2, 1), units, strict=True):
            if size % base**power == 0 and size:
                return f"{size // base**power} {unit}"
    return f"{size} bytes"


def names(several: Collection[str]) -> str:
    """Return names in their order, separated by commas."""
    return ", ".join(sorted(several))
