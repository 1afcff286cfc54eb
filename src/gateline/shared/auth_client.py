"""A client for the auth service's service-to-service endpoints.

It repeats what was lost (every one of these calls may be: they state what is, not what changes),
remembers valid tokens for a few seconds, and has bulk forms. Each failure is logged with what was
asked, for whom and how long it took, never with what was sent. It needs no Flask.
"""

import hashlib
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

from gateline.policy.reasons import (
    INTERNAL_ERROR,
    LIMIT_SPENT,
    TOKEN_INVALID,
    UPSTREAM_INVALID,
    UPSTREAM_UNAVAILABLE,
    VALIDATION_FAILED,
    Reason,
)
from gateline.policy.retries import RetryPolicy
from gateline.policy.services import Service, endpoints_at
from gateline.shared.errors import ApiError
from gateline.shared.tokens import MAX_TOKEN_BYTES
from gateline.shared.upstream import Answer, Call, Upstream, UpstreamFailed

if TYPE_CHECKING:
    from gateline.shared.config import Settings

T = TypeVar("T")

MAX_CACHE_SECONDS: Final = 5.0
BULK_LIMIT: Final = 100
_MAX_CACHED: Final = 10_000
_RETRY: Final = RetryPolicy(base=0.25, cap=2.0, statuses=frozenset({429, 502, 503, 504}))
_TIMEOUT: Final = 5.0
_log: Final = logging.getLogger(__name__)


class AuthClientError(ApiError):
    """The auth service did not do what it was asked; a view that lets it pass answers with it.

    `log_level` is how grave it is for whoever runs this service.
    """

    default_reason: ClassVar[Reason] = UPSTREAM_INVALID
    log_level: ClassVar[int] = logging.WARNING


class TokenRejected(AuthClientError):
    """The token is not valid (401): what a client showed, so nobody needs to be told."""

    default_reason = TOKEN_INVALID
    log_level = logging.DEBUG


class ServiceKeyRejected(AuthClientError):
    """Our own service key is wrong: a mistake in our settings, so 500 to our callers."""

    default_reason = INTERNAL_ERROR
    log_level = logging.ERROR


class PayloadRejected(AuthClientError):
    """The auth service refused the data (400); `fields` names what it found wrong."""

    default_reason = VALIDATION_FAILED


class LimitReached(AuthClientError):
    """This service has spent its calls (429)."""

    default_reason = LIMIT_SPENT


class AuthUnavailable(AuthClientError):
    """The auth service could not be reached or gave no usable answer in time (503)."""

    default_reason = UPSTREAM_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class ValidToken:
    """What a valid token says. `exp` and `iat` are seconds since the epoch."""

    user_id: int
    exp: int
    iat: int
    type: str

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """Read the documented answer; raise AuthClientError for anything else."""
        values = {name: found.get(name) for name in cls.__slots__}
        if any(type(value) is not cls.__annotations__[name] for name, value in values.items()):
            raise AuthClientError("The auth service's answer is not the documented one.")
        return cls(**values)  # type: ignore[arg-type] # checked above


