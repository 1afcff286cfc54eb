"""The accounts to try Gateline with, and their passwords."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

# Without characters that look alike: the passwords are read off a screen.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """An account as it is made: who, of which kind."""

    user_type: str
    first_name: str
    last_name: str
    username: str | None = None


CUSTOMER: Final = SampleAccount("customer", "Marta", "Quintana")
EMAILS: Final = tuple(
    f"{kind}@example.com" for kind in ("patient", "doctor", "institution", "admin", "customer")
)


def new_passwords(chosen: str | None) -> Mapping[str, str]:
    """Return a password for each sample account: the chosen one, else one of its own."""
    return MappingProxyType({email: chosen or new_password() for email in EMAILS})


def new_password() -> str:
    """Return a password that nobody knows, fit to be read off a screen."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    return "-".join(groups)
