"""Tenants: main is there from the first start, and quotas are what the gate sees."""

import pytest
from tests.registry.support import ALICE, MAIN, OTHER, Registry

from weft.errors import AlreadyExists, Invalid, NotFound, StaleVersion
from weft.registry.tenants import Quotas, Tenant, quotas_of


async def test_main_is_there_after_the_first_start() -> None:
    """A machine with one owner never meets the word tenant; a second start makes no second."""
    registry = Registry()
    await registry.load()
    made = await registry.tenants.ensure_main(ALICE)

    again = await registry.restarted()

    assert await again.tenants.ensure_main(ALICE) == made
    assert [tenant.id for tenant in again.tenants.list()] == [MAIN]
    assert registry.audit.actions() == ["tenant.create"]


async def test_a_changed_quota_is_told_and_kept() -> None:
    """The gate drops what it looked up, and a restart reads the new figure."""
    registry = Registry()
    heard: list[Tenant] = []
    registry.tenants.on_change(heard.append)
    await registry.tenants.create(ALICE, "other", name="Other Ltd")

    quotas = Quotas(devices=2)
    changed = await registry.tenants.update(ALICE, OTHER, version=1, quotas=quotas)

    assert (changed.version, changed.name, changed.quotas.devices) == (2, "Other Ltd", 2)
    assert heard[-1] == changed
    assert (await registry.restarted()).tenants.get(OTHER) == changed
    assert await registry.records.read(lambda reader: quotas_of(reader, OTHER)) == quotas


async def test_a_stale_write_is_refused() -> None:
    """Two operators set quotas; the slower one is told."""
    registry = Registry()
    await registry.tenants.create(ALICE, "other")
    await registry.tenants.update(ALICE, OTHER, version=1, name="A")

    with pytest.raises(StaleVersion):
        await registry.tenants.update(ALICE, OTHER, version=1, name="B")
    assert registry.tenants.get(OTHER).name == "A"


async def test_a_tenant_is_made_once_under_a_safe_name() -> None:
    """Its id stands in keys and paths."""
    registry = Registry()
    await registry.tenants.create(ALICE, "other")

    with pytest.raises(AlreadyExists):
        await registry.tenants.create(ALICE, "other")
    with pytest.raises(Invalid, match="tenant id"):
        await registry.tenants.create(ALICE, "#")
    with pytest.raises(NotFound):
        registry.tenants.get(MAIN)
    assert registry.tenants.find(MAIN) is None


async def test_a_tenant_that_is_not_registered_has_the_defaults() -> None:
    """Quotas are asked for inside a transaction, where nothing may be missing."""
    registry = Registry()
    assert await registry.records.read(lambda reader: quotas_of(reader, OTHER)) == Quotas()
