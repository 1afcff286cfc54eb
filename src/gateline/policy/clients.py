"""Who really asked: what a proxy in front of us says, believed only from listed ones."""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gateline.policy.reasons import ADDRESS_NOT_ALLOWED, Reason

_PAIR: Final = re.compile(r'[ \t]*([A-Za-z]+)=("[^"\\]*"|[^\s;,"]+)[ \t]*(;|,|$)')

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NETWORK_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Client:
    """The client as the outermost trusted proxy saw it; None where it said nothing usable."""

    address: str | None
    scheme: str | None
    host: str | None


def is_trusted(address: str, networks: Collection[Network]) -> bool:
    """Tell whether an address lies in one of the networks."""
    found = parse_address(address)
    return found is not None and any(found in network for network in networks)


def refuse_address(
    address: str, *, allow: Collection[Network], deny: Collection[Network]
) -> Reason | None:
    """Return why a client's address is refused: denied, or not in an `allow` that is not empty.

    What is no address (a Unix socket's peer) is in no network.
    """
    found = parse_address(address)
    if found is None:
        return ADDRESS_NOT_ALLOWED if allow else None
    if any(found in network for network in deny):
        return ADDRESS_NOT_ALLOWED
    if allow and not any(found in network for network in allow):
        return ADDRESS_NOT_ALLOWED
    return None


def client_behind(
    networks: Collection[Network],
    *,
    forwarded_for: str,
    forwarded_proto: str,
    forwarded_host: str,
    forwarded: str = "",
) -> Client:
    """Read X-Forwarded-For, -Proto and -Host of a peer that is trusted ("" for a missing one).

    The client is the last address in X-Forwarded-For that is no trusted proxy itself: what a client
    writes there stands before what the first proxy appends. Of the others the last part counts.
    `Forwarded` (RFC 7239) counts where there is no X-Forwarded-For: a proxy that writes the latter
    lets a client's own Forwarded pass.
    """
    hops = [_without_port(hop) for hop in _parts(forwarded_for)]
    if not hops:
        elements = _elements(forwarded)
        hops = [_without_port(element.get("for", "")) for element in elements]
        forwarded_proto = forwarded_proto or (elements[-1].get("proto", "") if elements else "")
    first = hops[0] if hops else ""
    hop = next((one for one in reversed(hops) if not is_trusted(one, networks)), first)
    address = parse_address(hop)
    scheme = _last(forwarded_proto).lower()
    return Client(
        address=None if address is None else str(address),
        scheme=scheme if scheme in {"http", "https"} else None,
        host=_last(forwarded_host) or None,
    )


def parse_address(text: str) -> Address | None:
    """Return an IP address, one of IPv4 mapped into IPv6 as IPv4; None for anything else."""
    try:
        address = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client_network(address: str) -> str:
    """Return what a client counts as where something is limited by address.

    That is the address, of IPv6 its /64: who has one address there has 2**64, and would spend a
    limit anew with each. What is no address stays as it is.
    """
    if ":" not in address:
        return address
    try:
        number = int(ipaddress.IPv6Address(address.partition("%")[0]))
    except ValueError:
        return address
    mapped = ipaddress.IPv6Address(number).ipv4_mapped
    if mapped is not None:
        return str(mapped)
    return str(ipaddress.IPv6Network((number, _NETWORK_BITS), strict=False).network_address)


def _elements(forwarded: str) -> list[dict[str, str]]:
    """Return the parameters of each element of Forwarded, none of one that is malformed."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(forwarded):
        pair = _PAIR.match(forwarded, at)
        if pair is None:
            return []
        elements[-1][pair[1].lower()] = pair[2].strip('"')
        if pair[3] == ",":
            elements.append({})
        at = pair.end()
    return elements if elements[-1] else []


def _without_port(node: str) -> str:
    """Return the address of `192.0.2.1:80` and `[2001:db8::1]:80`, any other text as it is."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _parts(header: str) -> list[str]:
    return [part.strip() for part in header.split(",") if part.strip()]


def _last(header: str) -> str:
    return (_parts(header) or [""])[-1]
