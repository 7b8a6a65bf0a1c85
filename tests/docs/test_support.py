"""The reader of pages notices what is wrong: a page that lies must fail."""

from pathlib import Path

import pytest
from tests.docs.support import (
    Reader,
    as_pattern,
    blocks_of,
    code_of,
    first_missing,
    links_of,
)


def page_of(folder: Path, text: str) -> Path:
    """Write a page; `~~~` stands for the fence."""
    page = folder / "page.md"
    page.write_text(text.replace("~~~", "```"))
    return page


def follow(folder: Path, text: str) -> None:
    """Type a page in a folder of its own."""
    home = folder / "home"
    home.mkdir()
    Reader(home).follow(page_of(folder, text))


def test_a_page_that_is_right_passes(tmp_path: Path) -> None:
    """What one block sets and saves is there in the next; a terminal is waited for."""
    follow(
        tmp_path,
        "~~~bash\nNAME=weft\nmkdir in\ncd in\n~~~\n"
        "~~~bash terminal=one\nsleep 0.2; echo here is $NAME; exec sleep 60\n~~~\n"
        "~~~text\nhere … weft\n~~~\n"
        "~~~yaml file=one.yaml\nname: x\n~~~\n"
        "~~~bash\ncat ../one.yaml\n~~~\n~~~text\nname: x\n~~~\n",
    )


@pytest.mark.parametrize(
    "text",
    [
        "~~~bash\nfalse\ntrue\n~~~\n",
        "~~~bash\ncat missing | cat\n~~~\n",
        "~~~bash\necho one two\n~~~\n~~~text\ntwo one\n~~~\n",
        "~~~bash\nprintf 'b\\na\\n'\n~~~\n~~~text\na\nb\n~~~\n",
        "~~~bash elsewhere\nweft devices list\n~~~\n",
        "~~~bash elsewhere\nweft device list --colour red\n~~~\n",
        "~~~bash checkout\nscripts/missing\n~~~\n",
        "~~~bash checkout\nif true\n~~~\n",
        "~~~yaml\nname: x\nwhen: temperature >\nseverity: awful\n~~~\n",
        "~~~yaml\ntelemetry: {x: {type: real}}\n~~~\n",
        "~~~toml\n[api]\nlisten_on = 1\n~~~\n",
        "~~~python\ndef\n~~~\n",
    ],
)
def test_a_page_that_is_wrong_fails(tmp_path: Path, text: str) -> None:
    """A command, an output, a document or an option that is not as the page says."""
    with pytest.raises(AssertionError, match=r"page\.md:"):
        follow(tmp_path, text)


def test_default_ports_are_swapped_and_told_as_the_page_says_them(tmp_path: Path) -> None:
    """Another Weft may hold the default ports while a page is typed."""
    reader = Reader(tmp_path)
    shown = reader.type("echo http://127.0.0.1:8080/ 18080 8080x")
    assert shown.split()[0] == f"http://127.0.0.1:{reader.ports['8080']}/"
    assert shown.split()[1:] == ["18080", "8080x"]


def test_blocks_are_found_with_their_words_in_lists_too(tmp_path: Path) -> None:
    """A block below a list's item is indented; its text is not."""
    page = page_of(tmp_path, "1. do\n\n   ~~~bash terminal=a\n   echo x\n     y\n   ~~~\n")
    (block,) = blocks_of(page)
    assert (block.language, block.words, block.text, block.line) == (
        "bash",
        {"terminal": "a"},
        "echo x\n  y\n",
        4,
    )


def test_lines_of_output_may_leave_out_what_differs() -> None:
    """`…` is anything, any space is like any other, and the order counts."""
    wanted = [as_pattern("id  …  x"), as_pattern('"at": "…"')]
    assert not first_missing(wanted, 'id 42   x\n noise\n "at": "now"\n')
    assert first_missing(wanted, '"at": "now"\nid 42 x\n') == wanted[1]


def test_links_of_a_page_are_those_of_its_text(tmp_path: Path) -> None:
    """Links in code and to other places are not followed."""
    page = page_of(tmp_path, "[a](b.md#c) [d](https://e) [f](#g)\n~~~text\n[h](i.md)\n~~~\n")
    assert list(links_of(page)) == ["b.md"]


def test_code_within_the_text_is_found_over_the_end_of_a_line(tmp_path: Path) -> None:
    """A command is broken where the line ends; it is still one command."""
    page = page_of(tmp_path, "a `weft rule\nlist` and ``x`` `y`\n~~~bash\n`date`\n~~~\n")
    assert list(code_of(page)) == ["weft rule list", "y"]
