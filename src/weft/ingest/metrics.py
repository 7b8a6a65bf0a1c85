"""Metrics of the one door: what came in, what was refused, what was parked."""

from prometheus_client import Counter, Gauge

MESSAGES = Counter("weft_ingest_messages", "Messages committed to the journal.")
BATCHES = Counter("weft_ingest_batches", "Journal commits.")
FAILED_COMMITS = Counter(
    "weft_ingest_failed_commits", "Journal commits that failed; nothing was acknowledged."
)
REJECTED = Counter(
    "weft_ingest_rejected", "Messages refused and kept in the rejection inbox.", ["code"]
)
PARKED = Counter(
    "weft_ingest_parked", "Messages that a projection failed on (a bug).", ["projection"]
)
DUPLICATES = Counter("weft_ingest_duplicates", "Messages sent again that were stored before.")
UNANSWERED = Counter(
    "weft_ingest_unanswered", "Questions in a dialect that came faster than they were answered."
)
DIALECT_UNUSED = Counter(
    "weft_ingest_dialect_unused",
    "Messages of a dialect that were understood and needed nothing.",
    ["dialect", "event"],
)
HEAD = Gauge("weft_journal_head", "Position of the newest message.")
