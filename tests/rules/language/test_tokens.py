"""Words: what they are, where they stand."""

import re

import pytest

from weft.errors import Invalid
from weft.rules.language.tokens import Sort, tokenize


def test_words_carry_their_column() -> None:
    """Columns count from one, spaces and lines included."""
    tokens = tokenize("rpm >=\n 0x1F")
    assert [(one.sort, one.value, one.column) for one in tokens] == [
        (Sort.NAME, "rpm", 1), (Sort.MARK, ">=", 5), (Sort.INT, 31, 9), (Sort.END, "", 13),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("2.5E-3", 0.0025), ("7", 7),
        ("'a\\n\\'b'", "a\n'b"), ('"\\u00e9\\x41"', "éA"), ("'\\U0001F600'", "😀"),
    ],
)  # fmt: skip
def test_literals_mean_what_cel_says(text: str, value: object) -> None:
    """Numbers and texts with their escapes."""
    made = tokenize(text)[0].value
    assert made == value
    assert made.__class__ is value.__class__


@pytest.mark.parametrize(
    ("text", "column", "remedy"),
    [
        ("a & b", 3, "&&"), ("a = b", 3, "=="), ("'abc", 1, "same line"), ("5u", 1, "Write 5"),
        ("80C", 3, "unit"), ("a.for", 3, r"telemetry\['for'\]"), ("'\\q'", 2, "Known are"),
    ],
)  # fmt: skip
def test_a_refusal_names_column_and_remedy(text: str, column: int, remedy: str) -> None:
    """The editor underlines it, and says what to write."""
    with pytest.raises(Invalid, match=f"Column {column}:") as caught:
        tokenize(text)
    assert re.search(remedy, caught.value.remedy)
