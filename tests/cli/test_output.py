"""Output for people: tables that hold, and texts of devices that steer nothing."""

import pytest

from weft.cli.output import fail, show, show_json
from weft.errors import NotFound


def test_a_page_is_a_table_of_chosen_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """With a word when there is more."""
    show({"items": [{"a": 1, "b": None, "c": "hidden"}], "next": "x"}, ("a", "b"))
    out = capsys.readouterr().out
    assert "hidden" not in out
    assert "There are more" in out


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """A device's label must not clear the screen of whoever lists it."""
    show({"items": [{"label": "\x1b[2Jgone"}], "next": None}, ())
    show({"label": "\x1b]0;title\x07"}, ())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[2Jgone" in out


def test_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets in a label are not styles."""
    show({"label": "[bold]loud[/bold]"}, ())
    assert "[bold]loud[/bold]" in capsys.readouterr().out


def test_values_are_written_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Yes and no, lists with commas, documents as JSON, nothing as a dash."""
    show({"on": True, "off": False, "list": ["a", "b"], "doc": {"x": 1}, "none": None}, ())
    out = capsys.readouterr().out
    for part in ("yes", "no", "a, b", '"x": 1', "-"):
        assert part in out
    show(None, ())
    show("text", ())
    assert capsys.readouterr().out == "Done.\ntext\n"


def test_machines_get_json_and_errors_go_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two streams, so that a pipe reads answers only."""
    show_json({"ü": 1})
    fail(NotFound("There is no pump.", remedy="Buy one."))
    captured = capsys.readouterr()
    assert captured.out == '{\n  "ü": 1\n}\n'
    assert captured.err == "There is no pump.\n  Buy one.\n"
