"""Requests made up from an OpenAPI document, sent to a running platform as every kind of person."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from running_platform import RunningPlatform
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Operation = APIOperation[Any, Any, Any, Any]
Made = Case[Any]

PEOPLE: Final = ("patient", "doctor", "institution", "admin", "customer")
SERVICE: Final = "service"
NOBODY: Final = "nobody"

_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
_SECONDS: Final = 10.0
_FOREIGN_IDS: Final = 10_000
_LISTS: Final = {
    "patient_id": "/api/v1/patients",
    "doctor_id": "/api/v1/doctors",
    "institution_id": "/api/v1/institutions",
    "admin_id": "/api/v1/admins",
    "order_id": "/api/orders",
}
VICTIM: Final = "somebody"


@dataclass
class People:
    """Who sends the requests; whoever was logged out, by whatever was sent, logs in again."""

    platform: RunningPlatform
    password: str
    session: requests.Session = field(default_factory=requests.Session)
    _tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    _known: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def headers(self, who: str) -> dict[str, str]:
        """Return what proves who one is."""
        if who == NOBODY:
            return {}
        if who == SERVICE:
            return {"X-Service-Key": self.platform.service_key()}
        return {"Authorization": f"Bearer {self.tokens(who)['access_token']}"}

    def tokens(self, who: str) -> dict[str, str]:
        """Return the tokens of somebody's session, from a new login when there is none."""
        if who not in self._tokens:
            answer = self.session.post(
                f"{self.platform.url}/api/auth/login", json=self.credentials(who), timeout=_SECONDS
            )
            assert answer.status_code == 200, (who, answer.text)
            self._tokens[who] = answer.json()
        return self._tokens[who]

    def credentials(self, who: str) -> dict[str, str]:
        """Return what somebody logs in with."""
        return {"email": f"{who}@example.com", "password": self.password}

    def known(self, who: str, name: str) -> list[str]:
        """Return ids that somebody sees, by the name that paths give them; asked for once."""
        if (who, name) not in self._known:
            found: list[dict[str, Any]] = []
            if who in PEOPLE:
                self.forget(who)  # its session may have been ended by somebody
                address = f"{self.platform.url}{_LISTS[name]}?limit=50"
                answer = self.session.get(address, headers=self.headers(who), timeout=_SECONDS)
                found = answer.json().get("items", [])
            self._known[who, name] = [item["id"] for item in found]
        return self._known[who, name]

    def make_victim(self) -> None:
        """Make the account to which everything may be done."""
        body = {"username": VICTIM, "password": self.password, "user_type": "customer"}
        address = f"{self.platform.url}/api/auth/admin/users"
        for _ in range(2):
            headers = self.headers("admin")
            answer = self.session.post(address, json=body, headers=headers, timeout=_SECONDS)
            if answer.status_code in (201, 409):
                return
            self.forget("admin")
        raise AssertionError(answer.text)

    def forget(self, who: str) -> None:
        """Let somebody log in anew the next time."""
        self._tokens.pop(who, None)


