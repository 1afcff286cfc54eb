"""What TLS would not take is found when the file is checked."""

from pathlib import Path

import pytest
from certificates import Authority
from cryptography.hazmat.primitives import serialization

from gateline.shared.gateway.certificates import CERTIFICATE, KEY, authority_fault, pair_fault


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one file with a certificate and its key."""
    return Authority(tmp_path_factory.mktemp("tls")).issue("edge.example")


def test_a_pair_that_goes_together(pair: Path) -> None:
    """Certificate and key may stand in one file; a certificate is an authority too."""
    assert pair_fault(pair, pair) is None
    assert authority_fault(pair) is None


def test_the_key_of_another_certificate(pair: Path, tmp_path: Path) -> None:
    """Two good files that do not belong together are told apart from bad ones."""
    other = Authority(tmp_path).issue("other.example")

    assert pair_fault(pair, other) == (KEY, "is not the key of this certificate")


def test_a_key_with_a_password(pair: Path, tmp_path: Path) -> None:
    """Nobody is there to type it, and nobody is asked."""
    key = serialization.load_pem_private_key(pair.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    assert pair_fault(pair, locked) == (KEY, "is no PEM file of a key without a password")


@pytest.mark.parametrize("content", [b"", b"no PEM", b"\x30\x82\x01\x01"])
def test_files_that_are_something_else(pair: Path, tmp_path: Path, content: bytes) -> None:
    """Which of the two is wrong is said."""
    other = tmp_path / "other.pem"
    other.write_bytes(content)

    assert authority_fault(other) == "is no PEM file of certificates"
    assert pair_fault(other, pair) == (CERTIFICATE, "is no PEM file of certificates")
    assert pair_fault(pair, other) == (KEY, "is no PEM file of a key without a password")


def test_a_file_that_is_not_there(pair: Path, tmp_path: Path) -> None:
    """It is a fault as well, and no crash."""
    fault = pair_fault(pair, tmp_path / "gone.pem")

    assert fault is not None
    assert fault[0] == KEY
