"""Own connectors: set up while Weft runs, for one tenant alone, with secrets that nobody reads."""

import asyncio
import json
from typing import Any

import pytest
from msgspec import structs
from tests.connectors.contract import far_of
from tests.connectors.farside import Reply, as_json, far_side
from tests.connectors.own import ALICE, BOB, HOOK, KEY, Order, Owned, order_of
from tests.connectors.support import MAIN, OTHER, FakeConnector, alarm, entry
from tests.connectors.support import order_of as work_order_of

from weft.connectors import own_settings, registry
from weft.connectors.base import ConnectorSettings, RemoteState
from weft.connectors.credentials import CREDENTIALS, PLATFORM, SealedCredential
from weft.connectors.mappings import MAPPINGS, SavedMapping
from weft.connectors.own import OWN_CONNECTORS
from weft.connectors.own_settings import OwnSettings
from weft.connectors.registry import KINDS
from weft.errors import (
    AlreadyExists,
    Conflict,
    ConnectorError,
    Invalid,
    NotFound,
    QuotaExceeded,
    RateLimited,
    StaleVersion,
)
from weft.model.alarm import OutboxState, WorkOrder, WorkOrderState
from weft.rules.kinds import WORK_ORDERS
from weft.security.audit import AUDIT
from weft.security.outbound import OutboundClient, OutboundSettings


async def test_one_is_set_up_and_delivers_without_a_restart() -> None:
    """The receiver knows our signature; the secret stands in nothing that is kept."""
    owned = Owned()
    async with far_side(far_of("webhook", owned.folder / "secret")) as side:
        saved = await owned.save("erp", Order(settings={"url": side.url}))
        assert (saved.version, saved.settings) == (1, {"url": side.url})
        await owned.plant.put(entry(), raised=alarm())
        await owned.plant.outbox.deliver_due()
    stored = await owned.plant.entry(entry())
    assert stored.state is OutboxState.DELIVERED, stored.last_error
    [view] = owned.connectors.list_connectors(MAIN)
    assert (view.name, view.kind, view.own, view.healthy) == ("erp", "webhook", True, True)
    assert view.last_success_at is not None
    kept = await owned.records.read(
        lambda r: str([*r.list(OWN_CONNECTORS, MAIN), *r.list(AUDIT, MAIN)])
    )
    assert KEY not in kept


async def test_it_is_there_after_a_restart_with_its_secret() -> None:
    """Another process over the same records and key file signs as before."""
    owned = Owned()
    async with far_side(far_of("webhook", owned.folder / "secret")) as side:
        await owned.save("erp", Order(settings={"url": side.url}))
        again = await owned.restarted()
        assert "accepted" in await again.connectors.test(MAIN, "erp", again.plant.clock)


async def test_tn_1_another_tenant_never_sees_it_and_may_have_one_of_the_same_name() -> None:
    """Answered like one that does not exist; what each is told goes to its own far side."""
    owned = Owned()
    async with (
        far_side(lambda _asked: Reply(204, b"", {})) as ours,
        far_side(lambda _asked: Reply(204, b"", {})) as theirs,
    ):
        await owned.save("erp", Order(settings={"url": ours.url}))
        assert owned.connectors.find(OTHER, "erp") is None
        with pytest.raises(NotFound) as unseen:
            await owned.own.get(OTHER, "erp")
        with pytest.raises(NotFound) as missing:
            await owned.own.get(OTHER, "else")
        assert unseen.value.detail.replace("erp", "else") == missing.value.detail
        with pytest.raises(NotFound):
            await owned.own.delete(BOB, "erp", force=True)
        with pytest.raises(NotFound):
            await owned.own.try_out(BOB, Order(secrets={}), "erp")
        await owned.save("erp", Order(settings={"url": theirs.url}), actor=BOB)
        for number, tenant in enumerate((MAIN, OTHER, OTHER)):
            await owned.plant.put(entry(number, tenant=tenant))
        await owned.plant.outbox.deliver_due()
        assert (len(ours.asked), len(theirs.asked)) == (1, 2)
        assert all(b"weft/main" in asked.body for asked in ours.asked)
        assert all(b"weft/other" in asked.body for asked in theirs.asked)
    keys = [found.key for found in owned.connectors]
    assert keys == ["main/erp", "other/erp"]


