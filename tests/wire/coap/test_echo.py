"""Echo: only who could read the challenge can answer it (RFC 9175)."""

import pytest

from weft.wire.coap.echo import SIZE, Challenged, Echo

KEY = b"k" * 32


def test_co_2_a_value_is_good_for_its_address_only() -> None:
    """Another port is another address."""
    echo = Echo(KEY, 60.0)
    value = echo.value(("192.0.2.1", 5000), 100.0)
    assert len(value) == SIZE
    assert echo.is_fresh(value, ("192.0.2.1", 5000), 100.0)
    assert not echo.is_fresh(value, ("192.0.2.1", 5001), 100.0)
    assert not Echo(b"j" * 32, 60.0).is_fresh(value, ("192.0.2.1", 5000), 100.0)


def test_co_2_a_value_grows_old() -> None:
    """It is good in its window and the next one."""
    echo = Echo(KEY, 60.0)
    value = echo.value("a", 119.0)
    assert echo.is_fresh(value, "a", 121.0)
    assert echo.is_fresh(value, "a", 179.0)
    assert not echo.is_fresh(value, "a", 180.0)


def test_values_of_other_sizes_are_wrong_not_fatal() -> None:
    """The option takes 1 to 40 bytes."""
    echo = Echo(KEY, 60.0)
    assert not echo.is_fresh(b"", "a", 0.0)
    assert not echo.is_fresh(b"x" * 40, "a", 0.0)


def test_a_short_key_is_refused() -> None:
    """It would be guessed instead."""
    with pytest.raises(ValueError, match="16 bytes"):
        Echo(b"short", 60.0)


def test_co_5_what_was_challenged_is_remembered_in_a_fixed_table() -> None:
    """The latest ones; a flood overwrites and adds nothing."""
    challenged = Challenged()
    assert not challenged.has("a", 1)
    challenged.add("a", 1)
    assert challenged.has("a", 1)
    assert not challenged.has("a", 2)
    assert not challenged.has("b", 1)
    for number in range(200_000):
        challenged.add("flood", number)
    assert challenged.has("flood", 199_999)
    assert sum(challenged.has("flood", number) for number in range(200_000)) <= 1 << 16
