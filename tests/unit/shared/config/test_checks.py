"""The checks of single values."""

import ipaddress

import pytest

from gateline.shared.config import checks


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        "your-secret-key-here-your-secret-key",
        "change-me" * 8,
        "a" * 64,
        "<SECRET>" * 8,
    ],
)
def test_weak_secrets_are_recognised(secret: str) -> None:
    """Missing, short, placeholder and repetitive secrets are weak."""
    assert checks.secret_weakness(secret)


def test_a_random_secret_is_good_enough() -> None:
    """32 random bytes pass, in base64 as well as in hexadecimal."""
    assert checks.secret_weakness("kX2vQ9-fT7mLr4Wz_8sYbN1cHdJ0aGeU") is None
    assert (
        checks.secret_weakness("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        is None
    )


@pytest.mark.parametrize("url", ["mysql://h/d", "postgresql://h", "h/d", "postgresql://u@h/?x=1"])
def test_only_complete_postgresql_urls_are_taken(url: str) -> None:
    """Another engine or a missing database name is refused."""
    with pytest.raises(ValueError, match="postgresql://"):
        checks.database_url(url)


@pytest.mark.parametrize(
    "url", ["h:80", "ftp://h", "http://", "http://h:x", "http://h/?q=1", "http://[h"]
)
def test_only_http_addresses_are_service_urls(url: str) -> None:
    """Anything but scheme, host, port and path is refused."""
    with pytest.raises(ValueError, match="HTTP service"):
        checks.service_url(url)


def test_a_service_url_loses_its_closing_slash() -> None:
    """Paths are appended to it."""
    assert checks.service_url("http://auth:8003/") == "http://auth:8003"


@pytest.mark.parametrize(
    "origin",
    ["app.example.com", "https://a.example.com/", "https://*.example.com", "null", "ftp://h"],
)
def test_only_exact_origins_are_taken(origin: str) -> None:
    """A path, a pattern or a missing scheme would silently never match."""
    with pytest.raises(ValueError, match="exact origins"):
        checks.cors_origins([origin])


def test_hosts_are_lower_cased_and_without_port() -> None:
    """Host names compare without case; a port is a mistake."""
    assert checks.allowed_hosts(["API.example.com", "*.example.com"]) == (
        "api.example.com",
        "*.example.com",
    )
    for entry in ("api.example.com:443", "https://api.example.com", "a b"):
        with pytest.raises(ValueError, match="host names"):
            checks.allowed_hosts([entry])


def test_networks_take_addresses_and_ranges() -> None:
    """A single address is a network of one."""
    found = checks.networks(["10.0.0.0/8", "::1"])
    assert found == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
    with pytest.raises(ValueError, match="networks"):
        checks.networks(["proxy.internal"])


def test_service_keys_are_pairs() -> None:
    """Both halves are needed, and in production a good key."""
    assert checks.service_keys("a:1, b:2", production=False) == "a:1, b:2"
    for text in ("a", "a:", ":1", "a b:1"):
        with pytest.raises(ValueError, match="name:key"):
            checks.service_keys(text, production=False)
    with pytest.raises(ValueError, match="the key of a must be at least"):
        checks.service_keys("a:1", production=True)


def test_rate_limits_are_checked_at_the_start() -> None:
    """A limit that cannot be read is a wrong setting."""
    assert checks.rate_limit("10/minute") == "10/minute"
    with pytest.raises(ValueError, match="600/minute"):
        checks.rate_limit("often")


@pytest.mark.parametrize("pair", ["shop", "=http://h", "shop=h:1", "a b=http://h", "shop=ftp://h"])
def test_named_urls_are_pairs(pair: str) -> None:
    """Each is a service's name and the address of an HTTP service."""
    assert checks.named_urls(["shop=http://h:1", "b = https://i"]) == (
        "shop=http://h:1",
        "b = https://i",
    )
    with pytest.raises(ValueError, match="name=url"):
        checks.named_urls([pair])


@pytest.mark.parametrize("name", ["admin", "a.b-c_9", "Root@Example.org"])
def test_an_administrator_is_called_what_a_login_takes(name: str) -> None:
    """A user name or an e-mail address."""
    assert checks.user_name_or_address(name).lower() == name.lower()


@pytest.mark.parametrize("name", ["", "a", "the boss", "-boss", "b" * 64, "boss@", "né", "boss\n"])
def test_a_name_that_cannot_log_in_is_no_administrators(name: str) -> None:
    """Nobody could ever use the account."""
    with pytest.raises(ValueError, match="user name"):
        checks.user_name_or_address(name)
