"""Twins: the delta is what is wanted and not yet so."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from weft.model.ids import DeviceId, TenantId
from weft.model.twin import Properties, Twin

DOCUMENTS = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3) | st.none())


def twin(reported: Properties, desired: Properties) -> Twin:
    """A twin at some version."""
    return Twin(TenantId("main"), DeviceId("pump-7"), 1, reported=reported, desired=desired)


def test_the_delta_names_what_is_wanted_and_not_reported() -> None:
    """Nothing else: what the device says beside it is its own business."""
    both = twin({"rpm": 900, "mode": "auto", "serial": "x"}, {"rpm": 1200, "mode": "auto"})
    assert both.delta() == {"rpm": 1200}


@given(DOCUMENTS, DOCUMENTS)
def test_a_device_that_takes_the_delta_has_caught_up(
    reported: dict[str, Any], desired: dict[str, Any]
) -> None:
    """Merged into what it reports, nothing is left to ask for (unset values aside)."""
    wanted = {name: value for name, value in desired.items() if value is not None}
    first = twin(reported, wanted)
    after = twin({**reported, **first.delta()}, wanted)
    assert after.delta() == {}
