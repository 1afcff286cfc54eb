"""Whose word on the client counts."""

import ipaddress

import pytest

from gateline.policy.clients import (
    Client,
    client_behind,
    client_network,
    is_trusted,
    parse_address,
    refuse_address,
)
from gateline.policy.reasons import ADDRESS_NOT_ALLOWED

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))


def _read(hops: str, proto: str = "", host: str = "") -> Client:
    return client_behind(PROXIES, forwarded_for=hops, forwarded_proto=proto, forwarded_host=host)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("::1", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("", False),
    ],
)
def test_is_trusted(address: str, trusted: bool) -> None:
    """Only addresses in the listed networks are believed."""
    assert is_trusted(address, PROXIES) is trusted


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("rubbish", None),
        ("", None),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_the_client_is_the_last_untrusted_hop(hops: str, address: str | None) -> None:
    """What a client wrote itself stands before it and does not count."""
    assert _read(hops).address == address


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("http, HTTPS", "https"), ("gopher", None), ("", None)],
)
def test_scheme(proto: str, scheme: str | None) -> None:
    """The scheme is http or https, or not said."""
    assert _read("203.0.113.7", proto).scheme == scheme


@pytest.mark.parametrize(
    ("forwarded", "address", "scheme"),
    [
        ("for=203.0.113.7;proto=https", "203.0.113.7", "https"),
        ('for=6.6.6.6, For="203.0.113.7:4711" ; PROTO=http;by=10.0.0.2', "203.0.113.7", "http"),
        ('for="[2001:db8::1]:80";host="a, b;c.example"', "2001:db8::1", None),
        ("for=203.0.113.7;proto=http, for=10.0.0.2;proto=https", "203.0.113.7", "https"),
        ("for=6.6.6.6, for=unknown", None, None),
        ("for=6.6.6.6, proto=https", None, "https"),
        ("for=203.0.113.7, ", None, None),
        ("for=203.0.113.7; rubbish", None, None),
        ('for="203.0.113.7', None, None),
        ("", None, None),
    ],
)
def test_forwarded(forwarded: str, address: str | None, scheme: str | None) -> None:
    """RFC 7239 says the same in one header; what is malformed says nothing."""
    found = client_behind(
        PROXIES, forwarded_for="", forwarded_proto="", forwarded_host="", forwarded=forwarded
    )
    assert (found.address, found.scheme) == (address, scheme)


def test_x_forwarded_for_goes_before_forwarded() -> None:
    """A proxy that writes the one passes a client's own other on."""
    found = client_behind(
        PROXIES,
        forwarded_for="203.0.113.7:1234",
        forwarded_proto="",
        forwarded_host="",
        forwarded="for=6.6.6.6;proto=https",
    )
    assert (found.address, found.scheme) == ("203.0.113.7", None)


def test_host() -> None:
    """The host is the last one named."""
    assert _read("203.0.113.7", host="a.example, b.example").host == "b.example"
    assert _read("203.0.113.7").host is None


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4:80", "a", "1.2.3.4\n5"])
def test_parse_address_refuses(text: str) -> None:
    """Anything that is no address is none."""
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("address", "allow", "deny", "refused"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], [], False),
        ("::ffff:10.1.2.3", ["10.0.0.0/8"], [], False),
        ("11.1.2.3", ["10.0.0.0/8"], [], True),
        ("10.1.2.3", [], ["10.1.0.0/16"], True),
        ("10.2.2.3", [], ["10.1.0.0/16"], False),
        ("10.1.2.3", ["10.0.0.0/8"], ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.0.0.0/8"], ["10.1.0.0/16"], False),
        ("", ["10.0.0.0/8"], [], True),
        ("", [], ["10.0.0.0/8"], False),
        ("10.1.2.3", [], [], False),
    ],
)
def test_refuse_address(address: str, allow: list[str], deny: list[str], refused: bool) -> None:
    """A denied address is refused even when it is allowed too; no address is in no network."""
    reason = refuse_address(
        address,
        allow=[ipaddress.ip_network(one) for one in allow],
        deny=[ipaddress.ip_network(one) for one in deny],
    )
    assert reason is (ADDRESS_NOT_ALLOWED if refused else None)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::9", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_what_a_client_counts_as(address: str, network: str) -> None:
    """An address of IPv4, a network of IPv6, and anything else as it is."""
    assert client_network(address) == network
