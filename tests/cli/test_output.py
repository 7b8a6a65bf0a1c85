"""Output for people: tables that hold, and texts of devices that steer nothing."""

import pytest

from weft.cli.output import fail, show, show_json
from weft.errors import NotFound


def test_a_page_is_a_table_of_chosen_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """With a word when there is more, beside the table and not in it."""
    show({"items": [{"a": 1, "b": None, "c": "hidden"}], "next": "x"}, ("a", "b"))
    captured = capsys.readouterr()
    assert captured.out == "a\n1\n"
    assert "There are more" in captured.err


def test_an_empty_list_says_what_would_fill_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is only half an answer."""
    show({"items": [], "next": None}, ("a",), "No pumps. Add one: weft device add pump-1")
    show({"items": [], "next": None}, ("a",))
    out = capsys.readouterr().out
    assert out == "No pumps. Add one: weft device add pump-1\nThere are none.\n"


@pytest.mark.parametrize("items", [[], [{"topic": "x"}]])
def test_a_search_says_how_far_back_it_looked(
    capsys: pytest.CaptureFixture[str], items: list[dict[str, str]]
) -> None:
    """Also where it found nothing, and only where there is more to look through."""
    since = "2026-03-01T12:00:00Z"
    show({"items": items, "searched_from": 40, "searched_since": since}, ())
    assert capsys.readouterr().err == f"Looked back to {since}. Further back: --before 40\n"
    show({"items": items, "searched_from": None, "searched_since": since}, ())
    assert capsys.readouterr().err == ""


def test_columns_without_a_place_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a narrow terminal somebody learns what is not shown, and how to see it."""
    monkeypatch.setenv("COLUMNS", "12")
    show({"items": [{"alarm_id": "x" * 10, "state": "active"}], "next": None}, ())
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1] == "x" * 10
    assert "No room for: state" in captured.err


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
    """Yes and no, lists with commas, documents in lines, nothing as a dash."""
    show({"on": True, "off": False, "list": ["a", "b"], "doc": {"x": 1}, "none": None}, ())
    out = capsys.readouterr().out
    for part in ("yes", "no", "a, b", "x  1", "-"):
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
