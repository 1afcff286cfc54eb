"""Password hashes."""

import threading

import bcrypt
import pytest

from gateline.auth.passwords import Passwords
from gateline.shared.errors import ApiError


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    """Give the hashing as the service uses it."""
    return Passwords()


def test_new_hashes_are_argon2id_with_owasp_cost(passwords: Passwords) -> None:
    """A new hash is argon2id with 19 MiB, two passes, one lane, and salted."""
    stored = passwords.hash("secret")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != passwords.hash("secret")


def test_right_and_wrong_password(passwords: Passwords) -> None:
    """Only the very password verifies, blanks and capitals included; nothing needs an upgrade."""
    stored = passwords.hash("Secret ")
    assert passwords.verify("Secret ", stored) == (True, None)
    for wrong in ("secret ", "Secret", "", "Secret \0"):
        assert passwords.verify(wrong, stored) == (False, None)


def test_bcrypt_is_accepted_and_upgraded(passwords: Passwords) -> None:
    """A right password for a bcrypt hash gives an argon2id hash to store instead."""
    for prefix in (b"2a", b"2b"):
        stored = bcrypt.hashpw(b"secret", bcrypt.gensalt(4, prefix)).decode()
        right, upgraded = passwords.verify("secret", stored)
        assert right
        assert upgraded is not None
        assert passwords.verify("secret", upgraded) == (True, None)
        assert passwords.verify("other", stored) == (False, None)


def test_bcrypt_reads_72_bytes(passwords: Passwords) -> None:
    """A password longer than bcrypt reads verifies as it did when the hash was made."""
    password = "é" * 60
    stored = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    assert passwords.verify(password, stored)[0]
    assert passwords.verify("\0" + password, stored) == (False, None)


@pytest.mark.parametrize("stored", ["", "plain text", "$1$abc$def", "$argon2id$v=19$broken"])
def test_hash_of_unknown_kind_never_verifies(passwords: Passwords, stored: str) -> None:
    """A password stored in another form, even in the clear, lets nobody in."""
    assert passwords.verify(stored or "x", stored) == (False, None)


def test_nobody_costs_a_hash_too(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an account the same work is done: user enumeration by timing is of no use."""
    worked: list[str] = []
    real = passwords._hashes.verify

    def verify(password: str, stored: str) -> bool:
        worked.append(stored)
        return real(password, stored)

    monkeypatch.setattr(passwords._hashes, "verify", verify)
    assert passwords.verify("secret", None) == (False, None)
    assert [stored.partition("$v=")[0] for stored in worked] == ["$argon2id"]


def test_more_than_the_line_holds_is_refused() -> None:
    """When every slot works and the line is full, the next is refused at once with 503."""
    passwords = Passwords(in_flight=1, waiting=0)
    with passwords._slot(), pytest.raises(ApiError) as refused:
        passwords.hash("secret")
    assert (refused.value.status, refused.value.reason.code) == (503, "overloaded")
    assert refused.value.headers["Retry-After"] == "1"
    assert passwords.hash("secret")


def test_waiting_has_an_end() -> None:
    """Who waits longer than the patience is refused, and leaves the line to others."""
    passwords = Passwords(in_flight=1, waiting=1, patience=0.001)
    with passwords._slot():
        for _ in range(3):
            with pytest.raises(ApiError):
                passwords.verify("secret", None)
    assert passwords.verify("secret", None) == (False, None)


def test_the_line_is_served() -> None:
    """Who finds a place in the line is served when a slot is free again."""
    passwords = Passwords(in_flight=1, waiting=4, patience=30)
    done: list[str] = []
    threads = [
        threading.Thread(target=lambda: done.append(passwords.hash("secret"))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 5
