"""Rows become pages in one order."""

from tests.history.support import S, ask

from weft.history.tables import Row, fewer, make_table, names_of, to_table

ROWS: list[Row] = [(2, "b", "k", (4,)), (1, "b", "k", (3,)), (1, "a", "k", (1,))]


def test_rows_come_by_moment_then_device_then_key() -> None:
    """Whatever order they were found in."""
    assert make_table(ask(), ROWS).columns == {
        "device": ["a", "b", "b"],
        "key": ["k", "k", "k"],
        "at": [1, 1, 2],
        "value": [1, 3, 4],
    }
    assert make_table(ask(descending=True), ROWS).columns["value"] == [4, 3, 1]


def test_a_page_says_where_the_next_one_begins() -> None:
    """The last page says that there is none."""
    page = make_table(ask(limit=2), ROWS)
    assert page.next == (1, "b", "k")
    last = make_table(ask(limit=2, after=page.next), ROWS)
    assert last.columns["value"] == [4]
    assert last.next is None


def test_buckets_have_a_column_for_each_aggregate() -> None:
    """Raw samples have one, named value."""
    assert names_of(ask()) == ("value",)
    query = ask(bucket_ns=S, aggregates=("min", "max"))
    table = to_table(query, [(1, "a", "k", (5, 6))], more=False)
    assert table.columns["min"] == [5]
    assert table.columns["max"] == [6]


def test_a_picture_of_numbers_keeps_its_peak_and_one_of_words_is_thinned() -> None:
    """Words and numbers mixed are thinned like words."""
    rows: list[Row] = [(i, "a", "k", (9 if i == 40 else 0,)) for i in range(100)]
    assert (40, "a", "k", (9,)) in fewer(rows, 5)
    rows[3] = (3, "a", "k", ("x",))
    assert len(fewer(rows, 5)) == 5
    assert fewer(rows[:4], 5) == rows[:4]
