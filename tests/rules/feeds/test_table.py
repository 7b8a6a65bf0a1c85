"""The table: names that a condition may use, each its own."""

from weft.rules.feeds.table import FUNCTIONS
from weft.rules.language.tokens import RESERVED


def test_every_name_can_be_written() -> None:
    """No reserved word, and the key is the function's own name."""
    assert not RESERVED & set(FUNCTIONS)
    assert all(name == function.name for name, function in FUNCTIONS.items())
    assert {"mean", "min", "max", "sum", "count", "stddev"} <= set(FUNCTIONS)
