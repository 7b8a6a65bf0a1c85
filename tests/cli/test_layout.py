"""Layout: whatever the width, an id can be copied and nothing is gone in silence."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from weft.cli.layout import block, record_lines, table, terminal_width, wrap

ALARM = {
    "alarm_id": "632b4435-0b76-5d35-ad2f-f0e021523ef7",
    "device_id": "press-2",
    "state": "active",
    "raised_at": "07:20:54",
    "message": "press-2 is at 116.588 degrees and it has been so for a good while by now",
}
NAMES = tuple(ALARM)


def test_a_table_that_fits_has_a_line_for_each_row() -> None:
    """And a column in which nothing stands is not shown."""
    lines, left_out = table([{**ALARM, "label": ""}], (*NAMES, "label"), 200)
    assert len(lines) == 2
    assert "label" not in lines[0]
    assert left_out == []


@given(width=st.integers(1, 160))
def test_an_id_is_whole_at_any_width(width: int) -> None:
    """It is what one copies into the next command."""
    lines, left_out = table([ALARM, ALARM], NAMES, width)
    assert sum(line.startswith(ALARM["alarm_id"]) for line in lines) == 2
    shown = " ".join(lines)
    assert all(name.replace("_", " ") in shown for name in NAMES[:4] if name not in left_out)
    for word in ALARM["message"].split():
        assert word in shown  # a text wraps, or moves below its row, and is never cut


def test_texts_wrap_beside_ids_while_there_is_room_and_move_below_them_then() -> None:
    """At 100 columns beside; at 80 below."""
    beside, _ = table([ALARM], NAMES, 100)
    below, left_out = table([ALARM], NAMES, 80)
    assert click.unstyle(beside[0]).endswith("message")
    assert below[2].startswith("  press-2 is at")
    assert left_out == []
    assert max(cell_len(click.unstyle(line)) for line in [*beside, *below]) <= 100


def test_columns_are_left_out_from_the_right_and_named() -> None:
    """The first column stays, as it names the thing."""
    _, left_out = table([ALARM], NAMES, 50)
    assert left_out == ["raised_at", "state"]


def test_a_record_shows_documents_below_their_names() -> None:
    """Fields in lines, rows as tables, deeper documents as the YAML they were written in."""
    record = {
        "rule_id": "too-hot",
        "evidence": [{"position": 5, "values": {"rpm": 1}}, {"position": 6, "values": {}}],
        "health": {"failures": 0},
        "document": {"actions": [{"work_order": {"priority": "high"}}]},
    }
    lines = [click.unstyle(line) for line in record_lines(record, 80)]
    assert lines[0] == "rule id  too-hot"
    assert "  5         rpm=1" in lines
    assert "  failures  0" in lines
    assert "  - work_order:" in lines


def test_declared_fields_are_a_table() -> None:
    """A device type reads like the page that somebody wrote."""
    lines = block({"temperature": {"type": "number", "unit": "Cel"}, "on": {"type": "boolean"}}, 80)
    assert lines[1].split() == ["temperature", "number", "Cel"]


def test_names_that_somebody_chose_stand_as_they_are_typed() -> None:
    """`interval_s` is what one desires; titled in words it could not be typed."""
    lines = record_lines({"device_id": "pump-1", "attributes": {"built_in": 1998}}, 80)
    assert [click.unstyle(line) for line in lines] == [
        "device id  pump-1",
        "attributes",
        "  built_in  1998",
    ]


def test_a_word_longer_than_the_line_stays_whole() -> None:
    """A token in a narrow terminal is wrapped by the terminal, where it can still be copied."""
    assert wrap("weft_" + "x" * 80, 30) == ["weft_" + "x" * 80]


def test_away_from_a_terminal_nothing_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe sees whole lines; COLUMNS is still obeyed."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() > 10_000
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal_width() == 72
