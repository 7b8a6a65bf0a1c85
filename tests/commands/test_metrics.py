"""Metrics: what an operator can watch."""

from prometheus_client import REGISTRY

from weft.commands import metrics


def test_outcomes_are_counted_by_their_word() -> None:
    def value() -> float:
        return REGISTRY.get_sample_value("weft_commands_ended_total", {"state": "expired"}) or 0

    before = value()
    metrics.ENDED.labels("expired").inc()
    assert value() == before + 1
