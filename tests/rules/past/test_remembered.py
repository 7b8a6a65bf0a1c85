"""Windows over columns: the same alarms as sample by sample, and the same windows afterwards."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.past.support import Past
from tests.rules.past.test_sieve import EACH, firings, past_of
from tests.rules.support import MAIN, START, S, device, hot

from weft.ports import Rows
from weft.rules.past import run as module
from weft.rules.past.model import ReplayPath
from weft.rules.past.run import Run

CONDITIONS = [
    ("mean(temperature, 5s) > 80", None),
    ("mean(temperature, 5s) > 80", "max(temperature, 3s) < 75"),
    ("min(temperature, 20s) > 1 && pressure >= 2", None),
    ("sum(temperature, 6s) > 200 || pressure >= 90", "sum(temperature, 6s) == 0.0"),
    ("count(temperature, 5s) == 0", None),
    ("count(temperature, 5s) > 2", "count(temperature, 5s) < 1 && max(pressure, 4s) > 2"),
    ("count(pressure, 2 samples) > 1 && mean(temperature, 3 samples) > 60", None),
    ("delta(temperature, 10s) > 10", "rate(temperature, 10s) < 0.0"),
    ("rate(temperature, 9s) > 5", "mean(pressure, 4s) < 50 && temperature < 90"),
    ("stddev(rpm, 8s) > 3 || slope(rpm, 8s) > 1", None),
    ("increase(rpm, 8s) * 2 > 90.0", "!(increase(rpm, 8s) > 1.0)"),
]
SAMPLES = st.lists(
    st.tuples(
        st.sampled_from(["pump-7", "pump-8"]),
        st.one_of(st.integers(0, 12), st.integers(0, 60)),
        st.dictionaries(
            st.sampled_from(["temperature", "pressure", "rpm"]),
            st.sampled_from([1, 2, 78, 81, 90]),
            min_size=1,
        ),
    ),
    max_size=50,
)


async def both(past: Past, document: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return what a run finds on the fast path, and sample by sample."""
    fast = await firings(past, document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "make_sieve", lambda *_given: None)
        return fast, await firings(past, document)


def document_of(condition: tuple[str, str | None], waits: tuple[str, str]) -> dict[str, Any]:
    when, clear = condition
    more = {} if clear is None else {"clear": clear}
    message = "{device}: {temperature}, {pressure}, {rpm}"
    return hot(when=when, message=message, **{"for": waits[0]}, clear_for=waits[1], **more)


WAITS = st.tuples(st.sampled_from(["0s", "3s", "7s"]), st.sampled_from(["0s", "4s"]))


@settings(max_examples=150, deadline=None)
@given(samples=SAMPLES, condition=st.sampled_from(CONDITIONS), waits=WAITS)
async def test_windows_over_columns_change_no_alarm(
    samples: list[tuple[str, int, dict[str, Any]]],
    condition: tuple[str, str | None],
    waits: tuple[str, str],
) -> None:
    """Two pumps, keys together and apart, silences that empty windows, waits, several tables."""
    fast, exact = await both(await past_of(samples), document_of(condition, waits))
    assert fast == exact


@settings(max_examples=50, deadline=None)
@given(
    samples=SAMPLES.filter(lambda some: len(some) > 4),
    condition=st.sampled_from(CONDITIONS),
    waits=WAITS,
    kept=st.integers(2, 30),
)
async def test_the_journal_goes_on_with_the_windows_of_history(
    samples: list[tuple[str, int, dict[str, Any]]],
    condition: tuple[str, str | None],
    waits: tuple[str, str],
    kept: int,
) -> None:
    """The journal still has the newest; what is remembered when it begins is what it was live."""
    past = Past(device(), device("pump-8"))
    for name, second, values in sorted(samples, key=lambda one: one[1]):
        typed = {key: value if key == "rpm" else float(value) for key, value in values.items()}
        await past.hear(second, typed, name=name)
    past.forget(max(len(samples) - kept, 2))
    fast, exact = await both(past, document_of(condition, waits))
    assert fast == exact


async def path_of(past: Past, document: dict[str, Any]) -> ReplayPath:
    run = Run(past.given, MAIN, past.asked(document), EACH)
    await run.run()
    return run.path


async def test_the_report_says_which_path_was_taken() -> None:
    """Windows over keys are worked out; a clock, a feed of a feed and a text are not."""
    past = await past_of([("pump-7", second, {"temperature": 60}) for second in range(20)])
    assert await path_of(past, hot(when="mean(temperature, 5s) > 80")) is ReplayPath.FAST
    assert (await past.replay(hot(when="max(temperature, 5s) > 80"))).path is ReplayPath.FAST
    for when in (
        "mean(max(temperature, 2 samples), 5s) > 80",
        "mean(temperature * 2.0, 5s) > 80",
        "held(temperature > 80, 5s)",
        "mode == 'run' && mean(temperature, 5s) > 80",
        "during('Mon-Fri 06:00-22:00', 'UTC') && mean(temperature, 5s) > 80",
    ):
        assert await path_of(past, hot(when=when)) is ReplayPath.EXACT, when


async def test_a_text_among_numbers_leaves_the_windows_to_the_exact_path() -> None:
    """A free device says "hot" for once; its window goes on with what it had."""
    past = Past(device("free", type_name=None))
    for place in range(60):
        value = "hot" if place == 40 else float(place)
        rows = Rows([MAIN], ["free"], [START + place * S], [place + 1], ("t",), ([value],))
        await past.store.append([rows], place + 1)
    past.journal.tail = 2
    document = {"name": "free", "when": "mean(t, 10s) > 45"}
    fast, exact = await both(past, document)
    assert fast == exact
    assert await path_of(past, document) is ReplayPath.EXACT