async def test_a_name_of_the_configuration_is_taken_and_comes_first() -> None:
    """The operator's connector is never shadowed, nor read, nor taken away, by a tenant."""
    owned = Owned(FakeConnector())
    with pytest.raises(Conflict, match="configuration"):
        await owned.save("erp")
    for act in (
        owned.own.get(MAIN, "erp"),
        owned.own.delete(ALICE, "erp", force=True),
        owned.own.try_out(ALICE, Order(secrets={}), "erp"),
    ):
        with pytest.raises(Conflict, match="stands in the configuration"):
            await act
    await owned.save("erp", actor=BOB)  # whom the configuration gives none of this name
    assert [view.kind for view in owned.connectors.list_connectors(MAIN)] == ["fake"]
    assert [view.kind for view in owned.connectors.list_connectors(OTHER)] == ["webhook"]


async def test_one_that_the_configuration_hides_later_rests_and_can_be_deleted() -> None:
    """After a restart the operator's is used; the saved one is not lost, and not in the way."""
    owned = Owned()
    await owned.save("erp")
    hidden = Owned(FakeConnector(), records=owned.records, folder=owned.folder)
    await hidden.vault.load()
    await hidden.own.load()
    assert [found.connector.kind for found in hidden.connectors] == ["fake"]
    await hidden.own.delete(ALICE, "erp")
    assert hidden.connectors.find(MAIN, "erp") is not None
    assert await owned.records.read(lambda r: r.count(OWN_CONNECTORS, MAIN)) == 0


async def test_a_change_names_the_version_that_was_read() -> None:
    """Two people at one form: the second is told; 0 says that there is none yet."""
    owned = Owned()
    await owned.save(version=0)
    changed = await owned.save(order=Order(settings={**HOOK, "timeout_s": 3}), version=1)
    assert changed.version == 2
    with pytest.raises((StaleVersion, AlreadyExists)):
        await owned.save(version=0)
    with pytest.raises(StaleVersion):
        await owned.save(version=1)
    with pytest.raises(StaleVersion):
        await owned.own.delete(ALICE, "alerts", version=1)
    assert (await owned.own.get(MAIN, "alerts")).settings["timeout_s"] == 3


async def test_a_secret_that_is_not_named_stays_and_one_that_is_replaces_it() -> None:
    """Who set it when is to be seen; null forgets one that need not be there."""
    owned = Owned()
    first = await owned.save(order=Order(secrets={"secret": KEY, "next_secret": "n" * 32}))
    owned.plant.clock.turn(60)
    second = await owned.save(order=Order(secrets={"next_secret": "m" * 32}))
    assert second.secrets["secret"] == first.secrets["secret"]
    assert second.secrets["next_secret"].set_at > first.secrets["next_secret"].set_at
    third = await owned.save(order=Order(secrets={"next_secret": None}))
    assert list(third.secrets) == ["secret"]
    with pytest.raises(Invalid, match="'secret' is missing"):
        await owned.save(order=Order(secrets={"secret": None}))


async def test_a_kept_secret_goes_nowhere_else() -> None:
    """Who may change the address could else have the secret sent to an address of their own."""
    owned = Owned()
    await owned.save()
    moved = {"url": "https://mine.example.com/weft"}
    with pytest.raises(Invalid, match="not sent there") as refused:
        await owned.save(order=Order(settings=moved, secrets={}))
    assert "secret" in refused.value.remedy
    with pytest.raises(Invalid, match="not sent there"):
        await owned.own.try_out(ALICE, Order(settings=moved, secrets={}), "alerts")
    path = {"url": "https://alerts.example.com/other"}
    await owned.save(order=Order(settings=path, secrets={}))  # the same host
    await owned.save(order=Order(settings=moved))


