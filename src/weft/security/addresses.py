"""Which addresses we may connect to: public ones, and those that the operator named.

Protection against server-side request forgery (SS-1) is a check of addresses, not of names:
a name is resolved once, every address it has must pass, and the connection goes to exactly
the address that was checked. `ipaddress.is_global` alone is not that check: it lets through
tunnels (6to4, NAT64) that carry a private address inside.
"""

import ipaddress
from collections.abc import Iterable

from weft.errors import ConfigurationError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Refused unless the operator names them: special use, private, tunnels and translations.
DENIED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)

# Refused even where the operator allows a range around them: they answer any caller with
# the machine's own credentials (cloud metadata), or reach more than one machine.
NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "::/128",
        "fd00:ec2::254/128",
        "fe80::/10",
        "ff00::/8",
    )
)


def read_networks(texts: Iterable[str], setting: str) -> tuple[Network, ...]:
    """Read CIDRs from a setting; host bits that are set are a mistake, not a guess."""
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise ConfigurationError(
                f"{setting}: {text!r} is not a network.",
                remedy="Write a CIDR such as 10.1.2.3/32 or 10.1.0.0/16.",
            ) from error
    return tuple(networks)


def unwrap(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped one, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether an address lies in one of the networks (of its own version)."""
    return any(address.version == network.version and address in network for network in networks)


def permitted(address: Address, allowed: Iterable[Network]) -> bool:
    """Return whether we may connect to `address`, given what the operator allows."""
    address = unwrap(address)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False  # a zone names an interface of this machine
    if within(address, NEVER):
        return False
    if within(address, allowed):
        return True
    return address.is_global and not within(address, DENIED)


def literal_of(host: str) -> Address | None:
    """Return the address that a host spells, None for a name.

    Raises `ValueError` for what some resolvers take for an address and others do not
    (0x7f.1, 2130706433, 127.1, 010.0.0.1): only the canonical spelling is one.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        if ":" in host or last.isdigit() or last[:2].lower() == "0x" or not last:
            raise
        return None
    if str(address) != host.lower():
        raise ValueError(host)
    return address
