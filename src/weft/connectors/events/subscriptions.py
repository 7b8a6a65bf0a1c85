"""Subscriptions: who is told of what, kept with a sealed secret and the owner's name.

A subscription begins with what happens after it was made. What it delivers is decided on
with its owner's rights at every delivery; here only that the owner has them to begin with.
"""

import builtins
import os
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import UNSET, Struct, structs

from weft.connectors.events.filtering import event_filter
from weft.connectors.events.kinds import DEAD_EVENTS, HEAD, HEADS, PROGRESS, SUBSCRIPTIONS, dead_key
from weft.connectors.events.settings import EventSettings
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.groups.filters import Around
from weft.model.ids import TenantId, new_id, require_name
from weft.model.principal import Principal
from weft.model.subscription import (
    JOURNALED,
    RIGHT_OF,
    DeadEvent,
    NewSubscription,
    Progress,
    Standing,
    Subscription,
    SubscriptionPatch,
    Topic,
)
from weft.ports import Clock, Deciding, Journal, Reader, Record, Records, Writer
from weft.security.audit import Audit
from weft.security.policy import require
from weft.security.secrets import Vault

SEALED_AS: Final = "event_subscription"
PAGE: Final = 500


class Given(Struct, frozen=True):
    """What subscriptions and their deliveries work with."""

    records: Records
    audit: Audit
    clock: Clock
    vault: Vault
    policy: Deciding
    journal: Journal
    around: Around


class Subscriptions:
    """The subscriptions of all tenants."""

    def __init__(self, given: Given, settings: EventSettings) -> None:
        self._given = given
        self._settings = settings
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the loop after each change."""
        self._listeners.append(callback)

    def _changed(self) -> None:
        for callback in self._listeners:
            callback()

    # --- reading ---

    async def get(self, tenant: TenantId, name: str) -> Standing:
        """Return a subscription, or raise `NotFound`."""
        return await self._given.records.read(lambda reader: _standing(reader, tenant, name))

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> builtins.list[Standing]:
        """Return subscriptions in the order of their names."""

        def work(reader: Reader) -> builtins.list[Standing]:
            found = reader.list(SUBSCRIPTIONS, tenant, after=after, limit=limit)
            return [_standing(reader, tenant, one.key) for one in found]

        return await self._given.records.read(work)

    async def dead_events(
        self, tenant: TenantId, name: str, *, after: str = "", limit: int = 100
    ) -> Sequence[Record[DeadEvent]]:
        """Return what could not be delivered, in the order of its keys."""

        def work(reader: Reader) -> Sequence[Record[DeadEvent]]:
            uid = _get(reader, tenant, name).value.uid
            where = ("subscription", uid)
            return reader.list(DEAD_EVENTS, tenant, where=where, after=after, limit=limit)

        return await self._given.records.read(work)

    async def dead_event(self, tenant: TenantId, name: str, event_id: str) -> DeadEvent:
        """Return one event that could not be delivered, or raise `NotFound`."""

        def work(reader: Reader) -> DeadEvent:
            uid = _get(reader, tenant, name).value.uid
            found = reader.find(DEAD_EVENTS, tenant, dead_key(uid, event_id))
            if found is None:
                raise NotFound(
                    f"{name!r} has no dead event {event_id!r}.",
                    remedy=f"See weft subscription dead {name}.",
                )
            return found.value

        return await self._given.records.read(work)

    # --- changing ---

    async def create(self, actor: Principal, new: NewSubscription) -> tuple[Standing, str]:
        """Save a subscription; return it, and its secret if it was made here."""
        given, tenant = self._given, actor.tenant
        made = "" if new.secret is not None else os.urandom(32).hex()
        uid = new_id()
        await given.vault.add_tenant(tenant)
        secret = new.secret if new.secret is not None else made
        subscription = Subscription(
            tenant=tenant,
            name=require_name(new.name, "name of a subscription"),
            uid=uid,
            url=new.url,
            topics=_topics(new.topics),
            filter=new.filter,
            mode=new.mode,
            sealed=given.vault.seal(tenant, SEALED_AS, uid, secret.encode()),
            handshake=new.handshake,
            owner=actor,
            created_at=given.clock.now(),
        )
        self._require_sound(subscription, actor)
        position = given.journal.head

        def work(writer: Writer) -> Standing:
            if writer.count(SUBSCRIPTIONS, tenant) >= self._settings.subscriptions_max:
                raise QuotaExceeded(
                    f"The tenant has {self._settings.subscriptions_max} subscriptions.",
                    remedy="Delete those out of use, or raise [events] subscriptions_max.",
                )
            writer.insert(SUBSCRIPTIONS, tenant, subscription.name, subscription)
            head = writer.find(HEADS, tenant, HEAD)
            progress = Progress(head.value.sequence if head else 0, position)
            writer.insert(PROGRESS, tenant, uid, progress)
            self._note(writer, actor, "create", subscription)
            return Standing(subscription, progress, 0)

        standing = await given.records.write(work)
        self._changed()
        return standing, made

    async def patch(
        self, actor: Principal, name: str, patch: SubscriptionPatch, *, version: int | None = None
    ) -> Standing:
        """Change a subscription; who changes it owns it from then on."""
        given, tenant = self._given, actor.tenant
        head = given.journal.head  # what is asked for anew begins with what comes from now on

        def work(writer: Writer) -> Standing:
            record = _get(writer, tenant, name)
            old = record.value
            if version is not None and old.version != version:
                raise StaleVersion(
                    f"The subscription is at version {old.version}, not {version}.",
                    remedy="Read it again, then make your change on top.",
                )
            new = structs.replace(
                old,
                **{
                    field: getattr(patch, field)
                    for field in ("url", "filter", "mode")
                    if getattr(patch, field) is not UNSET
                },
                owner=actor,
                version=old.version + 1,
            )
            if patch.topics is not UNSET:
                new = structs.replace(new, topics=_topics(patch.topics))
            if patch.secret is not UNSET:
                sealed = given.vault.seal(tenant, SEALED_AS, old.uid, patch.secret.encode())
                new = structs.replace(new, sealed=sealed)
            writer.put(SUBSCRIPTIONS, tenant, name, new, version=record.version)
            progress = _progress_after(writer.get(PROGRESS, tenant, old.uid).value, old, patch)
            if set(new.topics) & JOURNALED and not set(old.topics) & JOURNALED:
                progress = structs.replace(progress, position=max(progress.position, head))
            writer.put(PROGRESS, tenant, old.uid, progress)
            self._note(writer, actor, "update", new)
            return _standing(writer, tenant, name)

        held = (await self.get(tenant, name)).subscription
        topics = held.topics if patch.topics is UNSET else _topics(patch.topics)
        text = held.filter if patch.filter is UNSET else patch.filter
        self._require_sound(structs.replace(held, topics=topics, filter=text), actor)
        standing = await given.records.write(work)
        self._changed()
        return standing

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Delete a subscription with its dead events."""
        tenant = actor.tenant

        def work(writer: Writer) -> None:
            found = _get(writer, tenant, name).value
            if version is not None and found.version != version:
                raise StaleVersion(
                    f"The subscription is at version {found.version}, not {version}.",
                    remedy="Read it again, then decide.",
                )
            writer.delete(SUBSCRIPTIONS, tenant, name)
            writer.delete(PROGRESS, tenant, found.uid)
            where = ("subscription", found.uid)
            for dead in writer.list(
                DEAD_EVENTS, tenant, where=where, limit=self._settings.dead_max + 1
            ):
                writer.delete(DEAD_EVENTS, tenant, dead.key)
            self._note(writer, actor, "delete", found)

        await self._given.records.write(work)
        self._changed()

    def secret_of(self, subscription: Subscription) -> str:
        """Return the secret that signs."""
        opened = self._given.vault.unseal(
            subscription.tenant, SEALED_AS, subscription.uid, subscription.sealed
        )
        return opened.decode()

    async def drop_dead(self, actor: Principal, subscription: Subscription, event_id: str) -> None:
        """Forget a dead event that was taken after all."""
        tenant = subscription.tenant

        def work(writer: Writer) -> None:
            if not writer.delete(DEAD_EVENTS, tenant, dead_key(subscription.uid, event_id)):
                raise Conflict("Somebody else has redriven it already.", remedy="Look again.")
            detail = {"event": event_id}
            target = f"subscription:{subscription.name}"
            self._given.audit.entry(writer, actor, "subscription.redrive", target, detail=detail)

        await self._given.records.write(work)

    def _require_sound(self, subscription: Subscription, actor: Principal) -> None:
        for topic in subscription.topics:
            require(self._given.policy, actor, RIGHT_OF[topic], "*")
        wanted = event_filter(subscription.filter, self._given.around, subscription.tenant)
        for right in sorted(wanted.rights):  # who filters by a value could read it that way
            require(self._given.policy, actor, right, "*")

    def _note(self, writer: Writer, actor: Principal, verb: str, one: Subscription) -> None:
        detail = {"url": one.url, "topics": [topic.value for topic in one.topics]}
        action, target = f"subscription.{verb}", f"subscription:{one.name}"
        self._given.audit.entry(writer, actor, action, target, detail=detail)