REST = {
    "url": "https://api.example.com/v1",
    "create": {"path": "/orders", "body": {"key": "{key}"}, "once": True, "id": "id"},
}
TOKENS = {"kind": "oauth2", "token_url": "https://login.example.com/token", "client_id": "weft"}
PAIR = {"client_certificate.certificate": "PEM of it", "client_certificate.key": "PEM of its key"}


async def test_a_kept_secret_stays_with_its_setting() -> None:
    """The host of the interface was known as well; the client's secret was not given for it."""
    owned = Owned()
    first = Order("rest", {**REST, "auth": TOKENS}, {"auth.client_secret": KEY})
    await owned.save("erp", first)
    moved = {**TOKENS, "token_url": "https://api.example.com/token"}
    with pytest.raises(Invalid, match=r"auth\.token_url is another.*not sent there"):
        await owned.save("erp", Order("rest", {**REST, "auth": moved}, {}))
    there = {**REST, "url": "https://login.example.com/v1"}
    with pytest.raises(Invalid, match="not sent there"):
        await owned.save("erp", Order("rest", {**there, "auth": TOKENS}, {}))


async def test_a_table_that_is_left_out_takes_its_secrets_with_it() -> None:
    """A client certificate goes, and so does the authentication; what is named stays."""
    owned = Owned()
    secrets = {"auth.client_secret": KEY, **PAIR}
    saved = await owned.save("erp", Order("rest", {**REST, "auth": TOKENS}, secrets))
    assert saved.settings["client_certificate"] == {}
    same = await owned.save("erp", Order("rest", saved.settings, {}))
    assert set(same.secrets) == set(secrets)
    bare = await owned.save("erp", Order("rest", {**REST, "auth": TOKENS}, {}))
    assert set(bare.secrets) == {"auth.client_secret"}
    none = await owned.save("erp", Order("rest", REST, {}))
    assert (none.secrets, none.settings) == ({}, REST)


async def test_an_address_is_shown_and_audited_without_what_may_be_a_secret() -> None:
    """One that was saved with a query stays in use, and its query is shown to nobody."""
    owned = Owned()
    signed = {"url": "https://hooks.example.com/in?sig=SECRET"}
    for act in (owned.save(order=Order(settings=signed)),
                owned.own.try_out(ALICE, Order(settings=signed))):  # fmt: skip
        with pytest.raises(Invalid, match="holds a query"):
            await act
    saved = structs.replace(await owned.save(), settings=signed)
    await owned.records.write(lambda w: w.put(OWN_CONNECTORS, MAIN, "alerts", saved))
    again = await owned.restarted()
    assert again.connectors.get(MAIN, "alerts").url == "https://hooks.example.com/in"
    await again.own.delete(ALICE, "alerts")
    acts = await owned.records.read(lambda r: [one.value.detail for one in r.list(AUDIT, MAIN)])
    assert acts[-1]["url"] == "https://hooks.example.com/in"
    assert "SECRET" not in json.dumps(acts)


@pytest.mark.parametrize("text", ["file:/etc/passwd", "env:HOME", "sealed:sap", " file:/x"])
async def test_a_reference_to_the_operators_machine_is_refused(text: str) -> None:
    """As a secret, and within the settings, in which no secret stands at all."""
    owned = Owned()
    with pytest.raises(Invalid, match="names where a secret stands"):
        await owned.save(order=Order(secrets={"secret": text}))
    with pytest.raises(Invalid, match="settings hold none") as refused:
        await owned.save(order=Order(settings={**HOOK, "secret": text}))
    assert text not in refused.value.detail + refused.value.remedy
    basic = {"url": HOOK["url"], "auth": {"kind": "basic", "user": "u", "password": text}}
    with pytest.raises(Invalid, match="settings hold none"):
        await owned.save(order=Order("sap", basic, {}))


