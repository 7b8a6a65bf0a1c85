"""Settings of CoAP."""

from weft.transports.coap.settings import CoapSettings
from weft.wire.coap.limits import Limits


def test_au_1_plaintext_is_on_loopback_and_dtls_is_asked_for() -> None:
    """And no stranger is served before its address is proven (CO-2)."""
    settings = CoapSettings()
    assert settings.listen.startswith("127.0.0.1:")
    assert settings.listen_dtls == ""
    assert settings.limits == Limits()
    assert settings.limits.challenge_first
