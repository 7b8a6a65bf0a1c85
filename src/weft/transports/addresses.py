"""Addresses to listen on: read from settings, and in the clear on loopback alone."""

from ipaddress import ip_address

from weft.errors import ConfigurationError

PORT_MAX = 65_535


def split_address(text: str) -> tuple[str, int]:
    """Read `host:port`, an IPv6 host in brackets; raise `ConfigurationError` otherwise."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(host)
    except ValueError:
        host = ""
    if not host or not port.isdecimal() or int(port) > PORT_MAX:
        raise ConfigurationError(
            f"{text!r} is no address to listen on.", remedy="Write it as 127.0.0.1:1883."
        )
    return host, int(port)


def require_loopback(listen: str, station: str, secure: str) -> None:
    """Raise `ConfigurationError` for a plaintext address that others can reach (AU-1).

    `secure` is the setting that takes every other address.
    """
    host, _ = split_address(listen)
    if not ip_address(host).is_loopback:
        raise ConfigurationError(
            f"[{station}] listen = {listen!r} would be open without TLS.",
            remedy=f"Listen on 127.0.0.1, or use {secure} for every other address.",
        )
