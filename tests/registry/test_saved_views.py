"""Saved views: whose they are, who opens them, how many and how large they may be."""

import pytest

from weft.backends.memory.records import MemoryRecords
from weft.errors import Forbidden, Invalid, NotFound, QuotaExceeded, StaleVersion, TooLarge
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.registry import saved_views
from weft.registry.saved_views import NewView, SavedViews, ViewPatch
from weft.security.audit import Audit
from weft.supervision import FakeClock

ACME, OTHER = TenantId("acme"), TenantId("other")
ALICE = Principal(ACME, PrincipalKind.USER, "alice", "u1")
BOB = Principal(ACME, PrincipalKind.USER, "bob", "u2")
EVE = Principal(OTHER, PrincipalKind.USER, "eve", "u1")  # a uid that another tenant has as well
PUMPS = NewView("Pumps", {"devices": ["pump-7"]})


def make() -> SavedViews:
    records, clock = MemoryRecords(), FakeClock()
    return SavedViews(records, Audit(records, clock, b"k" * 32), clock)


async def test_a_view_is_ones_own_until_it_is_shared() -> None:
    """Bob does not see it, then he does, and then he does not any more."""
    views = make()
    made = await views.create(ALICE, PUMPS)
    with pytest.raises(NotFound):
        await views.get(BOB, made.key)
    assert await views.list(BOB) == []
    await views.patch(ALICE, made.key, ViewPatch(shared=True))
    assert (await views.get(BOB, made.key)).value.query == {"devices": ["pump-7"]}
    assert [one.key for one in await views.list(BOB)] == [made.key]
    assert [one.key for one in await views.list(ALICE)] == [made.key]
    await views.patch(ALICE, made.key, ViewPatch(shared=False))
    with pytest.raises(NotFound):
        await views.get(BOB, made.key)


async def test_only_its_owner_changes_a_view() -> None:
    """Whom it is shared with reads it; whom it is not shared with does not know of it."""
    views = make()
    shared = await views.create(ALICE, NewView("Shared", {}, shared=True))
    hidden = await views.create(ALICE, NewView("Hidden", {}))
    for key, error in ((shared.key, Forbidden), (hidden.key, NotFound)):
        with pytest.raises(error):
            await views.patch(BOB, key, ViewPatch(name="Mine"))
        with pytest.raises(error):
            await views.delete(BOB, key)
    await views.delete(ALICE, shared.key)
    with pytest.raises(NotFound):
        await views.get(ALICE, shared.key)


async def test_tn_1_another_tenants_views_are_not_there() -> None:
    """Shared or not, whatever the uid."""
    views = make()
    made = await views.create(ALICE, NewView("Shared", {}, shared=True))
    assert await views.list(EVE) == []
    with pytest.raises(NotFound):
        await views.get(EVE, made.key)


async def test_a_stale_change_is_refused() -> None:
    """Two tabs of one person; nothing is undone unseen."""
    views = make()
    made = await views.create(ALICE, PUMPS)
    await views.patch(ALICE, made.key, ViewPatch(name="First"), version=made.version)
    with pytest.raises(StaleVersion):
        await views.patch(ALICE, made.key, ViewPatch(name="Second"), version=made.version)


async def test_views_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and size, and of pages that there are."""
    views = make()
    monkeypatch.setattr(saved_views, "VIEWS_MAX", 2)
    with pytest.raises(TooLarge):
        await views.create(ALICE, NewView("Large", {"x": "y" * saved_views.QUERY_MAX_BYTES}))
    with pytest.raises(Invalid):
        await views.create(ALICE, NewView("Odd", {}, page="kitchen"))
    for name in ("One", "Two"):
        await views.create(ALICE, NewView(name, {}))
    with pytest.raises(QuotaExceeded):
        await views.create(ALICE, PUMPS)
    await views.create(BOB, PUMPS)


async def test_pages_hold_own_and_shared_views_once_and_in_order() -> None:
    """Also one's own that are shared."""
    views = make()
    made = [await views.create(ALICE, NewView(f"v{n}", {}, shared=n % 2 == 0)) for n in range(6)]
    made += [await views.create(BOB, NewView(f"b{n}", {}, shared=True)) for n in range(3)]
    seen: list[str] = []
    after = ""
    while page := await views.list(ALICE, after=after, limit=2):
        seen += [one.key for one in page]
        after = page[-1].key
    assert seen == sorted(one.key for one in made)
