"""Can the PEM files that a gateway file names be used: read as TLS itself will read them."""

import ssl
from pathlib import Path
from typing import Final

CERTIFICATE: Final = "certificate"
KEY: Final = "key"

_MISMATCH: Final = "KEY_VALUES_MISMATCH"
_WEAK: Final = ("TOO_SMALL", "TOO_WEAK")


def authority_fault(file: Path) -> str | None:
    """Return what is wrong with a file of certificates, None when it has some."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        return "is no PEM file of certificates"
    except OSError as error:
        return f"cannot be read ({type(error).__name__})"
    return None


def pair_fault(certificate: Path, key: Path) -> tuple[str, str] | None:
    """Return which of CERTIFICATE and KEY is wrong and how, None when they go together.

    The key must have no password: nobody is there to type one.
    """
    fault = authority_fault(certificate)
    if fault is not None:
        return CERTIFICATE, fault
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, _no_password)
    except ssl.SSLError as error:
        if error.reason == _MISMATCH:
            return KEY, "is not the key of this certificate"
        if error.reason is not None and error.reason.endswith(_WEAK):
            return CERTIFICATE, f"is too weak for TLS ({error.reason})"
        return KEY, "is no PEM file of a key without a password"
    except OSError as error:
        return KEY, f"cannot be read ({type(error).__name__})"
    return None


def _no_password() -> str:
    """Answer for a key that wants a password, instead of asking on the terminal."""
    return ""