async def test_no_secret_of_the_platform_or_of_a_namesake_is_opened() -> None:
    """What was sealed for one connector opens in no other, not even in a later one of its name."""
    owned = Owned()
    platform = SealedCredential("secret", "00000001:AAAA")
    await owned.records.write(lambda w: w.put(CREDENTIALS, PLATFORM, "secret", platform))
    first = await owned.save()
    await owned.own.delete(ALICE, "alerts")
    second = await owned.save(order=Order(secrets={"secret": "x" * 32}))
    assert second.uid != first.uid
    stolen = {**second.secrets, "secret": first.secrets["secret"]}
    record = await owned.records.read(lambda r: r.get(OWN_CONNECTORS, MAIN, "alerts"))
    moved = structs.replace(record.value, secrets=stolen)
    await owned.records.write(lambda w: w.put(OWN_CONNECTORS, MAIN, "alerts", moved))
    again = await owned.restarted()
    with pytest.raises(ConnectorError, match="does not open"):
        await again.connectors.test(MAIN, "alerts", again.plant.clock)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({**HOOK, "allow": ["127.0.0.0/8"]}, "'allow' is not for a tenant"),
        ({**HOOK, "tenants": ["other"]}, "'tenants' is not for a tenant"),
        ({**HOOK, "timeout_s": 3600}, "3600 s"),
        ({**HOOK, "timeout_s": 11}, "11 s"),
        ({**HOOK, "timeout_s": 0.5}, r"0\.5 s"),
        ({**HOOK, "timeout_s": 10**400}, r"10\*\*308 or more s"),
        ({"url": "https://[x"}, "'url' is no address"),
        ({**HOOK, "timeout_s": -1}, "-1 s"),
        ({"url": "https://u:p@alerts.example.com"}, "user name or password"),
        ({**HOOK, "colour": "red"}, "colour"),
        ({**HOOK, "client_certificate": {}}, "certificate"),
        ({**HOOK, "fields": {"x": "device.idd"}}, "Column 7"),
        ({"timeout_s": 3}, "url"),
        ({**HOOK, "fields": {"x": "'" + "y" * 40_000 + "'"}}, "32768 bytes"),
    ],
)
async def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    """With what is wrong and what to do; nothing is kept."""
    owned = Owned()
    with pytest.raises(Invalid, match=words):
        await owned.save(order=Order(settings=settings))
    assert owned.connectors.list_connectors(MAIN) == []
    assert await owned.records.read(lambda r: r.count(OWN_CONNECTORS, MAIN)) == 0


async def test_a_message_has_no_longer_than_an_attempt() -> None:
    """Of mail all the steps together are bounded, above what one of them has."""
    owned = Owned()
    mail = {"url": "smtps://mail.example.com", "sender": "weft@plant.example"}
    with pytest.raises(Invalid, match="'total_timeout_s' is 41 s"):
        await owned.save(order=Order("email", {**mail, "total_timeout_s": 41}, {}))
    await owned.save(order=Order("email", {**mail, "total_timeout_s": 40}, {}))


async def test_a_kind_stays_and_one_that_is_not_there_is_refused() -> None:
    """Another system under the same name would be asked for the work orders of the first."""
    owned = Owned()
    await owned.save()
    with pytest.raises(Invalid, match="'webhook', and stays so"):
        await owned.save(order=Order("odoo", {"url": HOOK["url"]}, {"key": KEY}))
    with pytest.raises(Invalid, match="no kind 'abacus'"):
        await owned.save("x", Order("abacus", {}, {}))
    with pytest.raises(Invalid, match="'colour' is no secret"):
        await owned.save("x", Order(secrets={"secret": KEY, "colour": "red"}))
    with pytest.raises(Invalid, match="cannot be a connector name"):
        await owned.save("a/b")


async def test_rl_1_a_tenant_has_so_many_and_another_is_not_touched() -> None:
    """The limit counts what is saved; a change of one that is there is no further one."""
    owned = Owned(settings=OwnSettings(connectors_max=2))
    await owned.save("a")
    await owned.save("b")
    with pytest.raises(QuotaExceeded, match="2 connectors"):
        await owned.save("c")
    await owned.save("b")
    await owned.save("c", actor=BOB)
    assert [view.name for view in owned.connectors.list_connectors(MAIN)] == ["a", "b"]


