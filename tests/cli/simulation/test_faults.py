"""Faults by name, as they are typed."""

import pytest

from weft.cli.simulation.faults import Fault, read_fault
from weft.errors import Invalid


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_found_by_its_name(fault: Fault) -> None:
    """All of them."""
    assert read_fault(str(fault)) is fault


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    """So that nobody looks for the list."""
    with pytest.raises(Invalid) as caught:
        read_fault("rust")
    assert "rust" in caught.value.detail
    assert all(fault in caught.value.remedy for fault in Fault)
