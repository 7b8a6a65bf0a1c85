"""Metrics of commands: how many, to which end."""

from prometheus_client import Counter, Gauge

OPEN = Gauge("weft_commands_open", "Commands without an outcome.")
SENT = Counter("weft_commands_sent", "Commands that senders asked for.")
ENDED = Counter("weft_commands_ended", "Commands that ended, by outcome.", ["state"])
LATE = Counter("weft_commands_late_results", "Answers to commands that had ended.")
LEFT_OUT = Counter(
    "weft_commands_results_left_out", "Answers that decided nothing and for which was no room."
)
UNKNOWN = Counter("weft_commands_unknown_results", "Answers to commands that nobody sent.")