async def test_ss_1_what_outbound_opens_for_the_operator_is_no_tenants() -> None:
    """Loopback is refused, at the trial and at the delivery; the entry says why."""
    owned = Owned(outbound=OutboundClient(OutboundSettings()))
    order = Order(settings={"url": "http://127.0.0.1:9/weft"})
    with pytest.raises(ConnectorError, match="not a public address"):
        await owned.own.try_out(ALICE, order)
    await owned.save("erp", order)
    await owned.plant.put(entry())
    await owned.plant.outbox.deliver_due()
    assert "not a public address" in (await owned.plant.entry(entry())).last_error


async def test_settings_are_tried_before_they_are_saved() -> None:
    """With secrets of the request, or the saved ones; nothing is kept but that it was tried."""
    owned = Owned()
    async with far_side(far_of("webhook", owned.folder / "secret")) as side:
        order = Order(settings={"url": side.url})
        assert "accepted" in await owned.own.try_out(ALICE, order)
        assert owned.connectors.list_connectors(MAIN) == []
        await owned.save("alerts", order)
        said = await owned.own.try_out(ALICE, Order(settings=order.settings, secrets={}), "alerts")
        assert "accepted" in said
        wrong = Order(settings=order.settings, secrets={"secret": "wrong"})
        side.handler = lambda _asked: as_json({}, 401)
        with pytest.raises(ConnectorError, match="401"):
            await owned.own.try_out(ALICE, wrong, "alerts")
    acts = await owned.records.read(
        lambda r: [one.value.action for one in r.list(AUDIT, MAIN) if "try" in one.value.action]
    )
    assert acts == ["connector.try"] * 3


async def test_a_trial_that_hangs_ends() -> None:
    """A far side that says nothing keeps nobody waiting for longer than a test may take."""
    owned = Owned(settings=OwnSettings(test_timeout_s=0.05))
    async with far_side(lambda _asked: Reply(hang=True)) as side:
        with pytest.raises(ConnectorError, match=r"No end within 0\.05 s"):
            await owned.own.try_out(ALICE, Order(settings={"url": side.url}))


async def test_tn_3_trials_of_one_tenant_that_hang_hold_up_no_other() -> None:
    """TN-3: two are asked at a time, few wait; another tenant's is asked at once.

    A test of what is saved is one of them: it asks the same far side.
    """
    owned, go_on = Owned(), asyncio.Event()

    async def slow(_asked: object) -> Reply:
        await go_on.wait()
        return Reply(204, b"", {})

    async with far_side(slow) as side, far_side(lambda _a: Reply(204, b"", {})) as quick:
        order = Order(settings={"url": side.url, "timeout_s": 10})
        await owned.save("erp", order)
        saved = [owned.connectors.test(MAIN, "erp", owned.plant.clock) for _ in range(3)]
        tries = [owned.own.try_out(ALICE, order) for _ in range(3)]
        asked = [asyncio.create_task(one) for one in (*saved, *tries)]
        theirs = Order(settings={"url": quick.url})
        assert "accepted" in await owned.own.try_out(BOB, theirs)
        assert len(side.asked) <= 2
        for more in (
            owned.own.try_out(ALICE, order),
            owned.connectors.test(MAIN, "erp", owned.plant.clock),
        ):
            with pytest.raises(RateLimited, match="4 wait already"):
                await more
        go_on.set()
        answers = await asyncio.gather(*asked)
        assert all("accepted" in said for said in answers)
        assert len(side.asked) == 6


async def test_a_test_of_one_that_is_saved_ends() -> None:
    """As a trial does; that it did not answer is its health."""
    owned = Owned(settings=OwnSettings(test_timeout_s=0.05))
    async with far_side(lambda _asked: Reply(hang=True)) as side:
        await owned.save("erp", Order(settings={"url": side.url}))
        with pytest.raises(ConnectorError, match=r"No end within 0\.05 s"):
            await owned.connectors.test(MAIN, "erp", owned.plant.clock)
    [view] = owned.connectors.list_connectors(MAIN)
    assert (view.healthy, view.last_error) == (False, "No end within 0.05 s.")


