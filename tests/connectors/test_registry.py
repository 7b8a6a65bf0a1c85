"""Configured connectors: made once from settings, seen by the tenants that they list."""

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.connectors.support import LOOPBACK, MAIN, OTHER, FakeConnector, Plant

from weft.connectors import registry as module
from weft.connectors.credentials import Credentials
from weft.connectors.registry import (
    KINDS,
    OWN_LABEL,
    Configured,
    Connectors,
    Health,
    Healths,
    make_connectors,
)
from weft.connectors.standins.desk import Desk
from weft.connectors.standins.table import STAND_INS
from weft.errors import ConfigurationError, ConnectorError, Invalid, NotFound
from weft.model.ids import TenantId
from weft.security.outbound import OutboundClient, OutboundSettings
from weft.supervision import FakeClock

ERP = {"kind": "tryton", "url": "https://erp.example", "database": "plant", "key": "env:KEY"}
HOOK = {"kind": "webhook", "url": "https://hook.example", "secret": "env:SECRET"}


def made(tables: dict[str, Any], settings: OutboundSettings = LOOPBACK) -> Connectors:
    outbound = OutboundClient(settings)
    return make_connectors(tables, outbound=outbound, credentials=Credentials(), clock=FakeClock())


def test_settings_become_connectors() -> None:
    """Two tables, two connectors, with what each can do."""
    views = made({"erp": ERP, "alerts": HOOK}).list_connectors(MAIN)
    assert [(view.name, view.kind, view.actions) for view in views] == [
        ("alerts", "webhook", ("notification", "webhook", "work_order")),
        ("erp", "tryton", ("work_order",)),
    ]
    assert all(view.healthy and view.last_success_at is None for view in views)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({**ERP, "kind": "abacus"}, "no kind 'abacus'"),
        ({**ERP, "fields": {"name": "device.idd"}}, "Column 7: device has no 'idd'"),
        ({**ERP, "client_certificate": {"certificate": "x", "key": "env:K"}}, "not a reference"),
        ({"url": "https://x"}, "no kind None"),
        ({**ERP, "colour": "red"}, "colour"),
        ({"kind": "tryton", "url": "https://erp.example"}, "database"),
        ({**ERP, "timeout_s": "soon"}, "timeout_s"),
        ({**ERP, "key": "the-key-itself"}, "not a reference"),
        ({**HOOK, "secret": "the-key-itself"}, "not a reference"),
        ({**HOOK, "next_secret": "the-key-itself"}, "not a reference"),
        ({**ERP, "allow": ["everything"]}, "not a network"),
    ],
)
def test_a_table_that_cannot_be_used_stops_the_start(table: dict[str, Any], words: str) -> None:
    """The error names the table and what is wrong, and repeats no secret."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        made({"erp": table})
    assert "the-key-itself" not in caught.value.detail + caught.value.remedy
    assert caught.value.remedy


def test_a_connector_has_a_name_that_can_stand_in_a_path() -> None:
    """It stands in URLs and log lines."""
    with pytest.raises(ConfigurationError, match="connector name"):
        made({"a/b": ERP})


def test_another_tenants_connector_does_not_exist() -> None:
    """Neither to look at nor to name in a rule, and not told apart from a missing one."""
    connectors = made({"erp": {**ERP, "tenants": ["other"]}})
    assert connectors.list_connectors(MAIN) == []
    assert connectors.find(MAIN, "erp") is None
    with pytest.raises(NotFound) as theirs:
        connectors.get(MAIN, "erp")
    assert theirs.value.detail == "No connector is named 'erp'."
    assert connectors.get(OTHER, "erp").name == "erp"


def test_a_rule_may_ask_only_what_the_connector_can() -> None:
    """A webhook to the ERP is refused when the rule is saved, not when the pump fails."""
    connectors = made({"erp": ERP})
    connectors.require_action(MAIN, "erp", "work_order")
    with pytest.raises(Invalid, match="cannot 'webhook'"):
        connectors.require_action(MAIN, "erp", "webhook")
    with pytest.raises(Invalid, match="No connector") as caught:
        connectors.require_action(MAIN, "sap", "work_order")
    assert "erp" in caught.value.remedy


async def test_a_test_tells_and_is_remembered() -> None:
    """`weft connector test` answers in words; health shows the same afterwards."""
    plant = Plant(FakeConnector(next=[ConnectorError("It is down.")]))
    with pytest.raises(ConnectorError):
        await plant.connectors.test(MAIN, "erp", plant.clock)
    assert plant.connectors.get(MAIN, "erp").last_error == "It is down."
    assert await plant.connectors.test(MAIN, "erp", plant.clock) == "fine"
    assert plant.connectors.get(MAIN, "erp").healthy
    with pytest.raises(NotFound):
        await plant.connectors.test(OTHER, "erp", plant.clock)


async def test_a_connectors_networks_are_its_own() -> None:
    """The ERP in the cellar is open to the ERP's connector, not to the webhook."""
    settings = OutboundSettings()
    connectors = made(
        {
            "near": {**HOOK, "url": "http://127.0.0.1:9", "allow": ["127.0.0.1/32"]},
            "far": {**HOOK, "url": "http://127.0.0.1:9"},
        },
        settings,
    )
    by_name = {found.connector.name: found.connector for found in connectors}
    near, far = by_name["near"], by_name["far"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "s")
        with pytest.raises(ConnectorError, match="failed"):
            await near.test()  # let through; nobody listens
        with pytest.raises(ConnectorError, match="not a public address"):
            await far.test()
    await connectors.close()


