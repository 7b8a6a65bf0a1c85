"""Metrics of automation: what rose, what cleared, what was asked of business systems."""

from prometheus_client import Counter

ALARMS = Counter("weft_rules_alarms", "Alarms that rose or cleared by rule.", ["change"])
ACTIONS = Counter("weft_rules_actions", "Actions put in the outbox.")
TOO_LATE = Counter(
    "weft_rules_samples_too_late",
    "Late samples that were older than a window of a rule, and changed nothing in it.",
)