async def test_one_that_does_not_close_keeps_nobody_from_a_change() -> None:
    """What is closed is code of others: no lock is held meanwhile, and an error is told."""
    owned, closing, go_on = Owned(), asyncio.Event(), asyncio.Event()
    await owned.save()

    async def never() -> None:
        closing.set()
        await go_on.wait()
        raise TypeError("no close")

    owned.connectors.require(MAIN, "alerts").connector.close = never  # type: ignore[method-assign]
    changing = asyncio.create_task(owned.save())
    await closing.wait()
    assert (await owned.save()).version == 3
    await owned.save(actor=BOB)
    go_on.set()
    assert (await changing).version == 2


async def test_who_read_one_that_was_deleted_changes_no_later_one_of_its_name() -> None:
    """The versions go on: an If-Match of before fits nothing that came behind."""
    owned = Owned()
    first = await owned.save()
    await owned.own.delete(ALICE, "alerts", version=first.version)
    second = await owned.save(version=0)
    assert second.version > first.version
    with pytest.raises(StaleVersion):
        await owned.save(version=first.version)
    with pytest.raises(StaleVersion):
        await owned.own.delete(ALICE, "alerts", version=first.version)
    third = await (await owned.restarted()).save(version=second.version)
    assert third.version == second.version + 1


async def test_tn_3_each_tenant_has_turns_of_its_own_at_the_threads_for_far_sides() -> None:
    """TN-3: a silent mail server of one holds up no other's."""
    owned = Owned()
    mail = {"url": "smtps://mail.example.com", "sender": "weft@plant.example"}
    for actor in (ALICE, BOB):
        await owned.save("mail", Order("email", mail, {}), actor=actor)
    found: list[Any] = [owned.connectors.require(one, "mail").connector for one in (MAIN, OTHER)]
    assert [one._outbound.asker for one in found] == [MAIN, OTHER]


async def test_what_waits_for_one_that_is_deleted_stays_and_goes_when_it_is_back() -> None:
    """Refused while something waits; forced, the entry says why, and the new one delivers it."""
    owned = Owned()
    async with far_side(lambda _asked: Reply(503, b"", {})) as side:
        order = Order(settings={"url": side.url})
        await owned.save("erp", order)
        await owned.plant.put(entry())
        await owned.plant.outbox.deliver_due()
        with pytest.raises(Conflict, match="1 waiting in the outbox"):
            await owned.own.delete(ALICE, "erp")
        await owned.own.delete(ALICE, "erp", force=True)
        assert owned.connectors.find(MAIN, "erp") is None
        owned.plant.clock.turn(100)
        await owned.plant.outbox.deliver_due()
        waiting = await owned.plant.entry(entry())
        assert waiting.state is OutboxState.PENDING
        assert "No connector named 'erp'" in waiting.last_error
        side.handler = lambda _asked: Reply(204, b"", {})
        await owned.save("erp", order)
        owned.plant.clock.turn(100)
        await owned.plant.outbox.deliver_due()
        assert (await owned.plant.entry(entry())).state is OutboxState.DELIVERED


def order_at(number: int, place: str, **changes: Any) -> WorkOrder:
    values: dict[str, Any] = {"state": WorkOrderState.OPEN, "place": place, "polled_at": 1}
    return work_order_of(entry(number), **values | changes)


async def put_orders(owned: Owned, *orders: WorkOrder) -> None:
    for one in orders:
        await owned.records.write(
            lambda w, one=one: w.put(WORK_ORDERS, MAIN, one.work_order_id, one)
        )


ODOO = {"url": "https://erp.example.com", "database": "a"}


