"""Tokens: what is believed, what is not, and how keys rotate."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from gateline.policy.reasons import TOKEN_EXPIRED, TOKEN_INVALID, TOKEN_TYPE_WRONG
from gateline.shared.config import Settings
from gateline.shared.tokens import (
    MAX_TOKEN_BYTES,
    SigningKey,
    TokenRefused,
    Tokens,
    keys_from_settings,
)

NOW = 1_800_000_000.0
SECRET = "the-secret-of-these-tests-0123456789"


def make(*keys: SigningKey, now: float = NOW, audience: str = "gateline") -> Tokens:
    """Return tokens with a clock that stands still."""
    chosen = keys or (SigningKey.from_secret(SECRET),)
    return Tokens(chosen, issuer="gateline", audience=audience, clock=lambda: now)


def issue(tokens: Tokens, kind: str = "access", seconds: int = 1800) -> str:
    """Return a token for a doctor."""
    return tokens.issue(kind, 5, "doctor@example.com", "doctor", "sid-1", seconds)[0]


def forge(header: dict[str, Any], claims: dict[str, Any], key: Key | None = None) -> str:
    """Return a token made by hand, signed where a key is given."""
    if key is not None:
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims without looking at the signature."""
    segment = token.split(".")[1]
    found: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    )
    return found


def header_of(token: str) -> dict[str, Any]:
    """Return the header."""
    segment = token.split(".", maxsplit=1)[0]
    found: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    )
    return found


def test_an_issued_token_verifies() -> None:
    """What is issued comes back with every documented claim."""
    tokens = make()
    token, claims = tokens.issue("access", 5, "doctor@example.com", "doctor", "sid-1", 1800)

    assert tokens.verify(token) == claims
    assert claims_of(token) == {
        "user_id": 5,
        "sub": "5",
        "email": "doctor@example.com",
        "user_type": "doctor",
        "type": "access",
        "iat": int(NOW),
        "exp": int(NOW) + 1800,
        "jti": claims.jti,
        "sid": "sid-1",
        "iss": "gateline",
        "aud": "gateline",
    }


def test_two_tokens_of_one_second_differ() -> None:
    """Two logins at the same moment are two tokens."""
    tokens = make()

    assert issue(tokens) != issue(tokens)


def test_any_changed_character_is_refused() -> None:
    """No character of a token can be changed, but for padding bits that carry nothing."""
    tokens = make()
    token = issue(tokens)
    signature = token.rindex(".")

    for position in (*range(0, signature, 7), signature + 1, len(token) - 2):
        other = "A" if token[position] != "A" else "B"
        with pytest.raises(TokenRefused):
            tokens.verify(token[:position] + other + token[position + 1 :])


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_an_unsigned_token_is_refused(algorithm: str) -> None:
    """`alg: none` in any spelling is refused (CVE-2015-9235)."""
    tokens = make()
    header = {"alg": algorithm, "kid": header_of(issue(tokens))["kid"]}

    with pytest.raises(TokenRefused) as refused:
        tokens.verify(forge(header, claims_of(issue(tokens))))
    assert refused.value.reason is TOKEN_INVALID


def test_the_token_does_not_choose_the_algorithm() -> None:
    """HS512 with the right secret is refused where HS256 is pinned."""
    tokens = make()
    header = {**header_of(issue(tokens)), "alg": "HS512"}
    key = OctKey.import_key(SECRET.encode())

    with pytest.raises(TokenRefused):
        tokens.verify(forge(header, claims_of(issue(tokens)), key))


def test_a_public_key_is_no_shared_secret() -> None:
    """A token signed by HMAC with the RSA public key is refused (CVE-2016-5431)."""
    key = RSAKey.generate_key(2048)
    tokens = make(SigningKey.from_jwk(dict(key.as_dict(private=True)), "RS256"))
    good = issue(tokens)
    secret = OctKey.import_key(b"0" * 16 + key.as_der(private=False))
    header = {**header_of(good), "alg": "HS256"}

    with pytest.raises(TokenRefused):
        tokens.verify(forge(header, claims_of(good), secret))


def test_a_key_in_the_header_is_not_used() -> None:
    """A token that brings its own key (`jwk`) is refused (CVE-2018-0114)."""
    tokens = make()
    own = OctKey.import_key(b"the-attackers-own-key-0123456789")
    header = {**header_of(issue(tokens)), "jwk": own.as_dict(private=True)}

    with pytest.raises(TokenRefused):
        tokens.verify(forge(header, claims_of(issue(tokens)), own))


