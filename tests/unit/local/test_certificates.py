"""A listener's certificate: the last good pair counts."""

import ssl
from pathlib import Path

import pytest
from certificates import Authority
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateline.local.certificates import Certificates
from gateline.local.errors import LocalError


def usable(paths: tuple[str, str]) -> bool:
    """Tell whether a server could serve with these files."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths)
    return True


def test_a_new_pair_is_taken_and_a_bad_one_is_not(tmp_path: Path) -> None:
    """What was good stays readable, whatever becomes of the files."""
    file = Authority(tmp_path).issue("localhost")
    pair = Certificates(file, file)
    before = pair.paths
    assert usable(before)
    assert not pair.read()
    file.write_text("rubbish")
    with pytest.raises(ssl.SSLError):
        pair.read()
    assert pair.paths == before
    Authority(tmp_path).issue("localhost")
    assert pair.read()
    assert pair.paths != before
    assert usable(pair.paths)
    assert usable(before)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """At the start nothing was good before."""
    with pytest.raises(LocalError, match=r"no\.pem"):
        Certificates(tmp_path / "no.pem", tmp_path / "no.key")


def test_a_key_with_a_password_is_refused(tmp_path: Path) -> None:
    """Nobody is there to type it."""
    file = Authority(tmp_path).issue("localhost")
    key = tmp_path / "locked.key"
    key.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(LocalError, match="cannot be used"):
        Certificates(file, key)
