"""Addresses: read from settings, written in logs, and in the clear on loopback alone."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

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


def write_address(name: Sequence[Any] | None) -> str:
    """Write a peer's socket name (host, port, and more with IPv6) as `split_address` reads it."""
    if not name:
        return "unknown"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


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
