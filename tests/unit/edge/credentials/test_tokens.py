"""Tokens of an outside issuer are believed when one of its keys has signed them, and only then."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from joserfc.jwk import RSAKey
from outside_tokens import CORP, KEYS, claims, key_set, sign

from gateline.edge.credentials.key_set import FetchFailed, KeySet
from gateline.edge.credentials.tokens import OutsideTokens, TokenNotBelieved, claimed_issuer
from gateline.policy.reasons import ISSUER_UNAVAILABLE, TOKEN_EXPIRED, TOKEN_INVALID, Reason


class Clock:
    """Epoch seconds that the test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return time.time() + self.ahead


def _tokens(document: bytes, clock: Callable[[], float] = time.time) -> OutsideTokens:
    async def fetch(_: str) -> bytes:
        if not document:
            raise FetchFailed("away")
        return document

    return OutsideTokens(
        CORP, KeySet("http://keys", fetch, cooldown=30.0, clock=time.monotonic), clock=clock
    )


def _reason(token: str, tokens: OutsideTokens | None = None) -> Reason:
    async def scenario() -> Reason:
        with pytest.raises(TokenNotBelieved) as refused:
            await (tokens or _tokens(key_set())).believe(token)
        return refused.value.reason

    return asyncio.run(scenario())


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _forged(header: dict[str, object], secret: bytes = b"") -> str:
    """Return a token with a header of the forger's choice, signed with a secret or not at all."""
    head, content = (_encoded(json.dumps(one).encode()) for one in (header, claims()))
    signed = f"{head}.{content}"
    signature = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
    return f"{signed}.{_encoded(signature)}"


@pytest.mark.parametrize("kid", list(KEYS))
def test_each_kind_of_key_verifies(kid: str) -> None:
    """RSA, elliptic curve and Edwards curve, with and without the key's name in the token."""

    async def scenario() -> None:
        tokens = _tokens(key_set())
        for named in (kid, None):
            bearer = await tokens.believe(sign(claims(), kid, kid=named))
            assert bearer.identity.user_id == "00u1a"

    asyncio.run(scenario())


def test_a_service_is_told_who_asks_and_who_says_so() -> None:
    """The identity headers, and the token for services that look themselves."""

    async def scenario() -> None:
        token = sign(claims())
        bearer = await _tokens(key_set()).believe(token)

        assert bearer.headers == [
            (b"authorization", b"Bearer " + token.encode()),
            (b"x-user-id", b"00u1a"),
            (b"x-user-type", b"customer"),
            (b"x-user-email", b"kim@example.com"),
            (b"x-user-issuer", b"corp"),
        ]

    asyncio.run(scenario())


def test_an_unsigned_token_is_refused() -> None:
    """`alg: none` (CVE-2015-9235)."""
    assert _reason(_forged({"alg": "none", "kid": "rsa"})) is TOKEN_INVALID


def test_a_public_key_is_no_secret_to_sign_with() -> None:
    """HS256 with the published key as the secret: algorithm confusion (CVE-2016-5431)."""
    key = KEYS["rsa"][1]
    assert isinstance(key, RSAKey)
    secret = key.as_pem(private=False)

    assert _reason(_forged({"alg": "HS256", "kid": "rsa"}, secret)) is TOKEN_INVALID


def test_a_token_brings_no_key_of_its_own() -> None:
    """A `jwk` in the header verifies nothing (CVE-2018-0114)."""
    own = KEYS["ec"][1].as_dict(private=False)
    genuine = sign(claims())
    head = {"alg": "ES256", "jwk": own}
    token = ".".join([_encoded(json.dumps(head).encode()), *genuine.split(".")[1:]])

    assert _reason(token, _tokens(key_set("rsa"))) is TOKEN_INVALID


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB"),
        lambda token: token.rsplit(".", 1)[0] + ".",
        lambda token: token + ".x",
        lambda _: "a.b.c",
        lambda _: "..",
        lambda _: "",
    ],
)
def test_a_spoilt_token_is_refused(spoil: Callable[[str], str]) -> None:
    """Another signature, none, or no token at all."""
    assert _reason(spoil(sign(claims()))) is TOKEN_INVALID


@pytest.mark.parametrize("header", [{"kid": "unknown"}, {"kid": 7}, {"crit": ["exp"], "exp": 1}])
def test_a_header_that_is_not_understood_is_refused(header: dict[str, object]) -> None:
    """A key that nobody has, a name that is none, an extension that must be understood."""
    head = json.dumps({"alg": "ES256", "kid": "ec", **header})
    genuine = sign(claims())

    assert _reason(".".join([_encoded(head.encode()), *genuine.split(".")[1:]])) is TOKEN_INVALID


def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    """What the key set says of a key goes for the token as well."""
    document = json.loads(key_set("ec"))
    document["keys"][0]["alg"] = "ES384"

    assert _reason(sign(claims()), _tokens(json.dumps(document).encode())) is TOKEN_INVALID


def test_an_expired_token_says_so() -> None:
    """The client can tell that it needs a new one."""
    now = int(time.time())

    assert _reason(sign(claims(exp=now - 1))) is TOKEN_EXPIRED


def test_without_keys_it_is_not_the_clients_fault() -> None:
    """The issuer is away and nothing is known: 503, not 401."""
    assert _reason(sign(claims()), _tokens(b"")) is ISSUER_UNAVAILABLE


def test_a_known_token_is_not_verified_again_until_its_end() -> None:
    """Memory ends with the token, with a minute, and with the key set."""

    async def scenario() -> None:
        clock = Clock()
        tokens = _tokens(key_set(), clock)
        token = sign(claims(exp=int(time.time()) + 20))
        now = asyncio.get_running_loop().time()
        assert tokens.recall(token, now) is None
        bearer = await tokens.believe(token)

        assert tokens.recall(token, now + 5) is bearer
        assert tokens.recall(token, now + 21) is None
        clock.ahead = 30.0
        with pytest.raises(TokenNotBelieved):
            await tokens.believe(token)
        tokens._keys.version += 1
        assert tokens.recall(token, now + 5) is None

    asyncio.run(scenario())


def test_only_agreed_algorithms_are_taken() -> None:
    """A key of the set is not enough: the file says how tokens are signed."""

    async def fetch(_: str) -> bytes:
        return key_set()

    issuer = replace(CORP, algorithms=("RS256",))
    keys = KeySet("http://keys", fetch, cooldown=30.0, clock=time.monotonic)

    assert _reason(sign(claims(), "ec"), OutsideTokens(issuer, keys)) is TOKEN_INVALID


@pytest.mark.parametrize(
    ("token", "issuer"),
    [
        (sign(claims()), "https://login.example.com/"),
        (sign({"sub": "a"}), None),
        ("a.b", None),
        ("a.W10.c", None),
        ("a.\u00e9.c", None),
        (f"a.{'A' * 9000}.c", None),
    ],
)
def test_whom_a_token_says_it_is_from(token: str, issuer: str | None) -> None:
    """Read without believing it, from what may be anything."""
    assert claimed_issuer(token) == issuer
