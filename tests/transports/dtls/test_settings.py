"""What a DTLS peer may cost."""

from weft.transports.dtls.settings import DtlsSettings


def test_limits_are_finite_from_the_first_start() -> None:
    """A handshake outlasts OpenSSL's repetitions, and a session a daily report."""
    settings = DtlsSettings()
    assert settings.handshake_s >= 15
    assert settings.idle_s >= 24 * 3600
    assert settings.handshakes_per_address < settings.handshakes < settings.sessions
