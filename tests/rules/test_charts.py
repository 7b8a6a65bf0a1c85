"""Charts: what was measured stays with the work order when history has forgotten it."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.rules.faults import Machine, rule_of, trips
from tests.rules.support import MAIN, S

from weft.errors import NotFound
from weft.model.alarm import Evidence
from weft.ports import HistoryQuery, HistoryTable
from weft.rules.charts import BEFORE_NS, TRIED_NS, Charts, get_chart, keys_of


class FakeHistory:
    """Has three samples until it forgets them."""

    def __init__(self, at: int) -> None:
        self.asked: list[HistoryQuery] = []
        self.rows: list[tuple[str, str, int, Any]] = [
            ("sensor-00", "temperature", at - 2 * S, 70.0),
            ("sensor-00", "temperature", at - S, 81),
            ("sensor-00", "mode", at - S, "auto"),
        ]

    async def query(self, query: HistoryQuery) -> HistoryTable:
        self.asked.append(query)
        names = ("device", "key", "at", "value")
        return HistoryTable({name: [row[i] for row in self.rows] for i, name in enumerate(names)})


async def ready() -> tuple[Machine, Charts, FakeHistory, str]:
    machine = Machine()
    now = machine.plant.clock.now()
    (rule,) = await machine.ready(rule_of("hot"))
    sample = Evidence(7, now, {"temperature": 99.0, "mode": "auto", "running": True})
    await machine.write(replace(trips(rule, "sensor-00", at=now), evidence=(sample,)))
    (order,) = await machine.plant.orders()
    history = FakeHistory(now)
    charts = Charts(machine.records, history.query, machine.plant.clock)
    return machine, charts, history, order.work_order_id


async def test_a_chart_is_made_once_and_outlives_the_samples() -> None:
    """A minute after the alarm; then history forgets."""
    machine, charts, history, order_id = await ready()
    assert await charts.make_missing() == 0  # what follows the alarm is not there yet
    machine.plant.clock.turn(61)
    assert await charts.make_missing() == 1
    history.rows.clear()
    assert await charts.make_missing() == 0
    chart = await get_chart(machine.records, MAIN, order_id)
    (series,) = chart.series
    assert (series.device_id, series.key, series.values) == (
        "sensor-00", "temperature", (70.0, 81.0)
    )  # fmt: skip
    (query,) = history.asked
    assert (query.keys, query.end - query.start) == (("temperature",), BEFORE_NS + 60 * S)


async def test_an_order_that_is_too_old_gets_no_chart() -> None:
    """Weft was down for a day: nothing is looked for each minute for ever."""
    machine, charts, _history, order_id = await ready()
    machine.plant.clock.turn(TRIED_NS / S + 1)
    assert await charts.make_missing() == 0
    with pytest.raises(NotFound):
        await get_chart(machine.records, MAIN, order_id)


async def test_only_numbers_are_drawn() -> None:
    """Texts and switches have no curve."""
    machine, _charts, _history, _order_id = await ready()
    (order,) = await machine.plant.orders()
    assert keys_of(order) == ("temperature",)
