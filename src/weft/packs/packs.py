"""Packs of a tenant: installed by one order, again without effect, and taken away whole.

What is about to be written is on disk before the first of it is: an install that was cut
off by a crash goes on where it stood when it is asked for again. Each item is written by the
service of its kind, with that one's checks, quotas and audit, and only over what the pack
itself wrote: what people have changed stays theirs.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Conflict, NotFound
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal
from weft.packs.model import INSTALLS, Installed, ItemKind, Pack, digest_of, install_key
from weft.packs.naming import CONNECTOR, items_for
from weft.packs.planning import Outcome, Step, plan_install, plan_removal
from weft.packs.reading import LIBRARY, read_library
from weft.packs.writers import Writers
from weft.ports import Clock, Deciding, Records, Writer
from weft.security.audit import Audit
from weft.security.policy import require

# (tenant, connector): whether it takes work orders
TakesOrders = Callable[[TenantId, str], bool]

_WRITES = {
    ItemKind.TYPE: "type.write",
    ItemKind.ASSET: "asset.write",
    ItemKind.ROUTE: "place.write",
    ItemKind.DERIVATION: "derivation.write",
    ItemKind.RULE: "rule.write",
}
_DELETES = {
    ItemKind.TYPE: "type.delete",
    ItemKind.ASSET: "asset.delete",
    ItemKind.ROUTE: "place.delete",
    ItemKind.DERIVATION: "derivation.delete",
    ItemKind.RULE: "rule.delete",
}


class Order(Struct, frozen=True):
    """How a pack is to be installed."""

    prefix: str = ""
    connector: str | None = None  # None: as before, else `erp` where there is one
    dry_run: bool = False


class Report(Struct, frozen=True):
    """What was done, or would be."""

    pack: Pack
    prefix: str
    connector: str
    version_before: int  # 0: it was not installed
    steps: tuple[Step, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is or was to be written."""
        acts = (Outcome.ADD, Outcome.UPDATE, Outcome.DELETE)
        return any(step.outcome in acts for step in self.steps)


class PacksGiven(Struct, frozen=True, eq=False):
    """What packs are installed with."""

    records: Records
    policy: Deciding
    audit: Audit
    clock: Clock
    writers: Writers
    takes_orders: TakesOrders


