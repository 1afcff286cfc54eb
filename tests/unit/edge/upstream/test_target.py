"""Addresses of upstreams."""

import ssl

import pytest

from gateline.edge.upstream import Target


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "text"),
    [
        ("http://api:5000", "api", 5000, b"api:5000", "http://api:5000"),
        ("http://api:5000/", "api", 5000, b"api:5000", "http://api:5000"),
        ("http://API", "api", 80, b"api", "http://api"),
        ("https://a.example", "a.example", 443, b"a.example", "https://a.example"),
        ("https://a.example:444", "a.example", 444, b"a.example:444", "https://a.example:444"),
        ("http://[::1]:8000", "::1", 8000, b"[::1]:8000", "http://[::1]:8000"),
        ("http://my_service:80", "my_service", 80, b"my_service", "http://my_service"),
    ],
)
def test_parse(url: str, host: str, port: int, authority: bytes, text: str) -> None:
    """A URL gives host, port and what goes into Host."""
    target = Target.parse(url)
    assert (target.host, target.port, target.authority) == (host, port, authority)
    assert str(target) == text
    assert (target.tls is not None) == url.startswith("https")


def test_parse_unix() -> None:
    """A Unix socket is an absolute path; its Host is localhost."""
    target = Target.parse("unix:///run/my%20app.sock")
    assert (target.unix_path, target.authority) == ("/run/my app.sock", b"localhost")
    assert str(target) == "unix:///run/my app.sock"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api:5000",
        "ftp://api",
        "http://",
        "http://api/base",
        "http://api?x",
        "http://api#x",
        "http://user:pass@api",
        "http://api:99999",
        "http://api:http",
        "http://bücher.example",
        "unix://run/app.sock",
        "unix:///",
    ],
)
def test_parse_refuses(url: str) -> None:
    """What would be ignored or cannot be reached raises ValueError."""
    with pytest.raises(ValueError, match=r"."):
        Target.parse(url)


def test_https_verifies_by_default() -> None:
    """Without a context of its own https checks certificate and name."""
    tls = Target.parse("https://a.example").tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_tls_belongs_to_https() -> None:
    """A context on plain http is a mistake, and so is https without one."""
    with pytest.raises(ValueError, match="TLS"):
        Target("http", "a", 80, tls=ssl.create_default_context())
    with pytest.raises(ValueError, match="TLS"):
        Target("https", "a", 443)


def test_equal_targets_share_a_pool() -> None:
    """Targets are values."""
    assert Target.parse("http://a:1") == Target.parse("http://a:1")
    assert len({Target.parse("http://a:1"), Target.parse("http://a:1")}) == 1
