"""The business half: alarms become actions, and what is configured wrongly is refused at start."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.app.support import HOT, add_pump, eventually, opened, send, served
from tests.connectors.own import Order

from weft.app.compose import MACHINE, MAIN, Weft
from weft.app.housekeeping import Housekeeping
from weft.errors import ConfigurationError, ConnectorError, Invalid
from weft.model.alarm import OutboxEntry
from weft.rules.plans import ByMeter, Plan, Plans

# A far side that nobody listens at: what is asked of it waits.
HOOK = (
    'connectors.hook={kind="webhook", url="http://127.0.0.1:9/x", secret="env:WEFT_TEST_HOOK",'
    ' allow=["127.0.0.1/32"]}'
)
RULE = {**HOT, "actions": [{"work_order": {"connector": "hook", "title": "look at it"}}]}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_TEST_HOOK", "s" * 32)


async def entries(weft: Weft) -> list[OutboxEntry]:
    """Return what the outbox has tried at least once."""
    found = await weft.business.outbox.list_entries(MAIN)
    return [one.value for one in found if one.value.attempts]


async def health_of(weft: Weft) -> str:
    """What is wrong with the connector; nothing while all is well."""
    said = weft.health()["connector hook"]
    return "" if said == "ok" else said


async def test_an_alarm_asks_its_connector_once_and_goes_on_asking(tmp_path: Path) -> None:
    """The far side is down: one entry, one work order, the same after a restart."""
    async with served(tmp_path, HOOK) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, RULE)
        await send(weft, pump, b'{"temperature": 95.0}')
        (entry,) = await eventually(lambda: entries(weft))
        assert "127.0.0.1" in entry.last_error
        assert await eventually(lambda: health_of(weft)) != "ok"
    async with served(tmp_path, HOOK) as weft:
        await send(weft, pump, b'{"temperature": 96.0}')
        (again,) = await eventually(lambda: entries(weft))
        assert again.action == entry.action
        orders = await weft.business.work_orders.list_work_orders(MAIN)
        assert [one.value.alarm_id for one in orders] == [entry.action.alarm_id]


async def test_a_rule_cannot_name_a_connector_that_is_not_there(tmp_path: Path) -> None:
    """Told when it is written, not when the machine burns."""
    async with opened(tmp_path) as weft:
        await add_pump(weft)
        with pytest.raises(Invalid, match="hook"):
            await weft.path.rules.create(MACHINE, RULE)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('{kind="abacus"}', "there is no kind 'abacus'"),
        ('{kind="webhook", url="https://x.example"}', "secret"),
        ('{kind="webhook", url="https://x.example", secret="x", speed=1}', "speed"),
    ],
)
async def test_a_connector_that_cannot_work_keeps_weft_from_starting(
    tmp_path: Path, table: str, says: str
) -> None:
    """With its table's name and what is wrong with it."""
    with pytest.raises(ConfigurationError) as caught:
        async with served(tmp_path, f"connectors.erp={table}"):
            pass
    assert "connectors.erp" in caught.value.detail
    assert says in caught.value.detail
    async with opened(tmp_path):  # and leaves the folder as it was
        pass


async def test_a_counter_that_has_grown_orders_planned_work(tmp_path: Path) -> None:
    """Housekeeping looks at the meter: one order, and a text or a silent device is no reading."""
    async with served(tmp_path, HOOK) as weft:
        pump = await add_pump(weft)
        plans = Plans(weft.stores.records, weft.identity.policy, weft.identity.audit, weft.clock)
        for name, device, key in (
            ("grease", "pump-7", "temperature"),
            ("silent", "pump-7", "never_said"),
            ("gone", "pump-9", "temperature"),
        ):
            meter = ByMeter(device, key, 500.0)
            plan = Plan(MAIN, name, "", MACHINE, "hook", f"Do {name}", by_meter=meter)
            await plans.create(MACHINE, plan)
        housekeeping = Housekeeping(weft)
        for degrees in (10, 400, 511, 511):
            await send(weft, pump, b'{"temperature": %d}' % degrees)
            await weft.path.pipeline.settle()
            await housekeeping.order_planned_work()
        orders = await weft.business.work_orders.list_work_orders(MAIN)
        assert [one.value.title for one in orders] == ["Do grease"]


async def test_what_a_tenant_set_up_is_there_at_the_next_start(tmp_path: Path) -> None:
    """It is the tenant's business: that it fails is not said of the health of the platform."""
    order = Order("webhook", {"url": "https://127.0.0.1:9/x"}, {"secret": "s" * 32})
    async with opened(tmp_path) as weft:
        await weft.business.own_connectors.save(MACHINE, "mine", order)
    async with opened(tmp_path) as weft:
        found = weft.business.connectors.get(MAIN, "mine")
        assert (found.own, found.url) == (True, "https://127.0.0.1:9/x")
        with pytest.raises(ConnectorError, match="not a public address") as refused:
            await weft.business.connectors.test(MAIN, "mine", weft.clock)
        assert "[own_connectors] allow" in refused.value.remedy
        assert not weft.business.connectors.get(MAIN, "mine").healthy
        assert "connector mine" not in weft.health()


async def test_ss_1_schemes_and_ports_of_outbound_are_not_for_tenants(tmp_path: Path) -> None:
    """What they may use stands in [own_connectors]; without it https on its usual ports."""
    opened_for_all = ('outbound.schemes=["http", "https"]', "outbound.ports=[80, 443, 9]")
    near = 'own_connectors.allow=["192.0.2.0/24"]'
    port = Order(settings={"url": "https://8.8.8.8:9/x"})
    clear = Order(settings={"url": "http://192.0.2.7/x"})
    async with opened(tmp_path, *opened_for_all, near) as weft:
        own = weft.business.own_connectors
        with pytest.raises(ConnectorError, match="Port 9 of 8") as refused:
            await own.try_out(MACHINE, port)
        assert "[own_connectors] ports" in refused.value.remedy
        with pytest.raises(ConnectorError, match="in clear text") as refused:
            await own.try_out(MACHINE, clear)
        assert "[own_connectors] schemes" in refused.value.remedy


async def test_a_kind_that_is_to_be_offered_and_is_not_there_stops_nothing(
    tmp_path: Path,
) -> None:
    """Its package was taken out: it is told with an ERROR line, and the other kinds are there."""
    with capture_logs() as told:
        async with opened(tmp_path, 'own_connectors.plugins=["abacus"]') as weft:
            kinds = {one.kind for one in weft.business.own_connectors.kinds()}
    assert "webhook" in kinds
    assert "abacus" not in kinds
    [line] = [one for one in told if one["event"] == "own_connector_kind_missing"]
    assert (line["log_level"], line["kind"]) == ("error", "abacus")
