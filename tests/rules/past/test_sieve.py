"""The sieve: the same alarms to the last piece of evidence, from a fraction of the samples."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.past.support import Past
from tests.rules.support import MACHINE, MAIN, START, S, device, hot

from weft.ports import Rows
from weft.rules.ledger import Firing
from weft.rules.past import run as module
from weft.rules.past.run import Run
from weft.rules.past.settings import ReplaySettings
from weft.rules.past.sieve import make_sieve
from weft.rules.past.sources import Watched
from weft.rules.replay import trial_rule

CONDITIONS = [
    ("temperature > 80", None),
    ("temperature > 80", "temperature < 75"),
    ("temperature > 80 && pressure >= 2", None),
    ("temperature > 80 || pressure >= 2", "temperature < 75"),
    ("!(temperature + pressure * 2 - 1 > 80)", None),
    ("pressure / (temperature - 78) > 1", None),
    ("rpm * 2 == 180 || -rpm < -89", None),
    ("rpm - 78 != 0 && temperature / 2 > rpm / 2.0", "pressure < 2"),
]
SAMPLES = st.lists(
    st.tuples(
        st.sampled_from(["pump-7", "pump-8"]),
        st.integers(0, 40),
        st.dictionaries(
            st.sampled_from(["temperature", "pressure", "rpm"]),
            st.sampled_from([1, 2, 78, 81, 90]),
            min_size=1,
        ),
    ),
    max_size=40,
)
EACH = ReplaySettings(share=1.0, samples_at_once=8)  # several tables in every longer test


async def past_of(samples: list[tuple[str, int, dict[str, Any]]]) -> Past:
    """A past that history alone tells."""
    past = Past(device(), device("pump-8"))
    for place, (name, second, values) in enumerate(samples):
        at = [START + second * S]
        columns = tuple([value] for value in values.values())
        rows = Rows([MAIN], [name], at, [place + 1], tuple(values), columns)
        await past.store.append([rows], place + 1)
    past.forget(1)
    past.journal.tail = past.journal.head + 2  # it has forgotten everything
    return past


async def firings(past: Past, document: dict[str, Any]) -> list[Any]:
    """Return what a run finds, less the places that count what was looked at."""

    def told(one: Firing) -> Any:
        evidence = [(sample.at, sample.values) for sample in one.evidence]
        return one.device_id, one.raised_at, one.cleared_at, one.message, evidence

    run = Run(past.given, MAIN, past.asked(document), EACH)
    await run.run()
    found = sorted(told(one) for one in run.side.firings)
    return [*found, run.side.health.failures, run.side.health.last_failure]


@settings(max_examples=150, deadline=None)
@given(
    samples=SAMPLES,
    condition=st.sampled_from(CONDITIONS),
    waits=st.tuples(st.sampled_from(["0s", "3s"]), st.sampled_from(["0s", "4s"])),
)
async def test_the_sieve_changes_no_alarm(
    samples: list[tuple[str, int, dict[str, Any]]],
    condition: tuple[str, str | None],
    waits: tuple[str, str],
) -> None:
    """Two pumps, three keys that come together or apart, waits, and several tables."""
    when, clear = condition
    more = {} if clear is None else {"clear": clear}
    message = "{device}: {temperature}, {pressure}, {rpm}"
    document = hot(when=when, message=message, **{"for": waits[0]}, clear_for=waits[1], **more)
    past = await past_of(samples)
    sieved = await firings(past, document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "make_sieve", lambda *_given: None)
        assert sieved == await firings(past, document)


def sieve(**more: Any) -> object:
    """Return the sieve of a rule over a machine."""
    past = Past()
    rule = trial_rule(hot(**more), MAIN, past.plant.around)
    return make_sieve(rule, [Watched(device(), MACHINE)])


def test_what_remembers_or_reads_texts_is_looked_at_sample_by_sample() -> None:
    """There is no sieve for it."""
    assert sieve() is not None
    for when in ("held(temperature > 80, 5m)", "mode == 'run'", "running", "rpm / 2 > 3",
                 "device.id == 'x' && temperature > 1", "has(rpm) && rpm > 1"):  # fmt: skip
        assert sieve(when=when) is None
    assert sieve(clear="mode == 'run'") is None


async def test_a_text_among_numbers_ends_the_sieve() -> None:
    """A free device says "hot" for once; from there on the exact evaluator sees all."""
    past = Past(device("free", type_name=None))
    for place, value in enumerate((60, 90, "hot", 60, 90)):
        rows = Rows([MAIN], ["free"], [START + place * S], [place + 1], ("t",), ([value],))
        await past.store.append([rows], place + 1)
    past.journal.tail = 2
    document = {"name": "free", "when": "t > 80"}
    found = await firings(past, document)
    assert len(found) == 2 + 2
    assert found[-2] == 1  # a text is compared with a number


async def test_a_quiet_fleet_is_read_and_hardly_looked_at() -> None:
    """Of a thousand samples below the threshold one a device and table is evaluated."""
    past = Past()
    count = 1_000
    at = [START + second * S for second in range(count)]
    positions = list(range(1, count + 1))
    rows = Rows([MAIN] * count, ["pump-7"] * count, at, positions, ("temperature",),
                ([60.0] * count,))  # fmt: skip
    await past.store.append([rows], count)
    past.journal.tail = 2
    run = Run(past.given, MAIN, past.asked(hot()), ReplaySettings(share=1.0))
    seen = 0
    apply = run.side.apply

    def counted(batch: Any) -> None:
        nonlocal seen
        seen += len(batch.envelopes)
        apply(batch)

    run.side.apply = counted  # type: ignore[method-assign]  # counts what comes through
    await run.run()
    assert (run.progress.samples, seen) == (count, 2)
