"""An issuer of tokens that is not ours: keys, key sets and tokens in every shape."""

import json
import time
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from gateline.edge.credentials.tokens import Pinned
from gateline.policy.credentials import Issuer

ISSUER = "https://login.example.com/"
CORP = Issuer(
    name="corp",
    issuer=ISSUER,
    jwks_url="http://127.0.0.1:1/jwks",
    audience=("shop", "stock"),
    algorithms=("RS256", "ES256", "EdDSA"),
)

KEYS: dict[str, tuple[str, Key]] = {
    "rsa": ("RS256", RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})),
    "ec": ("ES256", ECKey.generate_key("P-256", {"kid": "ec"})),
    "okp": ("EdDSA", OKPKey.generate_key("Ed25519", {"kid": "okp", "alg": "EdDSA"})),
}
"""One key of each kind that issuers use, with its algorithm, by key id."""


def claims(**changes: Any) -> dict[str, Any]:
    """Return claims that are believed, changed; a change to None leaves a claim out."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "sub": "00u1a",
        "aud": "shop",
        "iat": now,
        "exp": now + 600,
        "email": "kim@example.com",
        "user_type": "customer",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def sign(content: dict[str, Any], by: str = "ec", **header: Any) -> str:
    """Return a token with this content, signed by one of the keys; `header` is changed so."""
    algorithm, key = KEYS[by]
    head = {"typ": "JWT", "alg": algorithm, "kid": by, **header}
    head = {name: value for name, value in head.items() if value is not None}
    return jws.serialize_compact(head, json.dumps(content), key, registry=Pinned((algorithm,)))


def key_set(*kids: str) -> bytes:
    """Return the published key set with these keys, all of them when none are named."""
    chosen = kids or tuple(KEYS)
    return json.dumps({"keys": [KEYS[kid][1].as_dict(private=False) for kid in chosen]}).encode()
