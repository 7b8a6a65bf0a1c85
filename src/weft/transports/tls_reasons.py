"""Why a handshake failed, in words that the owner of a device can act on.

OpenSSL says it in names of its own; the ones that are met in practice are put into
words here, with what to do. Any other is told by its name.
"""

import ssl

_RENEW = "Renew the device's certificate: weft credential add."
_ROOT = "Give the device Weft's root certificate (certificates/root.pem) to check the server with."

# Verification of the client's certificate, by OpenSSL's X509_V_ERR_... numbers.
_CERTIFICATE: dict[int, tuple[str, str]] = {
    9: ("The client's certificate is not valid yet.", "Check the clocks."),
    10: ("The client's certificate has expired.", _RENEW),
    18: ("The client's certificate is signed by itself, not by Weft's authority.", _RENEW),
    19: ("The client's chain ends in an authority that is not Weft's.", _RENEW),
    20: ("The client's certificate is of an authority that is not Weft's.", _RENEW),
    21: ("The client's certificate is of an authority that is not Weft's.", _RENEW),
    26: ("The client's certificate is not for client authentication.", _RENEW),
}

_HANDSHAKE: dict[str, tuple[str, str]] = {
    "WRONG_VERSION_NUMBER": (
        "The peer does not speak TLS.",
        "Turn TLS on at the device; the plain port is on the loopback interface only.",
    ),
    "HTTP_REQUEST": ("The peer speaks HTTP without TLS.", "Use https and the API's port."),
    "HTTPS_PROXY_REQUEST": ("The peer takes Weft for a proxy.", "Connect directly."),
    "UNSUPPORTED_PROTOCOL": ("The peer offers no TLS that is safe.", "Use TLS 1.2 or 1.3."),
    "NO_SHARED_CIPHER": (
        "The peer offers no cipher suite that is safe.",
        "Use an ECDHE suite with AES-GCM or ChaCha20-Poly1305.",
    ),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
        "The client showed no certificate, and this listener requires one.",
        "Issue one: weft credential add.",
    ),
    "CALLBACK_FAILED": (
        "The client tried to resume an earlier session, which a revoked one could do as well.",
        "It is told to forget it; the next connection is new.",
    ),
    "TLSV1_ALERT_UNKNOWN_CA": ("The client does not trust Weft's certificate.", _ROOT),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": ("The client does not trust Weft's certificate.", _ROOT),
    "SSLV3_ALERT_BAD_CERTIFICATE": (
        "The client does not accept Weft's certificate: its name may be another.",
        "Add the name that the client uses to [security] server_names.",
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": (
        "The client holds Weft's certificate for expired.",
        "Check the client's clock.",
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": (
        "The client offers no TLS that is safe.",
        "Use TLS 1.2 or 1.3.",
    ),
}
# Garbage is told by whichever of its bytes was looked at first.
_HANDSHAKE |= dict.fromkeys(
    ("UNKNOWN_PROTOCOL", "BAD_RECORD_TYPE", "UNEXPECTED_MESSAGE", "PACKET_LENGTH_TOO_LONG"),
    _HANDSHAKE["WRONG_VERSION_NUMBER"],
)


def explain(error: ssl.SSLError) -> tuple[str, str]:
    """Return what happened and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return explain_certificate(error.verify_code, error.verify_message)
    return explain_name(error.reason or type(error).__name__)


def explain_certificate(verify_code: int, message: str) -> tuple[str, str]:
    """The same for a client's certificate, by OpenSSL's number."""
    known = _CERTIFICATE.get(verify_code)
    return known or (f"The client's certificate is refused: {message}.", _RENEW)


def explain_name(reason: str) -> tuple[str, str]:
    """The same by OpenSSL's name of what happened."""
    return _HANDSHAKE.get(reason) or (f"TLS failed: {reason.lower().replace('_', ' ')}.", "")
