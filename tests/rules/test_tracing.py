"""Traces as people read them."""

from weft.rules.tracing import Part, Trace, words_of


def test_a_trace_is_read_from_the_whole_to_its_parts() -> None:
    """Values, what is unknown and why, and which message it came with."""
    below = (
        Part("temperature", 90.5, position=7, at=1),
        Part("rpm", unknown="'rpm' has not been seen yet", device_id="p1"),
    )
    trace = Trace("when", 1, Part("(temperature > 80)", value=True, parts=below), truncated=True)

    assert words_of(trace) == [
        "raised, because",
        "  (temperature > 80) is true",
        "    temperature is 90.5, message 7",
        "    p1: rpm is unknown ('rpm' has not been seen yet)",
        "  … and more than is kept",
    ]
