"""Every dialect is told apart from the others, and answered where it asks."""

from weft.app.dialects import make_dialects


def test_no_topic_is_in_two_dialects() -> None:
    """The first whose prefix fits would take what the other is meant to read."""
    dialects = list(make_dialects())
    prefixes = [(prefix, dialect.name) for dialect in dialects for prefix in dialect.prefixes]
    for prefix, name in prefixes:
        assert not prefix.startswith("devices/"), name
        for other, owner in prefixes:
            assert name == owner or not prefix.startswith(other), (prefix, other)
