"""Every reason has a remedy, and none tells the peer's secret."""

from weft.errors import RateLimited
from weft.security import reasons
from weft.security.reasons import Reason


def test_every_reason_says_what_to_do() -> None:
    """In a sentence: it is read by somebody whose device does not connect."""
    known = [value for value in vars(reasons).values() if isinstance(value, Reason)]
    assert len(known) > 8
    for reason in known:
        assert reason.text == reason.text.strip()
        assert not reason.text.endswith(".")  # it stands within a sentence
        assert reason.remedy.endswith(".")
    assert len({reason.text for reason in known}) == len(known)


def test_who_is_slowed_down_reads_for_how_long() -> None:
    """Otherwise it looks like a credential that is still wrong."""
    reason = reasons.too_many_failures(RateLimited("", retry_after_s=7.0))
    assert "7.0 s" in reason.text
    assert reason.remedy