class Packs:
    """The packs that Weft brings along, and what tenants made of them."""

    def __init__(self, given: PacksGiven, library: Path = LIBRARY) -> None:
        self._given = given
        self._library = library
        self._packs: dict[str, Pack] | None = None
        self._changing = asyncio.Lock()  # plans are held against what is there, one at a time

    # --- what is asked ---

    async def list_packs(self) -> list[Pack]:
        """Return all packs in the order of their names."""
        return list((await self._known()).values())

    async def get(self, name: str) -> Pack:
        """Return a pack, or raise `NotFound`."""
        found = (await self._known()).get(name)
        if found is None:
            raise NotFound(f"There is no pack {name!r}.", remedy="See weft pack list.")
        return found

    async def installs(self, tenant: TenantId, name: str) -> list[Installed]:
        """Return a tenant's installs of a pack, one for each prefix."""
        found = await self._given.records.read(
            lambda reader: reader.list(INSTALLS, tenant, limit=10_000)
        )
        return [record.value for record in found if record.value.pack == name]

    async def plan(self, tenant: TenantId, name: str, order: Order) -> Report:
        """Return what installing would do; nothing is done."""
        pack = await self.get(name)
        before = await self._installed(tenant, name, order.prefix)
        connector = self._connector(tenant, order, before)
        wanted = items_for(pack, _prefix(order.prefix), connector)
        keys = [item.key for item in wanted] + list(before.made | before.pending if before else ())
        held = await self._held(tenant, keys)
        steps = self._beside(tenant, plan_install(wanted, held, before))
        version = before.version if before else 0
        return Report(pack, order.prefix, connector, version, tuple(steps))

    # --- what is done ---

    async def install(self, actor: Principal, name: str, order: Order) -> Report:
        """Install a pack, or a newer version over it; raise `Conflict` for names that are taken.

        Raises `Forbidden` before anything is written where the actor may not write all of it.
        """
        if order.dry_run:
            return await self.plan(actor.tenant, name, order)
        async with self._changing:
            report = await self.plan(actor.tenant, name, order)
            _require_free(report)
            self._require_rights(actor, report)
            before = await self._installed(actor.tenant, name, order.prefix)
            if not report.changes and _is_as_before(report, before):
                return report
            record = await self._begin(actor, report, before)
            for step in report.steps:
                await self._write(actor, step)
            await self._end(actor, report, record)
        return report

    async def remove(
        self, actor: Principal, name: str, prefix: str = "", *, dry_run: bool = False
    ) -> Report:
        """Take away what a pack made and nobody changed; raise `NotFound` unless it is installed.

        What is still in use (a type that has devices) stays, is told, and goes the next time.
        """
        pack = await self.get(name)
        async with self._changing:
            before = await self._installed(actor.tenant, name, prefix)
            if before is None:
                raise NotFound(
                    f"The pack {name!r} is not installed" + (f" as {prefix!r}." if prefix else "."),
                    remedy=f"See weft pack show {name}.",
                )
            held = await self._held(actor.tenant, list(before.made | before.pending))
            steps = plan_removal(held, before)
            report = Report(pack, prefix, before.connector, before.version, tuple(steps))
            self._require_rights(actor, report)
            if dry_run:
                return report
            done = [await self._delete(actor, step) for step in steps]
            await self._removed(actor, before, done)
        return replace(report, steps=tuple(done))

    # --- how ---

    async def _known(self) -> dict[str, Pack]:
        if self._packs is None:
            self._packs = await asyncio.to_thread(read_library, self._library)
        return self._packs

    async def _installed(self, tenant: TenantId, name: str, prefix: str) -> Installed | None:
        found = await self._given.records.read(
            lambda reader: reader.find(INSTALLS, tenant, install_key(name, prefix))
        )
        return found.value if found else None

    def _connector(self, tenant: TenantId, order: Order, before: Installed | None) -> str:
        """Return where work orders go: as asked, as before, or `erp` where there is one."""
        if order.connector is not None:
            return order.connector
        if before is not None and before.connector:
            return before.connector
        return CONNECTOR if self._given.takes_orders(tenant, CONNECTOR) else ""

    async def _held(
        self, tenant: TenantId, keys: list[str]
    ) -> Mapping[str, Mapping[str, Any] | None]:
        return {key: await self._given.writers.find(tenant, key) for key in keys}

    def _beside(self, tenant: TenantId, steps: list[Step]) -> list[Step]:
        """Hold derivations that are to be written against those of the tenant."""
        writes = (Outcome.ADD, Outcome.UPDATE)
        items = [
            step.item
            for step in steps
            if step.item.kind is ItemKind.DERIVATION and step.outcome in writes
        ]
        clashes = self._given.writers.clashes(tenant, items)
        return [
            replace(step, outcome=Outcome.TAKEN, reason=clashes[step.item.key])
            if step.item.key in clashes
            else step
            for step in steps
        ]

    def _require_rights(self, actor: Principal, report: Report) -> None:
        for step in report.steps:
            if step.outcome in (Outcome.ADD, Outcome.UPDATE):
                action = _WRITES[step.item.kind]
            elif step.outcome is Outcome.DELETE:
                action = _DELETES[step.item.kind]
            else:
                continue
            require(self._given.policy, actor, action, step.item.key)

    async def _begin(self, actor: Principal, report: Report, before: Installed | None) -> Installed:
        """Write down what is about to be written."""
        made = dict(before.made) if before else {}
        for step in report.steps:
            if step.own and step.held and step.outcome is not Outcome.KEEP:
                made[step.item.key] = step.held
        pending = {
            step.item.key: digest_of(step.item.document)
            for step in report.steps
            if step.outcome in (Outcome.ADD, Outcome.UPDATE)
        }
        record = Installed(
            tenant=actor.tenant,
            pack=report.pack.name,
            prefix=report.prefix,
            version=report.pack.version,
            connector=report.connector,
            installed_at=self._given.clock.now(),
            installed_by=str(actor),
            made=made,
            pending=pending,
        )
        await self._put(record)
        return record

    async def _write(self, actor: Principal, step: Step) -> None:
        if step.outcome is Outcome.ADD:
            await self._given.writers.add(actor, step.item)
        elif step.outcome is Outcome.UPDATE:
            await self._given.writers.update(actor, step.item, step.held)
        elif step.outcome is Outcome.DELETE:
            await self._given.writers.delete(actor, step.item, step.held)

    async def _end(self, actor: Principal, report: Report, record: Installed) -> None:
        """Note that all of it is written, and audit it."""
        made = record.made | record.pending
        for step in report.steps:
            if step.outcome is Outcome.DELETE or step.reason == "It is gone already.":
                made.pop(step.item.key, None)
        done = replace(record, made=made, pending={})
        acts = [step for step in report.steps if step.outcome is not Outcome.SAME]
        detail = {"version": record.version, "connector": record.connector, "steps": len(acts)}

        def work(writer: Writer) -> None:
            writer.put(INSTALLS, done.tenant, done.key, done)
            self._given.audit.entry(
                writer, actor, "pack.install", f"pack:{done.pack}", detail=detail
            )

        await self._given.records.write(work)

    async def _delete(self, actor: Principal, step: Step) -> Step:
        if step.outcome is not Outcome.DELETE:
            return step
        try:
            await self._given.writers.delete(actor, step.item, step.held)
        except Conflict as error:  # in use: told, and tried again with the next removal
            return replace(step, outcome=Outcome.KEEP, reason=error.detail)
        return step

    async def _removed(self, actor: Principal, before: Installed, done: list[Step]) -> None:
        """Forget the install; what is in use is still ours to take away."""
        left = {
            step.item.key: step.held for step in done if step.outcome is Outcome.KEEP and step.own
        }
        rest = replace(before, made=left, pending={})
        gone = sum(step.outcome is Outcome.DELETE for step in done)

        def work(writer: Writer) -> None:
            if left:
                writer.put(INSTALLS, rest.tenant, rest.key, rest)
            else:
                writer.delete(INSTALLS, rest.tenant, rest.key)
            self._given.audit.entry(
                writer,
                actor,
                "pack.remove",
                f"pack:{before.pack}",
                detail={"prefix": before.prefix, "deleted": gone, "left": len(left)},
            )

        await self._given.records.write(work)

    async def _put(self, record: Installed) -> None:
        await self._given.records.write(
            lambda writer: writer.put(INSTALLS, record.tenant, record.key, record)
        )


def _prefix(text: str) -> str:
    return require_name(text, "prefix") if text else ""


def _is_as_before(report: Report, before: Installed | None) -> bool:
    if before is None or before.pending:
        return False
    return (before.version, before.connector) == (report.pack.version, report.connector)


def _require_free(report: Report) -> None:
    every = [step for step in report.steps if step.outcome is Outcome.TAKEN]
    taken = [step.item.key for step in every if not step.own]
    if taken:
        raise Conflict(
            f"{len(taken)} name(s) of the pack are in use: {', '.join(taken[:10])}.",
            remedy="Install it with a prefix of its own: --prefix demo-",
        )
    if every:  # a prefix is none of keys of telemetry
        keys = ", ".join(step.item.key for step in every[:10])
        raise Conflict(
            f"{len(every)} derivation(s) of the pack do not go with the tenant's own: {keys}.",
            remedy=every[0].reason,
        )
