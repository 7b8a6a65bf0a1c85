"""One statement per question; what a caller writes never becomes SQL."""

from tests.history.support import T0, S, ask

from weft.backends.duckdb.queries import Wanted, bucket_sql, raw_sql

NUMBERS = [Wanted(0, "fan", "t", 1, None), Wanted(1, "pump", "t", 2, None)]
MIXED = [Wanted(0, "fan", "t", 1, 3)]


def test_texts_are_read_only_where_there_are_some() -> None:
    """A chart of numbers does not pay for words."""
    assert "FROM texts" not in raw_sql(ask(), NUMBERS)[0]
    assert "FROM texts" in raw_sql(ask(), MIXED)[0]


def test_names_and_moments_are_never_written_into_sql() -> None:
    """A device called `x'; DROP TABLE recent` is a parameter at most."""
    evil = "x'; DROP TABLE recent; --"
    wanted = [Wanted(0, evil, evil, 1, 2)]
    after = (T0, evil, evil)
    for sql, parameters in (
        raw_sql(ask(devices=(evil,), keys=(evil,), after=after), wanted),
        bucket_sql(ask(devices=(evil,), keys=(evil,), bucket_ns=S, after=after), wanted),
    ):
        assert "DROP" not in sql
        assert sql.count("?") == len(parameters)


def test_a_page_of_raw_samples_reads_from_where_the_last_one_ended() -> None:
    """The thousandth page costs what the first one did."""
    _sql, parameters = raw_sql(ask(after=(T0 + 5, "pump", "t")), NUMBERS)
    assert parameters[:2] == [T0 + 5, ask().end]
    _sql, parameters = raw_sql(ask(after=(T0 + 5, "pump", "t"), descending=True), NUMBERS)
    assert parameters[:2] == [ask().start, T0 + 6]


def test_a_cursor_between_two_series_keeps_the_order() -> None:
    """Its device is not among those asked for any more."""
    assert raw_sql(ask(after=(T0, "pump", "t")), NUMBERS)[1][-1] == 1
    assert raw_sql(ask(after=(T0, "go", "t")), NUMBERS)[1][-1] == 0.5


def test_a_rate_is_computed_only_where_it_is_asked_for() -> None:
    """It needs a window over all samples."""
    assert "lag" not in bucket_sql(ask(bucket_ns=S), NUMBERS)[0]
    assert "lag" in bucket_sql(ask(bucket_ns=S, aggregates=("rate",)), NUMBERS)[0]


def test_a_picture_has_no_page() -> None:
    """Fewer points are chosen from all of them."""
    assert "LIMIT" in raw_sql(ask(), NUMBERS)[0]
    assert "LIMIT" not in raw_sql(ask(max_points=5), NUMBERS)[0]
