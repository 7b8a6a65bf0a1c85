"""Metrics of CoAP."""

from prometheus_client import generate_latest

from weft.transports.coap import metrics


def test_what_is_held_is_told_by_listener_and_kind() -> None:
    """So that a flood shows."""
    metrics.HELD.labels("coap", "uploads").set(3)
    metrics.REQUESTS.labels("2.04").inc()
    text = generate_latest().decode()
    assert 'weft_coap_held{kind="uploads",listener="coap"} 3.0' in text
    assert 'weft_coap_requests_total{code="2.04"}' in text
