"""What the one door counts, for operators."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class PipelineMetrics:
    """Counters of the pipeline; one instance per process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter(
            "weft_ingest_messages", "Messages committed to the journal.", registry=self.registry
        )
        self.batches = Counter("weft_ingest_batches", "Journal commits.", registry=self.registry)
        self.failed_commits = Counter(
            "weft_ingest_failed_commits",
            "Journal commits that failed; their messages were not acknowledged.",
            registry=self.registry,
        )
        self.rejected = Counter(
            "weft_ingest_rejected",
            "Messages refused and kept in the rejection inbox, by reason.",
            ["code"],
            registry=self.registry,
        )
        self.parked = Counter(
            "weft_ingest_parked",
            "Messages that a projection failed on (a bug) and left out.",
            ["projection"],
            registry=self.registry,
        )
        self.duplicates = Counter(
            "weft_ingest_duplicates",
            "Messages sent again that were known and not stored twice.",
            registry=self.registry,
        )
        self.head = Gauge(
            "weft_journal_head", "Position of the newest message.", registry=self.registry
        )

    def committed(self, messages: int, last: int) -> None:
        """Count one commit."""
        self.messages.inc(messages)
        self.batches.inc()
        self.head.set(last)
