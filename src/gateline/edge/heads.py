"""What the headers of a request say, read once for all requests that send the same.

Clients repeat themselves: of one client most requests differ in the path alone. What can be told
from the headers only is therefore kept with them, and comparing them costs a fraction of reading
them again. Nothing here depends on the gateway's version, on time, or on any other request.
"""

from typing import TYPE_CHECKING, Final

from gateline.policy.admission import host_name, refuse_headers, request_id
from gateline.policy.headers import Headers
from gateline.policy.reasons import Reason

if TYPE_CHECKING:
    from gateline.edge.request_headers import PassedOn

MOST_TOKEN_BYTES: Final = 8192

_BODILESS: Final = (None, b"0")
_MOST: Final = 2048
_MOST_BYTES: Final = 4096


class Head:
    """The headers of a request (names in lower case) and what they say.

    `fields` are the same as a mapping, of several with one name the last. `refusal` is why they
    are refused; only without one are the others valid: `host`, a name, and `offered_id`, a request
    id that is fit to be used. `announces_body` and `has_length` tell of the request's body: in
    HTTP/1.1 it is always announced (RFC 9112, section 6.3). `bearer` is the token of a plain bearer
    authorization; None says nothing. `passed_on` is what was last passed on to a service for these
    headers.
    """

    __slots__ = (
        "announces_body",
        "bearer",
        "fields",
        "has_length",
        "headers",
        "host",
        "offered_id",
        "passed_on",
        "refusal",
    )

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        fields = self.fields = dict(headers)
        self.refusal: Reason | None = refuse_headers(headers, fields)
        self.host = "" if self.refusal is not None else host_name(fields[b"host"])
        self.offered_id = request_id(fields.get(b"x-request-id"))
        length = fields.get(b"content-length")
        self.has_length = length is not None
        self.announces_body = length not in _BODILESS or b"transfer-encoding" in fields
        self.bearer = _bearer(fields.get(b"authorization"))
        self.passed_on: PassedOn | None = None


class Heads:
    """The heads of late, a bounded number of them, and none that is large."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[bytes, bytes], ...], Head] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._known)

    def read(self, headers: Headers) -> Head:
        """Return what these headers say; the list is the head's from now on."""
        key = tuple(headers)
        head = self._known.get(key)
        if head is None:
            head = Head(headers)
            if sum(len(name) + len(value) for name, value in key) <= _MOST_BYTES:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[key] = head
        return head


def _bearer(authorization: bytes | None) -> str | None:
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return None
    token = authorization[7:].strip()
    if not token or len(token) > MOST_TOKEN_BYTES or not token.isascii():
        return None
    return token.decode("ascii")