@pytest.mark.parametrize("moved", [{**ODOO, "database": "b"}, {**ODOO, "url": "https://b.example"}])
async def test_another_system_is_refused_while_orders_are_open_at_this_one(
    moved: dict[str, Any],
) -> None:
    """Forced, they are left with a note; what has ended is left in any case."""
    owned = Owned()
    before = await owned.save("erp", Order("odoo", ODOO, {"key": KEY}))
    opened, ended = order_at(1, before.place), order_at(2, before.place, watch_until=2**62)
    ended = structs.replace(ended, state=WorkOrderState.CLOSED)
    await put_orders(owned, ended)
    other = Order("odoo", moved, {"key": KEY})
    back = Order("odoo", ODOO, {"key": KEY})
    await owned.save("erp", other)  # nothing is open
    before = await owned.save("erp", back)
    await put_orders(owned, opened := structs.replace(opened, place=before.place))
    same = await owned.save("erp", Order("odoo", {**ODOO, "timeout_s": 3}, {}))
    assert same.place == before.place
    with pytest.raises(Conflict, match="1 of its work orders open"):
        await owned.save("erp", other)
    assert (await owned.own.get(MAIN, "erp")).settings == same.settings
    after = await owned.own.save(ALICE, "erp", other, force=True)
    assert after.place != before.place
    assert owned.connectors.require(MAIN, "erp").place == after.place
    for one in (opened, ended):
        left = (await owned.plant.work_orders.get(MAIN, one.work_order_id)).value
        assert "followed" in left.remarks[-1].text
        assert left.watch_until is None


async def test_a_later_connector_of_the_name_never_touches_orders_of_the_one_before() -> None:
    """Deleted by force and set up anew: its system is not asked for the old one's records."""
    owned = Owned()
    await owned.save("erp")
    first = owned.connectors.require(MAIN, "erp")
    await put_orders(owned, order_at(1, first.place))
    await owned.own.delete(ALICE, "erp", force=True)
    await owned.save("erp")
    made = owned.connectors.require(MAIN, "erp")
    assert made.place != first.place
    late = order_at(2, first.place)  # what the old one took while it was taken away
    await put_orders(owned, late, mine := order_at(3, made.place))
    spy: Any = FakeConnector("erp")
    made.connector = spy
    spy.states = {
        one.work_order_id: RemoteState(WorkOrderState.CLOSED, "Done")
        for one in (order_at(1, ""), late, mine)
    }
    await owned.plant.poller.poll()
    states = [
        (await owned.plant.work_orders.get(MAIN, order_at(number, "").work_order_id)).value.state
        for number in (1, 2, 3)
    ]
    assert states == ["open", "open", "closed"]


async def test_what_comes_while_it_is_asked_about_stands_against_the_delete() -> None:
    """A rule asks for something at the last moment: it is seen in the delete's transaction."""
    owned = Owned()
    await owned.save("erp")
    write = owned.records.write

    async def late(work: Any) -> Any:
        owned.records.write = write  # type: ignore[method-assign]
        await owned.plant.put(entry())
        return await write(work)

    owned.records.write = late  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="1 waiting in the outbox"):
        await owned.own.delete(ALICE, "erp")
    assert owned.connectors.find(MAIN, "erp") is not None


async def test_its_mapping_goes_with_it() -> None:
    """A later one of its name, perhaps of another kind, begins with its own defaults."""
    owned = Owned()
    await owned.save("erp")
    saved = SavedMapping("erp", {"hall": "'3'"}, 0, "alice")
    for tenant in (MAIN, OTHER):
        await owned.records.write(lambda w, t=tenant: w.put(MAPPINGS, t, "erp", saved))
    await owned.own.delete(ALICE, "erp")
    assert await owned.records.read(lambda r: r.find(MAPPINGS, MAIN, "erp")) is None
    assert await owned.records.read(lambda r: r.find(MAPPINGS, OTHER, "erp")) is not None


async def test_the_one_before_is_closed_behind_its_running_delivery() -> None:
    """The address changes in the middle of a delivery: that ends as it began, then it closes."""
    owned, begun, go_on = Owned(), asyncio.Event(), asyncio.Event()

    async def slow(_asked: object) -> Reply:
        begun.set()
        await go_on.wait()
        return Reply(204, b"", {})

    async with far_side(slow) as side, far_side(lambda _a: Reply(204, b"", {})) as other:
        await owned.save("erp", Order(settings={"url": side.url}))
        before = owned.connectors.require(MAIN, "erp")
        closed: list[str] = []
        close = before.connector.close

        async def noted() -> None:
            closed.append("before")
            await close()

        before.connector.close = noted  # type: ignore[method-assign]
        await owned.plant.put(entry())
        delivering = asyncio.create_task(owned.plant.outbox.deliver_due())
        await begun.wait()
        await owned.save("erp", Order(settings={"url": other.url}))
        assert closed == []
        go_on.set()
        await delivering
        assert closed == ["before"]
        assert (await owned.plant.entry(entry())).state is OutboxState.DELIVERED
        assert other.asked == []
        assert "accepted" in await owned.connectors.test(MAIN, "erp", owned.plant.clock)


