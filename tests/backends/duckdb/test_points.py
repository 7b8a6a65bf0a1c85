"""Readings by column become arrays of points; nothing is lost, absent values are not there."""

from tests.history.support import MAIN, PUMP, T0, rows

from weft.backends.duckdb.points import make_points
from weft.backends.duckdb.series import SeriesNames
from weft.ports import Rows


def test_numbers_and_texts_go_their_ways() -> None:
    """One column of a free device holds both."""
    names = SeriesNames([], 1, keys_per_device=10)
    points = make_points([rows([(0, 1.5), (1, "x"), (2, 3)])], names)
    assert points.numbers is not None
    assert points.texts is not None
    assert points.numbers["value"].tolist() == [1.5, 3.0]
    assert points.numbers["position"].tolist() == [1, 3]
    assert points.texts["value"].tolist() == ['"x"']
    assert points.texts["position"].tolist() == [2]
    assert {(one.key, one.is_text) for one in names.fresh} == {("t", False), ("t", True)}


def test_a_key_that_nobody_sent_is_no_series() -> None:
    """A type declares ten fields, this device has two sensors."""
    names = SeriesNames([], 1, keys_per_device=10)
    part = Rows([MAIN], [PUMP], [T0], [1], ("t", "u"), ([1.0], [None]))
    points = make_points([part], names)
    assert [one.key for one in names.fresh] == ["t"]
    assert points.numbers is not None
    assert points.numbers["value"].tolist() == [1.0]
    assert points.texts is None


def test_nothing_makes_nothing() -> None:
    """No row, no part, only absent values."""
    names = SeriesNames([], 1, keys_per_device=10)
    assert make_points([], names) == (None, None)
    assert make_points([rows([(0, None)])], names) == (None, None)
    assert names.fresh == []


def test_points_of_refused_keys_are_left_out_and_counted() -> None:
    """The device's other keys are kept."""
    names = SeriesNames([], 1, keys_per_device=1)
    points = make_points([rows([(0, 1), (1, 2)]), rows([(0, 3), (1, "x")], key="u")], names)
    assert points.numbers is not None
    assert points.numbers["value"].tolist() == [1, 2]
    assert points.texts is None
    assert names.refused == 2