@pytest.mark.parametrize("kid", ["../../dev/null", "", "unknown", 5, None, ["a"], {"a": 1}])
def test_an_unknown_key_id_is_refused(kid: Any) -> None:
    """A `kid` is a name to look up and nothing else."""
    tokens = make()
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}

    with pytest.raises(TokenRefused):
        tokens.verify(forge(header, claims_of(issue(tokens))) + "AAAA")


def test_a_token_without_key_id_means_the_current_key() -> None:
    """A token of another library that shares the secret, but names no key, is believed."""
    tokens = make()
    key = OctKey.import_key(SECRET.encode())

    assert tokens.verify(forge({"alg": "HS256"}, claims_of(issue(tokens)), key)).user_id == 5


def test_issuer_and_audience_are_pinned() -> None:
    """A token for another platform, signed with the same key, is refused."""
    other_audience = issue(make(audience="elsewhere"))
    key = OctKey.import_key(SECRET.encode())
    claims = {**claims_of(issue(make())), "iss": "elsewhere"}

    for token in (other_audience, forge({"alg": "HS256"}, claims, key)):
        with pytest.raises(TokenRefused) as refused:
            make().verify(token)
        assert refused.value.reason is TOKEN_INVALID


def test_an_expired_token_is_told_apart() -> None:
    """A token ends with the second that `exp` names."""
    token = issue(make(), seconds=60)

    assert make(now=NOW + 59.9).verify(token).user_id == 5
    with pytest.raises(TokenRefused) as refused:
        make(now=NOW + 60).verify(token)
    assert refused.value.reason is TOKEN_EXPIRED
    assert refused.value.status == 401


def test_the_type_is_pinned() -> None:
    """A refresh token is no access token, and the other way round."""
    tokens = make()

    with pytest.raises(TokenRefused) as refused:
        tokens.verify(issue(tokens, "refresh"))
    assert refused.value.reason is TOKEN_TYPE_WRONG
    assert tokens.verify(issue(tokens, "refresh"), type="refresh").type == "refresh"


def test_a_token_from_the_future_is_refused() -> None:
    """Clocks may differ by a minute, not by more."""
    token = issue(make(now=NOW + 30))

    assert make().verify(token).user_id == 5
    with pytest.raises(TokenRefused):
        make().verify(issue(make(now=NOW + 61)))


@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"exp": "1900000000"},
        {"exp": 1.9e9},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"user_id": "5"},
        {"user_id": True},
        {"sid": None},
        {"aud": ["gateline"]},
        {"email": {"$ne": ""}},
        {"type": ["access"]},
    ],
)
def test_a_claim_of_the_wrong_type_is_refused(change: dict[str, Any]) -> None:
    """Even a token with a good signature has exactly the documented claims."""
    claims = {**claims_of(issue(make())), **change}
    key = OctKey.import_key(SECRET.encode())

    with pytest.raises(TokenRefused):
        make().verify(forge({"alg": "HS256"}, claims, key))


def test_an_oversized_token_is_refused_unread() -> None:
    """More than 8 kB is no token, whatever is in it."""
    with pytest.raises(TokenRefused):
        make().verify(issue(make()) + "A" * MAX_TOKEN_BYTES)


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[\w=-]*\.[\w=-]*\.[\w=-]*", fullmatch=True)))
def test_rubbish_is_refused_and_nothing_else_happens(token: str) -> None:
    """No text whatever makes verification fail in any other way than by refusing."""
    with pytest.raises(TokenRefused):
        make().verify(token)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_header_of_any_json_is_refused(header: Any) -> None:
    """A header that is JSON but no header is refused as well."""
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()

    with pytest.raises(TokenRefused):
        make().verify(f"{encoded}.e30.AAAA")


def test_rotation_logs_nobody_out() -> None:
    """With a new key in front, tokens of the old one stay valid and new ones use the new."""
    old, new = SigningKey.from_secret(SECRET), SigningKey.from_secret("another-" + SECRET)
    before = issue(make(old))
    after = make(new, old)

    assert after.verify(before).user_id == 5
    assert header_of(issue(after))["kid"] == new.kid
    with pytest.raises(TokenRefused):
        make(new).verify(before)


