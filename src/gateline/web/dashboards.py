"""Dashboards: which calls each is made of, and how they are put together.

Calls are made one after the other under one deadline, and a service that did not answer is not
asked again for the same page: a dashboard shows what there is, soon, and says what is missing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from gateline.policy.reasons import UPSTREAM_INVALID
from gateline.shared.errors import ApiError
from gateline.web.navigation import Kind
from gateline.web.schemas import PartFailure

WHOLE_SECONDS: Final = 6.0
"""How long a person waits for a dashboard at most."""

CALL_SECONDS: Final = 3.0
"""How long one call may take."""

_LEAST_SECONDS: Final = 0.2
_AWAY: Final = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Call:
    """Who is asked, and for what."""

    service: str
    path: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a dashboard: its name, the call it comes from and which member of the answer.

    Several parts may come from one call, which is then made once. A part that `may_be_empty` is
    `{}` when the service has nothing for it.
    """

    name: str
    call: Call
    member: str = ""
    is_list: bool = False
    may_be_empty: bool = False


Fetch = Callable[[Call, float], Any]
"""Return the JSON of a call within so many seconds, or raise ApiError."""


def _overview(service: str) -> Call:
    return Call(service, f"/api/v1/{service}/me/dashboard")


def _own(service: str, *lists: tuple[str, str]) -> tuple[Part, ...]:
    overview = _overview(service)
    return (
        Part("profile", Call(service, f"/api/v1/{service}/me")),
        Part("figures", overview, "figures"),
        *(Part(name, overview, member, is_list=True) for name, member in lists),
    )


def _newest(service: str) -> Part:
    call = Call(service, f"/api/v1/{service}", (("limit", "6"), ("sort", "-created_at")))
    return Part(service, call, "items", is_list=True)


_APPOINTMENTS: Final = ("appointments", "upcoming_appointments")
_ENTRIES: Final = ("entries", "recent_entries")

PARTS: Final[Mapping[Kind, tuple[Part, ...]]] = MappingProxyType(
    {
        "patient": (
            *_own("patients", _APPOINTMENTS, ("care_team", "care_team"), _ENTRIES),
            Part("vitals", _overview("patients"), "latest_vitals", may_be_empty=True),
        ),
        "doctor": (
            *_own("doctors", ("today", "today"), _APPOINTMENTS, _ENTRIES),
            _newest("patients"),
        ),
        "institution": (
            *_own("institutions", _APPOINTMENTS, ("specialties", "specialties")),
            _newest("doctors"),
            _newest("patients"),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Composed:
    """The parts that could be had (the others are None) and why the others could not."""

    parts: Mapping[str, Any]
    errors: Mapping[str, PartFailure]
    first_failure: ApiError | None

    @property
    def empty(self) -> bool:
        """Tell that not one part could be had."""
        return all(value is None for value in self.parts.values())


def compose(kind: Kind, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> Composed:
    """Fetch every part of a dashboard.

    A refusal for want of a session (401) is raised, because it holds for all of them; any other
    failure is kept with its part.
    """
    calls = _Calls(fetch, clock)
    parts: dict[str, Any] = {}
    failures: dict[str, ApiError] = {}
    for part in PARTS[kind]:
        parts[part.name] = None
        try:
            parts[part.name] = _member(part, calls.answer(part.call))
        except ApiError as failure:
            if failure.status == HTTPStatus.UNAUTHORIZED:
                raise
            failures[part.name] = failure
    return Composed(
        parts,
        {name: describe(failure) for name, failure in failures.items()},
        next(iter(failures.values()), None),
    )


class _Calls:
    """The calls of one dashboard: each made once, none to a service that was found to be away."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._deadline = clock() + WHOLE_SECONDS
        self._answers: dict[Call, Any] = {}
        self._away: dict[str, ApiError] = {}

    def answer(self, call: Call) -> Any:
        if call.service in self._away:
            raise self._away[call.service]
        if call not in self._answers:
            self._answers[call] = self._ask(call)
        return self._answers[call]

    def _ask(self, call: Call) -> Any:
        seconds = max(_LEAST_SECONDS, min(CALL_SECONDS, self._deadline - self._clock()))
        try:
            return self._fetch(call, seconds)
        except ApiError as failure:
            if failure.status in _AWAY:
                self._away[call.service] = failure
            raise


def describe(failure: ApiError) -> PartFailure:
    """Say for a program and for a person why a part is missing."""
    return PartFailure(status=failure.status, reason=failure.reason.code, message=failure.message)


def _member(part: Part, answer: Any) -> Any:
    """Return the part's member of an answer; one of another shape than promised makes no sense."""
    if part.member and isinstance(answer, dict):
        answer = answer.get(part.member)
    if answer is None and part.may_be_empty:
        return {}
    if isinstance(answer, list if part.is_list else dict):
        return answer
    raise UnusableAnswer


class UnusableAnswer(ApiError):
    """A service answered with something that is not what it promised (502)."""

    def __init__(self) -> None:
        super().__init__(reason=UPSTREAM_INVALID)
