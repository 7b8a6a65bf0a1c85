"""The address check of the outbound client, against every way round it that is known."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import ConfigurationError
from weft.security.addresses import DENIED, literal_of, permitted, read_networks

NOT_OURS = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fe80::1%lo",
]


@pytest.mark.parametrize("text", NOT_OURS)
def test_an_address_of_a_private_network_is_refused(text: str) -> None:
    """A webhook to the cloud's metadata service would answer with our own credentials."""
    assert not permitted(ipaddress.ip_address(text), ())


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_a_public_address_is_permitted(text: str) -> None:
    """Most business systems live on the internet."""
    assert permitted(ipaddress.ip_address(text), ())


def test_the_operator_may_name_a_network_of_their_own() -> None:
    """The ERP stands in the cellar; only that machine is opened, in either spelling."""
    allowed = read_networks(["10.1.2.3/32"], "allow")

    assert permitted(ipaddress.ip_address("10.1.2.3"), allowed)
    assert permitted(ipaddress.ip_address("::ffff:10.1.2.3"), allowed)
    assert not permitted(ipaddress.ip_address("10.1.2.4"), allowed)


@pytest.mark.parametrize("text", ["169.254.169.254", "168.63.129.16", "fe80::1", "fd00:ec2::254"])
def test_metadata_services_stay_closed_however_wide_the_allowance(text: str) -> None:
    """`allow = ["0.0.0.0/0", "::/0"]` is careless; it must not give away the machine."""
    assert not permitted(ipaddress.ip_address(text), read_networks(["0.0.0.0/0", "::/0"], "allow"))


@pytest.mark.parametrize("text", ["10.1.2.3/8", "cellar", "10.0.0.0/33"])
def test_a_network_that_cannot_be_read_stops_the_start(text: str) -> None:
    """A typing error must not open or close another network than was meant."""
    with pytest.raises(ConfigurationError, match="not a network"):
        read_networks([text], "[outbound] allow")


@pytest.mark.parametrize(
    "host", ["0x7f.1", "0x7f000001", "2130706433", "127.1", "010.0.0.1", "127.0.0.1.", "1.2.3.999"]
)
def test_only_the_canonical_spelling_is_an_address(host: str) -> None:
    """Resolvers disagree about these, which is how a check is walked around."""
    with pytest.raises(ValueError, match=r".*"):
        literal_of(host)


@pytest.mark.parametrize("host", ["erp.example", "a.b-c.example", "x1"])
def test_a_name_is_not_an_address(host: str) -> None:
    """Names go on to be resolved."""
    assert literal_of(host) is None


@given(st.ip_addresses(v=4))
def test_whatever_wraps_a_denied_address_is_denied(address: ipaddress.IPv4Address) -> None:
    """IPv4-mapped, IPv4-compatible, 6to4 and NAT64 forms never reach further than IPv4 does."""
    number = int(address)
    forms = [number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80]
    assert not any(permitted(ipaddress.IPv6Address(form), ()) for form in forms)
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | number)
    assert permitted(mapped, ()) == permitted(address, ())


def test_the_list_covers_every_range_of_the_requirement() -> None:
    """The list is data; a line that gets lost would not be seen otherwise."""
    assert len(DENIED) == 21