async def test_one_that_cannot_be_made_any_more_says_so_and_loses_nothing() -> None:
    """A package was taken out: Weft starts, what waits says why, the settings can be read."""
    owned = Owned()
    saved = await owned.save("erp")
    odd = structs.replace(saved, kind="abacus")
    await owned.records.write(lambda w: w.put(OWN_CONNECTORS, MAIN, "erp", odd))
    again = await owned.restarted()
    await again.plant.put(entry())
    await again.plant.outbox.deliver_due()
    stored = await again.plant.entry(entry())
    assert stored.state is OutboxState.PENDING
    assert "cannot be made any more: There is no kind 'abacus'" in stored.last_error
    assert (await again.own.get(MAIN, "erp")).kind == "abacus"


@pytest.mark.parametrize("raised", [TypeError("no colour"), KeyError("colour")])
async def test_a_plug_in_that_raises_at_start_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """Its new release wants another setting: that one connector says so, the rest are made."""
    broken = False

    class Tickets(FakeConnector):
        def __init__(self, name: str, _settings: object, _tools: object) -> None:
            if broken:
                raise raised
            super().__init__(name)

    kinds = {**KINDS, "tickets": (ConnectorSettings, Tickets)}
    monkeypatch.setattr(own_settings, "find_kind", kinds.get)
    monkeypatch.setattr(registry, "find_kind", kinds.get)
    owned = Owned(settings=OwnSettings(plugins=("tickets",)))
    await owned.save("a-desk", Order("tickets", secrets={}))
    await owned.save("hook")
    broken = True
    again = await owned.restarted()
    [desk, hook] = again.connectors.list_connectors(MAIN)
    assert (desk.name, desk.healthy) == ("a-desk", False)
    assert "cannot be made: The kind 'tickets' failed" in desk.last_error
    assert type(raised).__name__ in desk.last_error
    assert (hook.name, hook.healthy) == ("hook", True)
    await again.plant.put(entry(connector="a-desk"))
    await again.plant.outbox.deliver_due()
    assert "cannot be made any more" in (await again.plant.entry(entry())).last_error
    with pytest.raises(Invalid, match=type(raised).__name__):
        await again.save("another", Order("tickets", secrets={}))


async def test_each_act_is_kept_with_who_did_it_and_without_a_secret() -> None:
    """In the same transaction: what was refused has left no record."""
    owned = Owned()
    await owned.save()
    await owned.save()
    await owned.own.delete(ALICE, "alerts")
    with pytest.raises(NotFound):
        await owned.own.delete(ALICE, "alerts")
    acts = await owned.records.read(lambda r: [one.value for one in r.list(AUDIT, MAIN)])
    assert [(one.action, one.actor, one.target) for one in acts] == [
        (f"connector.{verb}", "alice", "connector:alerts")
        for verb in ("create", "update", "delete")
    ]
    assert acts[0].detail == {
        "kind": "webhook", "url": HOOK["url"], "sealed": ["secret"], "version": 1
    }  # fmt: skip
    assert KEY not in json.dumps([one.detail for one in acts])


@pytest.mark.parametrize("kind", ["odoo", "tryton", "sap", "servicenow", "salesforce"])
async def test_every_kind_can_be_set_up_with_what_its_configuration_says(kind: str) -> None:
    """The settings of the configuration file, their secrets apart, make the same connector."""
    owned = Owned()
    far = far_of(kind, owned.folder / "secret")
    table = far.settings("https://far.example.com", "file:/key")
    order = order_of(table["kind"], table.get("url", "https://far.example.com"), table, "file:/key")
    assert order.secrets
    await owned.save("erp", order)
    assert owned.connectors.get(MAIN, "erp").kind == table["kind"]
