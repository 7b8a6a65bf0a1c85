"""Series: one number for one key of one device, for ever."""

from hypothesis import given, settings
from hypothesis import strategies as st

from weft.backends.duckdb import series as series_module
from weft.backends.duckdb.series import Series, SeriesNames


def names(stored: list[Series] | None = None, next_id: int = 1, keys: int = 100) -> SeriesNames:
    return SeriesNames(stored or [], next_id, keys_per_device=keys)


def numbers(of: SeriesNames, key: str, devices: list[str], *, is_text: bool = False) -> list[int]:
    tenants = ["main"] * len(devices)
    found: list[int] = of.ids(key, of.rows(tenants, devices), is_text=is_text).tolist()
    return found


def test_a_name_has_one_number_and_a_number_one_name() -> None:
    """Numbers and texts of one key are two series."""
    known = names()
    first = numbers(known, "t", ["a", "b", "a"])
    assert first[0] == first[2] != first[1]
    assert numbers(known, "t", ["b", "a"]) == [first[1], first[0]]
    other = numbers(known, "t", ["a"], is_text=True) + numbers(known, "u", ["a"])
    assert len({*first, *other}) == 4
    assert known.keys("main", "a") == {first[0]: "t", other[0]: "t", other[1]: "u"}
    assert known.find("main", "b", "u", is_text=False) is None
    assert known.find("main", "c", "t", is_text=False) is None


def test_what_is_new_waits_to_be_stored_and_is_known_after_a_restart() -> None:
    """The next process reads the same dictionary and goes on counting."""
    known = names()
    ids = numbers(known, "t", ["a", "b"])
    again = names(known.fresh, known.next_id)
    assert numbers(again, "t", ["b", "a"]) == ids[::-1]
    assert again.fresh == []
    assert numbers(again, "t", ["c"]) == [3]


def test_tenants_do_not_share_numbers() -> None:
    """Two pump-7 are two series (TN-1)."""
    known = names()
    rows = known.rows(["main", "other", "main"], ["p", "p", "p"])
    first, second, third = known.ids("t", rows, is_text=False).tolist()
    assert first == third != second
    assert known.find("other", "p", "t", is_text=False) == second


def test_a_forgotten_device_is_another_one_when_it_comes_back() -> None:
    """Its number is not used again."""
    known = names()
    (old,) = numbers(known, "t", ["a"])
    known.forget("main", "a")
    known.forget("main", "never-there")
    assert known.find("main", "a", "t", is_text=False) is None
    assert known.keys("main", "a") == {}
    assert numbers(known, "t", ["a"]) != [old]


def test_a_device_that_numbers_its_keys_is_stopped() -> None:
    """Other devices and the keys it has go on."""
    known = names(keys=3)
    ids = [numbers(known, f"k{i}", ["a"])[0] for i in range(5)]
    assert [number > 0 for number in ids] == [True, True, True, False, False]
    assert known.refused == 2
    assert numbers(known, "k0", ["a"]) == ids[:1]
    assert numbers(known, "k4", ["b"])[0] > 0


def test_arrays_of_many_keys_are_bounded(monkeypatch: object) -> None:
    """A flood of keys makes arrays anew; numbers stay what they are."""
    known = names()
    limit = series_module.KEY_ARRAYS_MAX
    device_of = [f"d{i % 50}" for i in range(limit + 10)]
    first = [numbers(known, f"k{i}", [device])[0] for i, device in enumerate(device_of)]
    again = [numbers(known, f"k{i}", [device])[0] for i, device in enumerate(device_of)]
    assert first == again
    assert len(known._arrays) <= limit


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("tuv")), max_size=80))
@settings(deadline=None)  # a busy machine is no fault
def test_any_order_of_meeting_gives_distinct_numbers(seen: list[tuple[str, str]]) -> None:
    """Devices and keys that come in any order, one at a time."""
    known = names()
    found: dict[tuple[str, str], int] = {}
    for device, key in seen:
        (number,) = numbers(known, key, [device])
        assert found.setdefault((device, key), number) == number
    assert len(set(found.values())) == len(found) == len(known.fresh)
