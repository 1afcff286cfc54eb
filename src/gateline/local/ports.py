"""Ports: notice a taken one before a server shares it unasked, and hold on to free ones."""

import errno
import socket
from typing import Final

from gateline.local.errors import LocalError

PUBLIC: Final = "--port or FLASK_PORT"
METRICS: Final = "--metrics-port or METRICS_PORT"

_ATTEMPTS: Final = 5


def check_free(host: str, port: int) -> None:
    """Raise LocalError when `port`, which `--port` names, cannot be listened on.

    Our servers listen with SO_REUSEPORT, with which a second one would start without an error
    and take half of the first one's connections; so this asks without it.
    """
    _bind(host, port, PUBLIC, shared=False).close()


def reserve(host: str, port: int = 0, option: str = PUBLIC) -> socket.socket:
    """Hold `port` (0: a free one) for our own children until the socket is closed.

    `option` is what names another one; LocalError tells of it when the port cannot be held.
    The socket never listens: it only keeps the port from everybody who does not ask to share it.
    """
    for attempt in range(_ATTEMPTS):
        with _bind(host, port, option, shared=False) as probe:
            chosen = probe.getsockname()[1]
        try:
            return _bind(host, chosen, option, shared=True)
        except LocalError:
            # Somebody took the free port in between: another one will do.
            if port != 0 or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _bind(host: str, port: int, option: str, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    holder = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Never both: two sockets with SO_REUSEADDR that do not listen let each other in.
        sharing = socket.SO_REUSEPORT if shared else socket.SO_REUSEADDR
        holder.setsockopt(socket.SOL_SOCKET, sharing, 1)
        holder.bind((host, port))
    except OSError as error:
        holder.close()
        raise LocalError(_explain(host, port, option, error)) from error
    except BaseException:
        holder.close()
        raise
    return holder


def _explain(host: str, port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken: end what listens there, or choose another port"
            f" by {option}."
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} needs more rights than this account has: choose one above 1023"
            f" by {option}."
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is no address of this machine: choose 127.0.0.1, 0.0.0.0 or another one."
    return f"Cannot listen on {host}:{port}: {error.strerror}."