def test_how_long_a_far_side_settles_is_what_its_settings_say() -> None:
    """After an attempt that was cut off it is left alone for so long; else 15 s."""
    connectors = made({"erp": {**ERP, "settle_s": 40}, "hook": HOOK})
    assert connectors.require(MAIN, "erp").settle_s == 40
    assert connectors.require(MAIN, "hook").settle_s == 15


def test_health_counts_failures_in_a_row() -> None:
    """One success makes it healthy again; what failed last is still to be read."""
    health = Health()
    health.failed(1, "down")
    health.failed(2, "still down")
    assert (health.failures, health.last_error) == (2, "still down")
    health.succeeded(3)
    assert (health.failures, health.last_failure_at, health.last_success_at) == (0, 2, 3)


def test_tn_1_health_is_kept_for_each_tenant() -> None:
    """TN-1: of who never used a connector nothing is kept."""
    healths = Healths()
    healths.of(MAIN).failed(1, "words of main")
    healths.set_waiting(MAIN, 3)
    healths.set_waiting(OTHER, 0)
    assert (healths.of(MAIN).waiting, healths.of(OTHER).last_error) == (3, "")


def test_every_kind_says_its_settings_in_its_docstring() -> None:
    """The reference of settings is made of these."""
    assert all(f'kind = "{kind}"' in (type_.__doc__ or "") for kind, (type_, _) in KINDS.items())


def documented() -> list[tuple[str, dict[str, Any]]]:
    """Every connector that a how-to page configures, with the page."""
    found = []
    for page in sorted((Path(__file__).parents[2] / "docs/howto").glob("*.md")):
        for block in re.findall(r"```toml[^\n]*\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            tables = tomllib.loads(block).get("connectors", {})
            found += [
                (page.name, {name: table}) for name, table in tables.items() if "kind" in table
            ]
    return found


@pytest.mark.parametrize(("page", "tables"), documented())
def test_a_connector_of_a_page_can_be_started_with(page: str, tables: dict[str, Any]) -> None:
    """What somebody copies out of a how-to page is accepted as it stands."""
    [name] = tables
    assert made(tables).get(MAIN, name).kind == tables[name]["kind"]


@pytest.mark.parametrize("name", ["servicenow", "erpnext"])
def test_a_described_system_is_the_one_that_is_tried(name: str) -> None:
    """The page's settings and those that the contract suite runs ask for the same."""
    shown = next(tables[name] for _, tables in documented() if name in tables)
    run = STAND_INS[name](Desk(lambda: 0), lambda: "").settings("https://x", "file:/k")
    for part in ("find", "create"):
        assert shown[part] == run[part]
    assert shown["status"]["path"] == run["status"]["path"]
    assert shown["closed"] == run["closed"]


def own(connector: FakeConnector, tenant: TenantId = MAIN) -> Configured:
    """What a tenant has set up itself."""
    return Configured(connector, frozenset({tenant}), "https://own.example", Healths(), own=True)


async def test_a_tenants_own_is_found_by_it_alone_and_behind_the_configured() -> None:
    """It is shown as its own; one of the configuration's name rests."""
    connectors, mine = made({"erp": ERP}), own(FakeConnector("mes"))
    heard: list[tuple[str, str]] = []
    connectors.on_change(lambda tenant, name: heard.append((tenant, name)))
    await connectors.put_own(MAIN, "mes", mine)
    await connectors.put_own(MAIN, "erp", own(FakeConnector("erp")))
    assert connectors.find(MAIN, "mes") is mine
    assert connectors.find(OTHER, "mes") is None
    assert [(one.name, one.own) for one in connectors.list_connectors(MAIN)] == [
        ("erp", False), ("mes", True)
    ]  # fmt: skip
    assert [found.key for found in connectors] == ["erp", "main/mes"]
    assert {found.label for found in connectors} == {"erp", OWN_LABEL}
    await connectors.put_own(MAIN, "mes", None)
    assert connectors.find(MAIN, "mes") is None
    assert heard == [("main", "mes"), ("main", "erp"), ("main", "mes")]


async def test_a_connector_that_cannot_be_closed_is_told_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It raises, or never ends: the others are closed all the same."""
    monkeypatch.setattr(module, "CLOSE_S", 0.01)
    closed: list[str] = []

    class Odd(FakeConnector):
        async def close(self) -> None:
            if self.name == "a-raises":
                raise KeyError("socket")
            if self.name == "b-hangs":
                await asyncio.Event().wait()
            closed.append(self.name)

    connectors = made({})
    for name in ("a-raises", "b-hangs", "c-closes"):
        await connectors.put_own(MAIN, name, own(Odd(name)))
    with capture_logs() as told:
        await connectors.put_own(MAIN, "a-raises", own(FakeConnector("a-raises")))
        await connectors.close()
    assert closed == ["c-closes"]
    assert [one["connector"] for one in told] == ["a-raises", "b-hangs"]


async def test_one_that_is_replaced_closes_once_and_when_nothing_uses_it() -> None:
    """At once where it rests, else behind the last that was at work with it."""

    class Counting(FakeConnector):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    connectors = made({})
    first, second, third = Counting("mes"), Counting("mes"), Counting("mes")
    await connectors.put_own(MAIN, "mes", own(first))
    await connectors.put_own(MAIN, "mes", own(second))
    assert first.closed == 1
    at_work = connectors.require(MAIN, "mes")
    async with connectors.using(at_work), connectors.using(at_work):
        await connectors.put_own(MAIN, "mes", own(third))
        assert second.closed == 0
    assert second.closed == 1
    await connectors.close()
    assert (first.closed, second.closed, third.closed) == (1, 1, 1)