def _topics(topics: Sequence[Topic]) -> tuple[Topic, ...]:
    if not topics:
        raise Invalid(
            "A subscription has at least one topic.",
            remedy=f"Topics are: {', '.join(topic.value for topic in Topic)}.",
        )
    return tuple(dict.fromkeys(topics))


def _progress_after(progress: Progress, old: Subscription, patch: SubscriptionPatch) -> Progress:
    if patch.url is not UNSET and patch.url != old.url:
        progress = structs.replace(progress, confirmed=False, interval_s=0.0)
    if patch.paused is True:
        return structs.replace(progress, paused="by a person")
    if patch.paused is False:
        return structs.replace(
            progress, paused="", failures=0, failing_since=None, next_at=0, last_error=""
        )
    return structs.replace(progress, next_at=0)  # it was mended, perhaps: try it now


def _get(reader: Reader, tenant: TenantId, name: str) -> Record[Subscription]:
    record = reader.find(SUBSCRIPTIONS, tenant, name)
    if record is None:
        raise NotFound(f"There is no subscription {name!r}.", remedy="See weft subscription list.")
    return record


def _standing(reader: Reader, tenant: TenantId, name: str) -> Standing:
    subscription = _get(reader, tenant, name).value
    dead = reader.count(DEAD_EVENTS, tenant, where=("subscription", subscription.uid))
    return Standing(subscription, reader.get(PROGRESS, tenant, subscription.uid).value, dead)
