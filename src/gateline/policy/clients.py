"""Who really asked: what a proxy in front of us says, believed only from listed ones."""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gateline.policy.reasons import ADDRESS_NOT_ALLOWED, Reason

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
) -> Client:
    """Read X-Forwarded-For, -Proto and -Host of a peer that is trusted ("" for a missing one).

    The client is the last address in X-Forwarded-For that is no trusted proxy itself: what a client
    writes there stands before what the first proxy appends. Of the others the last part counts.
    """
    hops = _parts(forwarded_for)
    hop = next((one for one in reversed(hops) if not is_trusted(one, networks)), None)
    address = parse_address(hop or (hops[0] if hops else ""))
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


def _parts(header: str) -> list[str]:
    return [part.strip() for part in header.split(",") if part.strip()]


def _last(header: str) -> str:
    return (_parts(header) or [""])[-1]
