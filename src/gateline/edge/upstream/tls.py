"""How an upstream's certificate is believed, and how the edge shows its own."""

import ssl
from pathlib import Path

from gateline.policy.services import TlsPolicy

_Stamp = tuple[tuple[int, int], ...]


class TlsContexts:
    """Makes TLS contexts for upstreams, each once for as long as its files stay as they are.

    Targets with the same context share their connections, so the same policy must lead to the
    same context again; a certificate that was renewed leads to a new one.
    """

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[tuple[TlsPolicy, bool], tuple[_Stamp, ssl.SSLContext]] = {}

    def get(self, policy: TlsPolicy, *, http2: bool = False) -> ssl.SSLContext:
        """Return the context for a policy; it offers HTTP/2 or HTTP/1.1 by ALPN, never both.

        Raise ValueError when a file is missing or is not what it should be.
        """
        stamp = _stamp(policy)
        known = self._made.get((policy, http2))
        if known is not None and known[0] == stamp:
            return known[1]
        context = _context(policy, http2=http2)
        self._made[policy, http2] = stamp, context
        return context


def _stamp(policy: TlsPolicy) -> _Stamp:
    """Return what changes when one of the files does; a missing one is found when it is read."""
    stamp = []
    for name in (policy.ca_file, policy.certificate_file, policy.key_file):
        try:
            state = Path(name).stat() if name else None
        except OSError:
            state = None
        stamp.append((0, 0) if state is None else (state.st_mtime_ns, state.st_ino))
    return tuple(stamp)


def _context(policy: TlsPolicy, *, http2: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=policy.ca_file or None)
    except OSError as error:
        raise ValueError(f"no authorities in {policy.ca_file}: {error}") from error
    if not policy.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if policy.certificate_file:
        try:
            context.load_cert_chain(policy.certificate_file, policy.key_file or None, _no_password)
        except OSError as error:
            msg = f"no certificate with its key in {policy.certificate_file}: {error}"
            raise ValueError(msg) from error
    context.set_alpn_protocols(["h2" if http2 else "http/1.1"])
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal for the password of a locked key."""
    return ""
