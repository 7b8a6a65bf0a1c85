"""Gateways of a file: above or below, never in a circle."""

from hypothesis import given
from hypothesis import strategies as st

from weft.registry.import_gateways import arranged
from weft.registry.rows import FileFormat, Row, read_rows


def read(*lines: str) -> list[Row]:
    content = "\n".join(("device_id,gateway,alias", *lines))
    return arranged(read_rows(content.encode(), FileFormat.CSV))


def told(rows: list[Row]) -> dict[str, str]:
    return {row.device_id: f"{row.error.column}: {row.error.detail}" for row in rows if row.error}


def test_a_gateway_below_its_devices_is_done_before_them() -> None:
    """Nobody sorts a spreadsheet for us; what needs no order keeps its own."""
    rows = read("a,gate,", "b,,", "gate,,", "c,gate,", "d,elsewhere,")
    assert [row.device_id for row in rows] == ["b", "gate", "c", "d", "a"]
    assert {row.device_id: row.behind for row in rows} == {
        "a": 1, "b": None, "gate": None, "c": 1, "d": None,
    }  # fmt: skip
    assert [row.line for row in rows] == [3, 4, 5, 6, 2]


def test_cycles_and_gateways_of_gateways_are_told_row_by_row() -> None:
    """Each with its column; what hangs on none of them goes through."""
    rows = read("a,a,", "b,c,", "c,b,", "d,e,", "e,f,", "f,,", "g,f,")
    assert told(rows) == {
        "a": "gateway: 'a' cannot be its own gateway.",
        "b": "gateway: The gateway 'c' stands behind 'b' itself, in line 4.",
        "c": "gateway: The gateway 'b' stands behind 'c' itself, in line 3.",
        "d": "gateway: The gateway 'e' stands behind 'f' itself, in line 6.",
    }
    assert all(row.error.remedy for row in rows if row.error)


def test_a_gateway_calls_no_two_devices_the_same() -> None:
    """Where no alias is said, its id is what it is called."""
    rows = read("a,gate,x", "b,gate,x", "c,other,x", "x2,gate,a", "a3,gate,x2")
    assert list(told(rows)) == ["b"]
    rows = read("x2,gate,", "b,gate,x2")
    assert told(rows) == {"b": "alias: The gateway 'gate' calls the device of line 2 'x2' already."}


NAMES = st.sampled_from("abcdef")


@given(pairs=st.dictionaries(NAMES, st.none() | NAMES, min_size=1))
def test_each_row_is_done_once_and_behind_its_gateway(pairs: dict[str, str | None]) -> None:
    """Whatever hangs on whatever: no row is lost, and no good one comes before its gateway."""
    rows = read(*(f"{name},{gateway or ''}," for name, gateway in pairs.items()))
    assert sorted(row.device_id for row in rows) == sorted(pairs)
    place = {row.device_id: number for number, row in enumerate(rows)}
    for number, row in enumerate(rows):
        gateway = pairs[row.device_id]
        if row.error is None and gateway in pairs:
            assert gateway is not None
            assert row.behind == place[gateway] < number
            assert pairs[gateway] is None
