"""Subscriptions: saved with a sealed secret, by who may read what is told."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.connectors.events.support import SECRET, Desk
from tests.connectors.support import ALICE, MAIN, OTHER

from weft.connectors.events.settings import EventSettings
from weft.errors import AlreadyExists, Forbidden, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.model.subscription import NewSubscription, SubscriptionPatch, Topic
from weft.security.actions import Role
from weft.security.audit import AUDIT

URL = "https://cmms.example/"


async def test_a_secret_is_made_shown_once_and_sealed(tmp_path: Path) -> None:
    """The records alone give no secret away (CR-1)."""
    desk = Desk(tmp_path)
    made, secret = await desk.subscriptions.create(ALICE, NewSubscription("cmms", URL))
    assert len(secret) == 64
    assert secret not in repr(made)
    assert desk.subscriptions.secret_of(made.subscription) == secret
    audit = await desk.inner.read(lambda r: r.list(AUDIT, MAIN))
    assert audit[-1].value.action == "subscription.create"
    assert secret not in repr(audit)


async def test_only_who_may_read_it_subscribes_to_it(tmp_path: Path) -> None:
    """Nor by a change of topics later; nor to nothing."""
    desk = Desk(tmp_path)
    bob = replace(ALICE, id="bob", uid="u-2")
    desk.policy.set_user(MAIN, bob.uid, frozenset({Role.PLATFORM_ADMIN}))
    with pytest.raises(Forbidden):
        await desk.subscriptions.create(bob, NewSubscription("x", URL))
    await desk.subscribe(URL)
    patch = SubscriptionPatch(topics=(Topic.TELEMETRY,))
    with pytest.raises(Forbidden):
        await desk.subscriptions.patch(bob, "cmms", patch)
    with pytest.raises(Invalid, match="at least one topic"):
        await desk.subscribe(URL, name="y", topics=())
    with pytest.raises(Invalid, match="The filter"):
        await desk.subscribe(URL, name="y", filter="alarm.x == 1")


async def test_az_5_only_who_may_read_devices_and_assets_filters_by_them(tmp_path: Path) -> None:
    """AZ-5: which events come would tell what a device or an asset says of itself."""
    desk = Desk(tmp_path)
    desk.policy.set_key(MAIN, ALICE.uid, frozenset({"alarms:read", "work_orders:read"}), ())
    await desk.subscribe(URL, filter="alarm.severity == 'critical'")
    for text, lacks in (("device.label == 'x'", "device.read"), ("asset.id == 'x'", "asset.read")):
        with pytest.raises(Forbidden, match=lacks):
            await desk.subscribe(URL, name="y", filter=text)
        with pytest.raises(Forbidden, match=lacks):
            await desk.subscriptions.patch(ALICE, "cmms", SubscriptionPatch(filter=text))


async def test_a_change_names_the_version_it_read(tmp_path: Path) -> None:
    """Secret, address, topics; the receiver is asked anew where the address changed."""
    desk = Desk(tmp_path)
    await desk.subscribe(URL)
    patch = SubscriptionPatch(url=URL + "2", secret="another secret that is long", paused=True)
    changed = await desk.subscriptions.patch(ALICE, "cmms", patch, version=1)
    assert (changed.subscription.version, changed.progress.confirmed) == (2, False)
    assert changed.progress.paused == "by a person"
    assert desk.subscriptions.secret_of(changed.subscription) != SECRET
    with pytest.raises(StaleVersion):
        await desk.subscriptions.patch(ALICE, "cmms", SubscriptionPatch(), version=1)
    with pytest.raises(StaleVersion):
        await desk.subscriptions.delete(ALICE, "cmms", version=1)


async def test_a_subscription_is_deleted_with_all_of_it(tmp_path: Path) -> None:
    """A namesake starts afresh; another tenant sees neither."""
    desk = Desk(tmp_path)
    first = await desk.subscribe(URL)
    with pytest.raises(AlreadyExists):
        await desk.subscribe(URL)
    with pytest.raises(NotFound):
        await desk.subscriptions.get(OTHER, "cmms")
    assert [one.subscription.name for one in await desk.subscriptions.list(MAIN)] == ["cmms"]
    assert await desk.subscriptions.list(OTHER) == []
    await desk.subscriptions.delete(ALICE, "cmms")
    with pytest.raises(NotFound):
        await desk.subscriptions.dead_event(MAIN, "cmms", "change-1")
    again = await desk.subscribe(URL)
    assert again.subscription.uid != first.subscription.uid
    with pytest.raises(NotFound, match="no dead event"):
        await desk.subscriptions.dead_event(MAIN, "cmms", "change-1")


async def test_their_number_is_bounded(tmp_path: Path) -> None:
    """[events] subscriptions_max."""
    desk = Desk(tmp_path, EventSettings(subscriptions_max=1))
    await desk.subscribe(URL)
    with pytest.raises(QuotaExceeded):
        await desk.subscribe(URL, name="second")


async def test_a_topic_that_is_added_begins_with_what_comes_from_then_on(tmp_path: Path) -> None:
    """Who asks for telemetry today is not told of last week's."""
    desk = Desk(tmp_path)
    await desk.subscribe(URL)
    await desk.say(b"{}")
    patch = SubscriptionPatch(topics=(Topic.ALARM, Topic.TELEMETRY))
    changed = await desk.subscriptions.patch(ALICE, "cmms", patch)
    assert changed.progress.position == desk.journal.head == 1
