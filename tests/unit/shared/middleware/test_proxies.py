"""X-Forwarded-* from trusted proxies only."""

import ipaddress
from typing import Any

import pytest
from werkzeug.test import create_environ

from gateline.shared.middleware.proxies import TrustedProxies

NETWORKS = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.0/8"))


def seen(peer: str, **headers: str) -> dict[str, Any]:
    """Return the environment that an app sees behind the middleware."""
    found: dict[str, Any] = {}

    def app(environ: dict[str, Any], _: Any) -> list[bytes]:
        found.update(environ)
        return []

    environ = create_environ("/", headers={k.replace("_", "-"): v for k, v in headers.items()})
    environ["REMOTE_ADDR"] = peer
    TrustedProxies(app, NETWORKS)(environ, lambda *_: lambda _: None)
    return found


def test_a_trusted_proxy_is_believed() -> None:
    """Address, scheme and host become those of the client's request."""
    environ = seen(
        "10.0.0.1",
        X_Forwarded_For="203.0.113.7",
        X_Forwarded_Proto="https",
        X_Forwarded_Host="api.example.com",
    )
    assert environ["REMOTE_ADDR"] == "203.0.113.7"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTP_HOST"] == "api.example.com"


def test_anybody_else_is_not_believed() -> None:
    """The headers of a stranger are dropped, so that nothing further in believes them."""
    environ = seen(
        "203.0.113.9", X_Forwarded_For="127.0.0.1", X_Forwarded_Proto="https", Forwarded="x"
    )
    assert environ["REMOTE_ADDR"] == "203.0.113.9"
    assert environ["wsgi.url_scheme"] == "http"
    assert not [name for name in environ if "FORWARDED" in name]


def test_what_a_client_wrote_itself_does_not_count() -> None:
    """Of several addresses the last that is no proxy of ours is the client."""
    environ = seen("10.0.0.1", X_Forwarded_For="1.2.3.4, 203.0.113.7, 10.0.0.2")
    assert environ["REMOTE_ADDR"] == "203.0.113.7"


def test_a_chain_of_proxies_only_gives_the_first() -> None:
    """A request from inside keeps its origin."""
    assert seen("10.0.0.1", X_Forwarded_For="10.0.0.3, 10.0.0.2")["REMOTE_ADDR"] == "10.0.0.3"


@pytest.mark.parametrize("value", ["", "unknown", "1.2.3.4.5", "<script>"])
def test_rubbish_leaves_the_peer(value: str) -> None:
    """What is no address is not taken for one."""
    assert seen("10.0.0.1", X_Forwarded_For=value)["REMOTE_ADDR"] == "10.0.0.1"


def test_a_mapped_address_is_its_ipv4_address() -> None:
    """A dual-stack listener shows IPv4 peers as ::ffff:a.b.c.d."""
    environ = seen("::ffff:10.0.0.1", X_Forwarded_For="203.0.113.7")
    assert environ["REMOTE_ADDR"] == "203.0.113.7"


def test_a_unix_socket_is_this_machine() -> None:
    """A peer without address is trusted as the loopback is."""
    assert seen("", X_Forwarded_For="203.0.113.7")["REMOTE_ADDR"] == "203.0.113.7"


def test_an_unknown_scheme_is_not_taken() -> None:
    """Only http and https are schemes of requests."""
    assert seen("10.0.0.1", X_Forwarded_Proto="javascript")["wsgi.url_scheme"] == "http"
