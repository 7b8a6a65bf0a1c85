"""The marker: lags, never leads, and keeps a second process out."""

from pathlib import Path

import pytest

from weft.backends.sqlite.marker import Marker
from weft.errors import StorageError


def test_a_marker_is_read_back(tmp_path: Path) -> None:
    """What was noted is there after a restart."""
    marker = Marker(tmp_path / "m")
    assert marker.value == 0
    marker.write(7)
    marker.write(1 << 60)
    marker.close()

    again = Marker(tmp_path / "m")
    assert (again.value, again.readable) == (1 << 60, True)
    again.close()


@pytest.mark.parametrize("data", [b"x", bytes(12)[:11] + b"\1", b"\7" + bytes(11)])
def test_a_damaged_marker_is_told_from_a_number(tmp_path: Path, data: bytes) -> None:
    """It counts for nothing, and says so."""
    (tmp_path / "m").write_bytes(data)
    marker = Marker(tmp_path / "m")
    marker.close()

    assert (marker.value, marker.readable) == (0, False)


def test_a_marker_has_one_holder(tmp_path: Path) -> None:
    """The lock goes with the process, so a kill leaves none behind."""
    marker = Marker(tmp_path / "m")
    with pytest.raises(StorageError, match="in use"):
        Marker(tmp_path / "m")
    marker.close()
    Marker(tmp_path / "m").close()
