"""The API starts well with nothing set."""

from weft.api.server import parse_address, require_safe
from weft.api.settings import ApiSettings


def test_the_defaults_are_safe() -> None:
    """Plain HTTP on the loopback, TLS off until an address is chosen."""
    settings = ApiSettings()
    require_safe(parse_address(settings.listen)[0], tls=False)
    assert settings.tls_listen == ""