class AuthClient:
    """Calls `base_url` with `service_key`. Safe to use from several threads.

    A valid token is remembered for `cache_seconds` (at most 5), never beyond its end; so a
    revocation is seen at most that late. `timeout` bounds a call with all its attempts.
    """

    def __init__(
        self,
        base_url: str,
        service_key: str,
        *,
        timeout: float = _TIMEOUT,
        cache_seconds: float = MAX_CACHE_SECONDS,
        retry: RetryPolicy = _RETRY,
        clock: Callable[[], float] = time.time,
        upstream: Callable[[Service], Upstream] = Upstream,
    ) -> None:
        self._key = service_key
        self._upstream = upstream(
            Service("auth", endpoints_at(base_url), timeout=timeout, retry=retry)
        )
        self._cache = _Cache(min(cache_seconds, MAX_CACHE_SECONDS), clock)

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """Build from JWT_SERVICE_URL and SERVICE_KEY; raise ValueError when one is not set."""
        if not settings.jwt_service_url or not settings.service_key:
            raise ValueError("JWT_SERVICE_URL and SERVICE_KEY are needed to call the auth service")
        return cls(settings.jwt_service_url, settings.service_key)

    def validate_token(self, token: str) -> ValidToken:
        """Return what a valid token says; raise TokenRejected for any other."""
        if not _may_be_token(token):
            raise TokenRejected
        known = self._cache.get(token)
        if known is None:
            known = self._post("validate-token", {"token": token}, ValidToken.read)
            self._cache.put(token, known)
        return known

    def validate_tokens(self, tokens: Sequence[str]) -> list[ValidToken | None]:
        """Return what each token says, None for one that is not valid, in the order given."""
        known = {token: self._cache.get(token) for token in tokens}
        unknown = [token for token, info in known.items() if info is None and _may_be_token(token)]
        for batch in _batches(unknown):
            verdicts = self._post("validate-tokens", {"tokens": batch}, _each(_verdict, len(batch)))
            for token, info in zip(batch, verdicts, strict=True):
                if info is not None:
                    known[token] = info
                    self._cache.put(token, info)
        return [known[token] for token in tokens]

    def sync_session(
        self, user_id: int, session_data: Mapping[str, Any], token: str | None = None
    ) -> None:
        """State how a user's session is; `session_data` as documented."""
        payload: dict[str, Any] = {
            "user_id": user_id,
            "session_data": dict(session_data),
            "timestamp": _now(),
        }
        told = payload if token is None else {**payload, "token": token}
        self._post("sync-session", told, _nothing)

    def sync_user(self, user: Mapping[str, Any]) -> None:
        """State how an account is (`id`, `email` and what else is known)."""
        self._post("sync-user", dict(user), _nothing)

    def sync_users(self, users: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """State how several accounts are; return the outcome of each, in the order given."""
        outcomes: list[dict[str, Any]] = []
        for batch in _batches([dict(user) for user in users]):
            outcomes += self._post("sync-users", {"users": batch}, _each(dict, len(batch)))
        return outcomes

    def revoke_user_sessions(self, user_id: int, reason: str = "user_requested") -> None:
        """End every session of a user, everywhere; this client forgets its tokens at once."""
        try:
            self._post(
                "revoke-user-sessions",
                {"user_id": user_id, "reason": reason, "timestamp": _now()},
                _nothing,
            )
        finally:
            self._cache.forget(user_id)

    def close(self) -> None:
        """Close the idle connections."""
        self._upstream.close()

    def _post(
        self, endpoint: str, payload: Mapping[str, Any], read: Callable[[dict[str, Any]], T]
    ) -> T:
        """Return what `read` finds in the answer; log every failure, and each call's time."""
        began = time.monotonic()
        asked = f"{endpoint} user={payload.get('user_id', payload.get('id', '-'))}"
        try:
            found = read(self._answer(endpoint, payload))
        except AuthClientError as error:
            why = " ".join([error.reason.code, *sorted(error.fields), *_causes(error)])
            _log.log(error.log_level, "%s failed after %d ms: %s", asked, _ms_since(began), why)
            raise
        _log.debug("%s took %d ms", asked, _ms_since(began))
        return found

    def _answer(self, endpoint: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        call = Call(
            "POST",
            f"/api/auth/{endpoint}",
            (
                ("X-Service-Key", self._key),
                ("Content-Type", "application/json"),
                ("Accept", "application/json"),
                ("User-Agent", "gateline"),
            ),
            json.dumps(payload).encode(),
            repeatable=True,
        )
        try:
            answer = self._upstream.call(call)
        except UpstreamFailed as error:
            raise AuthUnavailable(details={"cause": error.reason.code}) from error
        body = _object(answer)
        if answer.status != 200:
            raise _refusal(answer, body)
        return body


class _Cache:
    """Valid tokens of the last few seconds, by hash, at most ten thousand."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[float, ValidToken]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, token: str) -> ValidToken | None:
        with self._lock:
            until, info = self._entries.get(_digest(token), (0.0, None))
            return info if self._clock() < until else None

    def put(self, token: str, info: ValidToken) -> None:
        with self._lock:
            until = min(self._clock() + self._seconds, info.exp)
            key = _digest(token)
            self._entries[key] = (until, info)
            self._entries.move_to_end(key)
            if len(self._entries) > _MAX_CACHED:
                self._entries.popitem(last=False)

    def forget(self, user_id: int) -> None:
        with self._lock:
            for key, (_, info) in list(self._entries.items()):
                if info.user_id == user_id:
                    del self._entries[key]


def _each(
    read: Callable[[dict[str, Any]], T], expected: int
) -> Callable[[Mapping[str, Any]], list[T]]:
    """Return a reader of the results of a bulk call, which must be as many as were asked for."""

    def read_all(body: Mapping[str, Any]) -> list[T]:
        results = body.get("results")
        if not isinstance(results, list) or len(results) != expected:
            raise AuthClientError("The auth service's answer is not the documented one.")
        if not all(isinstance(result, dict) for result in results):
            raise AuthClientError("The auth service's answer is not the documented one.")
        return [read(result) for result in results]

    return read_all


def _verdict(result: Mapping[str, Any]) -> ValidToken | None:
    return ValidToken.read(result) if result.get("valid") is True else None


def _nothing(_: Mapping[str, Any]) -> None:
    """Read nothing: that it was done is all there is to know."""


def _causes(error: AuthClientError) -> list[str]:
    return [
        f"{name}={error.details[name]}" for name in ("cause", "status") if name in error.details
    ]


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000


def _refusal(answer: Answer, body: Mapping[str, Any]) -> AuthClientError:
    message = str(body["message"]) if body.get("message") else None
    details = body.get("details")
    fields = details.get("fields") if isinstance(details, dict) else None
    if answer.status == 400:
        return PayloadRejected(message, fields=fields if isinstance(fields, dict) else None)
    if answer.status == 401:
        return TokenRejected(message)
    if answer.status == 403:
        return ServiceKeyRejected()
    if answer.status == 429:
        retry_after = answer.header("retry-after")
        return LimitReached(message, headers={"Retry-After": retry_after} if retry_after else None)
    if answer.status in _RETRY.statuses:
        return AuthUnavailable()
    return AuthClientError(details={"status": answer.status})


def _object(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body) if isinstance(answer.body, bytes) else None
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    if answer.status == 200:
        raise AuthClientError("The auth service's answer is not a JSON object.")
    return {}


def _may_be_token(token: str) -> bool:
    """Tell whether it is worth asking: what is empty or too long is refused as malformed."""
    return bool(token.strip()) and len(token) <= MAX_TOKEN_BYTES and token.isascii()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _batches(items: list[T]) -> Iterable[list[T]]:
    return (items[start : start + BULK_LIMIT] for start in range(0, len(items), BULK_LIMIT))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
