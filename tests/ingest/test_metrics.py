"""Counters of the pipeline."""

from weft.ingest.metrics import PipelineMetrics


def test_a_commit_counts_messages_and_moves_the_head() -> None:
    metrics = PipelineMetrics()
    metrics.committed(3, 10)
    metrics.committed(2, 12)
    assert metrics.registry.get_sample_value("weft_ingest_messages_total") == 5
    assert metrics.registry.get_sample_value("weft_ingest_batches_total") == 2
    assert metrics.registry.get_sample_value("weft_journal_head") == 12
