import ssl

import pytest

from weft.transports.tls_reasons import explain


def fault(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "as OpenSSL says it")
    error.reason = reason  # type: ignore[assignment]  OpenSSL gives none for an EOF
    return error


@pytest.mark.parametrize(
    ("reason", "says", "do"),
    [
        ("WRONG_VERSION_NUMBER", "does not speak TLS", "Turn TLS on"),
        ("UNEXPECTED_MESSAGE", "does not speak TLS", "Turn TLS on"),
        ("HTTP_REQUEST", "HTTP without TLS", "https"),
        ("UNSUPPORTED_PROTOCOL", "no TLS that is safe", "TLS 1.2 or 1.3"),
        ("NO_SHARED_CIPHER", "no cipher suite", "ECDHE"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "no certificate", "weft credential add"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not trust", "root certificate"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "for expired", "clock"),
    ],
)
def test_what_is_met_in_practice_is_told_with_what_to_do(reason: str, says: str, do: str) -> None:
    """The first connection fails, and its owner reads why."""
    detail, remedy = explain(fault(reason))
    assert says in detail
    assert do in remedy


def test_any_other_fault_is_told_by_its_name() -> None:
    """Better OpenSSL's word than none."""
    assert explain(fault("LENGTH_MISMATCH")) == ("TLS failed: length mismatch.", "")
    assert explain(fault(None)) == ("TLS failed: sslerror.", "")


def test_an_unknown_verdict_on_a_certificate_is_told_in_openssls_words() -> None:
    """There are some ninety; six are met."""
    error = ssl.SSLCertVerificationError(1, "verify failed")
    error.verify_code, error.verify_message = 24, "invalid CA certificate"
    detail, remedy = explain(error)
    assert detail == "The client's certificate is refused: invalid CA certificate."
    assert "weft credential add" in remedy
