"""Absence: silence by the clock of receipt."""

from msgspec import UNSET

from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.absence import make_silent
from weft.rules.feeds.base import NEVER, Origin

ORIGIN = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=1_000)


def test_silence_begins_anew_with_each_sample() -> None:
    """Late ones too: whoever empties a buffer is not silent."""
    silent = make_silent({"time": 60}, ORIGIN)
    assert silent.take(1_010, 1_010, 5.0) is False
    assert silent.take(900, 1_050, 5.0) is False
    assert silent.due == 1_110
    assert silent.advance(1_109) is False
    assert silent.advance(1_110) is True
    assert silent.due == NEVER
    assert silent.take(1_200, 1_200, 5.0) is False


def test_who_never_spoke_is_silent_since_it_was_made() -> None:
    """Unknown until then, which neither raises nor clears."""
    silent = make_silent({"time": 60}, ORIGIN)
    assert silent.due == 1_060
    assert silent.advance(1_059) is UNSET
    assert silent.advance(1_060) is True
