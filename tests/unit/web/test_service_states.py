"""How the control room learns how services are."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateline.policy.reasons import UPSTREAM_REFUSED
from gateline.policy.services import ProbePolicy, Service, endpoints_at
from gateline.shared.errors import ApiError
from gateline.shared.upstream import Answer, Call
from gateline.web.service_states import FRESH_SECONDS, FollowedStates, ServiceStates


class Told:
    """A service that answers as told and counts how often it was asked."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.asked: list[Call] = []
        self.closed = False

    def call(self, call: Call, *, timeout: float | None = None) -> Answer:
        """Answer by the service's address."""
        assert timeout is not None
        self.asked.append(call)
        if "away" in self.service.urls[0]:
            raise ApiError(reason=UPSTREAM_REFUSED)
        if "strange" in self.service.urls[0]:
            return Answer(200, [], b"[1]", None)
        body: dict[str, Any] = {"database": "disconnected", "redis": 3, "version": "9"}
        status = 503 if "unwell" in self.service.urls[0] else 200
        return Answer(status, [], json.dumps(body).encode(), None)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.fixture
def made() -> list[Told]:
    """Give the list of services that were made."""
    return []


def states_of(made: list[Told], now: list[float], **urls: str) -> ServiceStates:
    """Return the states of services at these addresses, with a clock that the test moves."""

    def make(service: Service) -> Told:
        made.append(Told(service))
        return made[-1]

    services = [
        Service(name, endpoints_at(url) if url else (), prefix="/api/v1")
        for name, url in urls.items()
    ]
    return ServiceStates(services, upstream=make, clock=lambda: now[0])


def test_every_state_is_told(made: list[Told]) -> None:
    """Well, unwell, away and strange are told apart; what is not of the promised shape is not."""
    states = states_of(
        made, [0.0], a="http://well", b="http://unwell", c="http://away", d="http://strange", e=""
    ).read()
    assert [(state.name, state.status) for state in states] == [
        ("a", "healthy"),
        ("b", "unhealthy"),
        ("c", "unreachable"),
        ("d", "healthy"),
    ]
    assert (states[0].database, states[0].redis, states[0].version) == ("disconnected", None, "9")


def test_one_address_is_asked_once_and_without_prefix(made: list[Told]) -> None:
    """Services of one process are asked together, at /health itself, and not again and again."""
    states = states_of(made, [0.0], doctors="http://clinic", patients="http://clinic")
    assert [state.name for state in states.read()] == ["doctors", "patients"]
    assert [one.service.prefix for one in made] == [""]
    assert [(call.method, call.target) for call in made[0].asked] == [("GET", "/health")]
    assert made[0].service.retry.attempts == 1


def test_states_are_kept_for_a_moment(made: list[Told]) -> None:
    """Many open pages cost no more probes than one."""
    now = [0.0]
    states = states_of(made, now, a="http://well")
    states.read()
    now[0] = FRESH_SECONDS - 0.1
    states.read()
    assert len(made[0].asked) == 1
    now[0] = FRESH_SECONDS
    states.read()
    assert len(made[0].asked) == 2


def test_nothing_to_ask_is_no_error(made: list[Told]) -> None:
    """Without addresses there are no states; closing reaches every connection."""
    assert states_of(made, [0.0], a="").read() == []
    states = states_of(made, [0.0], a="http://well")
    states.close()
    assert [one.closed for one in made] == [True]


def test_a_stranger_promised_nothing(made: list[Told]) -> None:
    """A service of the gateway file is asked by its health check; any answer but 5xx is well."""

    def make(service: Service) -> Told:
        made.append(Told(service))
        return made[-1]

    services = [
        Service("shop", endpoints_at("http://strange"), probe=ProbePolicy("/up")),
        Service("ill", endpoints_at("http://unwell")),
    ]
    states = ServiceStates(services, strangers={"shop", "ill"}, upstream=make).read()

    assert [(one.name, one.status) for one in states] == [("ill", "unhealthy"), ("shop", "healthy")]
    assert {call.target for one in made for call in one.asked} == {"/up", "/health"}


def test_services_are_those_that_the_files_name_now(tmp_path: Path) -> None:
    """An app that was moved is asked where it is; while a file is wrong nothing changes."""
    file, made = tmp_path / "apps.json", []

    def make() -> ServiceStates | None:
        text = file.read_text() if file.exists() else "http://at-first"
        if text == "wrong":
            return None
        made.append(ServiceStates([Service("shop", endpoints_at(text))], upstream=told.append_to))
        return made[-1]

    class Everything(list[Told]):
        def append_to(self, service: Service) -> Told:
            self.append(Told(service))
            return self[-1]

    told = Everything()
    states = FollowedStates(make, [file, tmp_path / "gateline.toml"])
    assert [state.status for state in states.read()] == ["healthy"]
    for text in ("http://moved", "wrong"):
        file.write_text(text)
        states.read()
        states.read()
    assert len(made) == 2
    assert [(one.service.urls, one.closed) for one in told] == [
        (("http://at-first",), True),
        (("http://moved",), False),
    ]
    states.close()
    assert told[1].closed