def test_the_key_id_does_not_reveal_the_secret() -> None:
    """The id of a shared secret is neither the secret nor its plain hash, and is stable."""
    key = SigningKey.from_secret(SECRET)

    assert key.kid == SigningKey.from_secret(SECRET).kid
    assert key.kid not in SECRET
    assert key.kid != OctKey.import_key(SECRET.encode()).thumbprint()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (ECKey.generate_key("P-256"), "ES256"),
        (ECKey.generate_key("P-384"), "ES384"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
    ids=["RS256", "ES256", "ES384", "EdDSA"],
)
def test_key_pairs_sign_and_publish_their_public_half(key: Key, algorithm: str) -> None:
    """A key pair signs with its algorithm; the key set shows nothing private."""
    signing = SigningKey.from_jwk(dict(key.as_dict(private=True)), "HS256")
    tokens = make(signing, SigningKey.from_secret(SECRET))

    token = issue(tokens)
    published = tokens.jwks()["keys"]

    assert header_of(token)["alg"] == algorithm
    assert tokens.verify(token).user_id == 5
    assert [one["kid"] for one in published] == [signing.kid]
    assert not {"d", "p", "q", "k"} & set(published[0])
    assert (published[0]["alg"], published[0]["use"]) == (algorithm, "sig")


def test_shared_secrets_are_not_published() -> None:
    """The key set of a platform with a shared secret is empty."""
    assert make().jwks() == {"keys": []}


def test_a_public_key_cannot_be_the_current_one() -> None:
    """The first key signs; one that cannot is refused at once, not at the first login."""
    public = dict(ECKey.generate_key("P-256").as_dict(private=False))
    key = SigningKey.from_jwk(public, "ES256")

    with pytest.raises(ValueError, match="private"):
        make(key)
    assert make(SigningKey.from_secret(SECRET), key).jwks()["keys"][0]["kid"] == key.kid


def test_keys_must_be_there_and_differ() -> None:
    """No key, the same key twice, or an algorithm that its kind cannot do are refused."""
    key = SigningKey.from_secret(SECRET)

    with pytest.raises(ValueError, match="at least one"):
        Tokens([], issuer="a", audience="b")
    with pytest.raises(ValueError, match="same kid"):
        make(key, key)
    with pytest.raises(ValueError, match="JWT_KEYS_FILE"):
        SigningKey.from_secret(SECRET, "RS256")
    with pytest.raises(ValueError, match="not supported"):
        SigningKey.from_jwk({"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZg", "alg": "dir"}, "HS256")


def test_keys_come_from_the_settings(settings: Settings) -> None:
    """JWT_SECRET_KEY signs (else SECRET_KEY), JWT_PREVIOUS_SECRET_KEYS stay valid."""
    rotated = settings.model_copy(
        update={"jwt_secret_key": SECRET, "jwt_previous_secret_keys": (settings.secret_key, SECRET)}
    )
    before = Tokens.from_settings(settings, lambda: NOW)
    after = Tokens.from_settings(rotated, lambda: NOW)

    assert after.verify(issue(before)).user_id == 5
    assert [key.kid for key in keys_from_settings(rotated)] == [
        SigningKey.from_secret(SECRET).kid,
        SigningKey.from_secret(settings.secret_key).kid,
    ]


def test_keys_come_from_a_file(settings: Settings, tmp_path: Path) -> None:
    """A key set replaces the secret; a former secret still verifies when it is named."""
    file = tmp_path / "keys.json"
    new, old = ECKey.generate_key("P-256", {"kid": "new"}), ECKey.generate_key("P-256")
    members = [dict(new.as_dict(private=True)), dict(old.as_dict(private=False))]
    file.write_text(json.dumps({"keys": members}))
    moved = settings.model_copy(
        update={"jwt_keys_file": file, "jwt_previous_secret_keys": (settings.secret_key,)}
    )

    tokens = Tokens.from_settings(moved, lambda: NOW)

    assert header_of(issue(tokens))["kid"] == "new"
    assert tokens.verify(issue(Tokens.from_settings(settings, lambda: NOW))).user_id == 5
    assert len(tokens.jwks()["keys"]) == 2


@pytest.mark.parametrize("text", ["", "{}", '{"keys": 5}', '{"keys": [{"kty": "oct"}]}', "[]"])
def test_a_file_that_is_no_key_set_is_named(settings: Settings, tmp_path: Path, text: str) -> None:
    """The message names the variable and the file."""
    file = tmp_path / "keys.json"
    file.write_text(text)

    with pytest.raises(ValueError, match=r"JWT_KEYS_FILE=.*keys\.json"):
        keys_from_settings(settings.model_copy(update={"jwt_keys_file": file}))
