"""The host's state: every tenant hears it, also one that is made later."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.interop.support import OPERATOR, RunningWeft, running_weft, until

from weft.errors import StorageError
from weft.ingest.dialects.sparkplug_answers import SparkplugAnswers
from weft.model.ids import TenantId

MAIN, ACME = TenantId("main"), TenantId("acme")
STATE = "spBv1.0/STATE/weft"
NAMED = "sparkplug.host_id=weft"


def is_online(weft: RunningWeft, tenant: TenantId) -> bool | None:
    """What is retained in a tenant; None where nothing is."""
    found = weft.weft.path.broker.retained.match(tenant, STATE, weft.weft.clock.now())
    return json.loads(found[0].message.payload)["online"] if found else None


async def test_a_tenant_that_is_made_later_hears_that_the_host_is_there(tmp_path: Path) -> None:
    """Its edge nodes wait for it before they send: until a restart they said nothing."""
    async with running_weft(tmp_path, NAMED) as weft:
        await until(lambda: is_online(weft, MAIN))
        await weft.weft.identity.tenants.create(OPERATOR, "acme")
        await until(lambda: is_online(weft, ACME))


async def test_every_tenant_hears_that_the_host_goes(tmp_path: Path) -> None:
    async with running_weft(tmp_path, NAMED) as weft:
        await weft.weft.identity.tenants.create(OPERATOR, "acme")
        await until(lambda: is_online(weft, ACME))
        state = weft.weft.host_state
        await state.say_goodbye()
        await until(lambda: (is_online(weft, MAIN), is_online(weft, ACME)) == (False, False))
        await weft.weft.identity.tenants.create(OPERATOR, "late")
        await state.tell_new()
        assert is_online(weft, TenantId("late")) is None


async def test_a_tenant_is_told_once_and_a_disk_that_failed_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of its quotas says nothing anew; what was not kept is said again."""
    said: list[TenantId] = []
    told = SparkplugAnswers.tell_state

    async def tell(host: SparkplugAnswers, tenants: list[TenantId], *, online: bool) -> None:
        said.extend(tenants)
        if said == [MAIN]:
            raise StorageError("The disk is full.")
        await told(host, tenants, online=online)

    monkeypatch.setattr(SparkplugAnswers, "tell_state", tell)
    async with running_weft(tmp_path, NAMED) as weft:
        await until(lambda: is_online(weft, MAIN), 20.0)
        assert said == [MAIN, MAIN]
        tenants = weft.weft.identity.tenants
        made = await tenants.create(OPERATOR, "acme")
        await until(lambda: is_online(weft, ACME))
        await tenants.update(OPERATOR, ACME, version=made.version, name="Acme")
        await asyncio.sleep(0)
        assert said == [MAIN, MAIN, ACME]


async def test_a_weft_that_names_no_host_says_nothing(tmp_path: Path) -> None:
    async with running_weft(tmp_path) as weft:
        await weft.weft.host_state.tell_new()
        assert is_online(weft, MAIN) is None