@dataclass
class Run:
    """Sends cases, checks the answers and keeps what was wrong and how often what was answered."""

    people: People
    wrong: dict[str, str] = field(default_factory=dict)
    statuses: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return sum(self.statuses.values())

    def try_operation(self, operation: Operation, count: int, chosen_by: int) -> None:
        """Send `count` requests of one operation, right and wrong ones, as everybody."""
        people = _who_may(operation)
        if "{username}" in operation.path or "{name}" in operation.path:
            self.people.make_victim()
        done = 0

        @seed(chosen_by)
        @settings(
            max_examples=count,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=_cases(operation), number=st.integers(0, 2**64))
        def send(case: Made, number: int) -> None:
            nonlocal done
            if done < count:
                done += 1
                self._send(case, people[done % len(people)], random.Random(number))

        while done < count:
            before = done
            send()
            assert done > before, f"no request could be made up for {operation.label}"

    def _send(self, case: Made, who: str, chance: random.Random) -> None:
        _make_meaningful(case, who, self.people, chance)
        response = case.call(
            base_url=self.people.platform.url,
            session=self.people.session,
            headers=self.people.headers(who),
            allow_redirects=False,
            timeout=_SECONDS,
        )
        key = (case.operation.label, response.status_code)
        self.statuses[key] = self.statuses.get(key, 0) + 1
        if key == ("POST /api/orders", 201):
            self.people.known(who, "order_id").append(response.json()["id"])
        if who in PEOPLE and (response.status_code == 401 or _ends_a_session(case)):
            self.people.forget(who)
        try:
            case.validate_response(response, checks=_CHECKS)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                what = f"{key[0]} {key[1]} {type(failure).__name__}"
                seen = f"{case.as_curl_command()}\n{response.content[:600]!r}"
                self.wrong.setdefault(what, f"{what} as {who}\n{failure}\n{seen}")


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Return the operations of a document."""
    schema = schemathesis.openapi.from_dict(dict(document))
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def _cases(operation: Operation) -> st.SearchStrategy[Made]:
    """Return valid requests and, where something can be wrong, broken ones."""
    valid = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.body or operation.query or operation.path_parameters):
        return valid
    return st.one_of(valid, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


def _who_may(operation: Operation) -> tuple[str, ...]:
    """Return who tries an operation: mostly those for whom it is, and the others now and then."""
    security = operation.definition.raw.get("security") or [{}]
    if any("serviceKey" in one for one in security):
        return (SERVICE, SERVICE, SERVICE, NOBODY)
    meant = tuple(operation.definition.raw.get("x-user-types") or PEOPLE)
    return (*meant * 2, *PEOPLE, NOBODY)


def _ends_a_session(case: Made) -> bool:
    return "logout" in case.operation.path


def _make_meaningful(case: Made, who: str, people: People, chance: random.Random) -> None:
    """Let half of the requests name things that exist; keep the accounts that are logged in."""
    path, method = case.operation.path, case.operation.method.lower()
    for name in case.path_parameters or {}:
        if chance.random() < 0.8:
            found = _value(name, who, people, chance, method)
            case.path_parameters[name] = found or case.path_parameters[name]
    if isinstance(case.body, dict):
        case.body = _meant(path, case, people, chance) or case.body
        _spare_own_accounts(cast("dict[str, Any]", case.body))


def _meant(path: str, case: Made, people: People, chance: random.Random) -> Any:
    """Return a body that an operation can do something with, now and then."""
    if chance.random() < 0.4:
        return None
    if path.endswith("/login"):
        return _login(case, people, chance)
    if path.endswith(("/validate-token", "/sessions/renew")):
        return {"token": people.tokens(chance.choice(PEOPLE))["access_token"]}
    if path.endswith("/refresh"):
        return {"refresh_token": people.tokens(chance.choice(PEOPLE))["refresh_token"]}
    return None


def _login(case: Made, people: People, chance: random.Random) -> dict[str, str]:
    path = case.operation.path
    words = [*path.split("/"), str((case.path_parameters or {}).get("kind"))]
    if path == "/admin/login":
        return {"username": "admin", "password": people.password}
    if path == "/login":
        return {**people.credentials("doctor"), "user_type": "doctor"}
    kind = next((kind for kind in PEOPLE if kind in words), chance.choice(PEOPLE))
    return people.credentials(kind)


def _value(name: str, who: str, people: People, chance: random.Random, method: str) -> Any:
    """Return what is there for a variable of a path; a deletion spares what comes first."""
    if name == "kind":
        return chance.choice(("patient", "doctor", "institution"))
    if name in ("username", "name"):
        return VICTIM
    if name not in _LISTS:
        return None
    known = people.known(who, name)[5 if method == "delete" else 0 :]
    return chance.choice(known) if known else chance.randint(1, 12) + _FOREIGN_IDS


def _spare_own_accounts(body: dict[str, Any]) -> None:
    users = body.get("users")
    for item in [body, *(users if isinstance(users, list) else [])]:
        if isinstance(item, dict):
            for name in ("id", "user_id"):
                if isinstance(item.get(name), int) and 0 < item[name] < _FOREIGN_IDS:
                    item[name] += _FOREIGN_IDS
