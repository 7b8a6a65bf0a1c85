"""Rules as records: saved only when they can run, versioned, audited, with an owner.

Whoever saves a rule owns it from then on: it acts with the rights of the one who decided
what it does, never with more (AZ-5). Those rights are asked for on save and before each
action. Every version is kept, so an alarm of last month still names what raised it.
"""

import builtins
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import AlreadyExists, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.model.ids import RuleId, TenantId, new_id
from weft.model.principal import Principal
from weft.ports import Clock, Deciding, Reader, Record, Records, Writer
from weft.registry.changes import Listeners
from weft.registry.tenants import quotas_of
from weft.rules.conditions import require_conditions, require_over, require_texts
from weft.rules.documents import read_rule
from weft.rules.feeds.base import Cost
from weft.rules.firing import ACT
from weft.rules.kinds import RULE_VERSIONS, RULES, version_key
from weft.rules.language import ANY, Scope
from weft.rules.memory import memory_of, require_bounded, require_room
from weft.rules.model import Rule, RuleDocument
from weft.rules.places.checking import functions_of
from weft.rules.proving import Proof, prove, require_proved
from weft.rules.surroundings import Surroundings
from weft.rules.writes import RIGHTS
from weft.security.audit import Audit
from weft.security.policy import require

# (tenant, connector, kind of action)
RequireAction = Callable[[TenantId, str, str], None]


def _any_action(_tenant: TenantId, _connector: str, _kind: str) -> None:
    """Take every action: nobody said which connectors there are."""


class RuleChange(Struct, frozen=True):
    """A rule before and after: `old` None when made, `new` None when deleted."""

    old: Rule | None
    new: Rule | None
    at: int


class Rules:
    """The rules of all tenants."""

    def __init__(
        self,
        records: Records,
        policy: Deciding,
        audit: Audit,
        clock: Clock,
        around: Surroundings,
        head: Callable[[], int],
    ) -> None:
        self._records = records
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._around = around
        self._head = head  # position of the newest message evaluated
        self._listeners: Listeners[RuleChange] = Listeners()
        self._require_action: RequireAction = _any_action

    def check_actions_with(self, require: RequireAction) -> None:
        """Let `require` raise `Invalid` for an action that no connector can do."""
        self._require_action = require

    def on_change(self, callback: Callable[[RuleChange], None]) -> None:
        """Call `callback` on the loop after each change of a rule is on disk."""
        self._listeners.add(callback)

    async def get(self, tenant: TenantId, rule_id: str, version: int | None = None) -> Rule:
        """Return a rule at a version (the current one if None), or raise `NotFound`."""
        if version is None:
            return (await self._records.read(lambda r: _get(r, tenant, rule_id))).value
        key = version_key(rule_id, version)
        return (await self._records.read(lambda r: r.get(RULE_VERSIONS, tenant, key))).value

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> builtins.list[Rule]:
        """Return the tenant's rules in the order of their names."""
        records = await self._records.read(
            lambda reader: reader.list(RULES, tenant, after=after, limit=limit)
        )
        return [record.value for record in records]

    async def versions(self, tenant: TenantId, rule_id: str) -> builtins.list[Rule]:
        """Return the versions of a rule that are kept, oldest first."""
        records = await self._records.read(
            lambda reader: reader.list(RULE_VERSIONS, tenant, where=("rule", rule_id), limit=1_000)
        )
        return [record.value for record in records]

    def check(
        self, tenant: TenantId, document: str | Mapping[str, Any]
    ) -> tuple[RuleDocument, dict[str, Any]]:
        """Return the rule of a document, or raise `Invalid` saying what to change."""
        read, source = read_rule(document)
        if read.scope is not None:
            self._around.members.require(tenant, read.scope)
            require_bounded(memory_of(*require_over(read, self._member_scopes(tenant, read))))
        else:
            for scope in self._scopes(tenant, read):
                require_bounded(memory_of(*require_conditions(read, scope)))
                require_texts(read, scope)
        for action in read.actions:
            self._require_action(tenant, action.connector, action.kind)
        return read, source

    def prove(self, tenant: TenantId, document: str | Mapping[str, Any]) -> builtins.list[Proof]:
        """Run the tests of a document that could be saved, and return what became of each."""
        read, _source = self.check(tenant, document)
        return prove(read, tenant, self._around)

    async def create(
        self, actor: Principal, document: str | Mapping[str, Any], *, force: bool = False
    ) -> Rule:
        """Make a rule owned by the actor; raise `AlreadyExists` for a name that is taken.

        Raises `TestsFailed` for one that fails its own tests, unless it is forced.
        """
        read, source = self.check(actor.tenant, document)
        self._require_proved(actor.tenant, read, force=force)
        cost = self._memory(actor.tenant, read)
        self._require_rights(actor, read)

        def work(writer: Writer) -> Rule:
            quota = quotas_of(writer, actor.tenant).rules
            if writer.count(RULES, actor.tenant) >= quota:
                raise QuotaExceeded(
                    f"The tenant has {quota} rules, which is its quota.",
                    remedy="Delete rules that are out of use, or raise the quota.",
                )
            if writer.find(RULES, actor.tenant, read.name) is not None:
                raise AlreadyExists(
                    f"There is a rule {read.name!r} already.", remedy="Update it, or rename this."
                )
            return self._store(writer, actor, (read, source, cost), None)

        rule = await self._records.write(work)
        self._tell(None, rule)
        return rule

    async def update(
        self,
        actor: Principal,
        rule_id: str,
        document: str | Mapping[str, Any],
        *,
        version: int | None = None,
        force: bool = False,
    ) -> Rule:
        """Save a new version, owned by the actor; raise `StaleVersion` unless at `version`."""
        read, source = self.check(actor.tenant, document)
        cost = self._memory(actor.tenant, read)
        if read.name != rule_id:
            raise Invalid(
                f"The document names the rule {read.name!r}, not {rule_id!r}.",
                remedy="A rule keeps its name; make a new one and delete this.",
            )
        self._require_proved(actor.tenant, read, force=force)
        self._require_rights(actor, read)

        def work(writer: Writer) -> tuple[Rule, Rule]:
            old = _get(writer, actor.tenant, rule_id, version)
            return old.value, self._store(writer, actor, (read, source, cost), old)

        old, new = await self._records.write(work)
        self._tell(old, new)
        return new

    async def set_enabled(
        self, actor: Principal, rule_id: str, *, enabled: bool, version: int | None = None
    ) -> Rule:
        """Start or stop a rule; starting one that Weft has paused lets it try again."""
        if enabled:
            rule = await self.get(actor.tenant, rule_id)
            self._require_rights(rule.owner, rule.document)

        def work(writer: Writer) -> tuple[Rule, Rule]:
            record = _get(writer, actor.tenant, rule_id, version)
            old = record.value
            if old.enabled is enabled and not old.paused:
                return old, old
            new = replace(
                old,
                enabled=enabled,
                paused="",
                updated_at=self._clock.now(),
                effective_after=self._head(),
            )
            writer.put(RULES, actor.tenant, rule_id, new, version=record.version)
            action = "rule.enable" if enabled else "rule.disable"
            self._audit.entry(writer, actor, action, f"rule:{rule_id}")
            return old, new

        old, new = await self._records.write(work)
        if new is not old:
            self._tell(old, new)
        return new

    async def delete(self, actor: Principal, rule_id: str, *, version: int | None = None) -> None:
        """Delete a rule; its versions stay, for the alarms that name them."""

        def work(writer: Writer) -> Rule:
            record = _get(writer, actor.tenant, rule_id, version)
            writer.delete(RULES, actor.tenant, rule_id, version=record.version)
            self._audit.entry(writer, actor, "rule.delete", f"rule:{rule_id}")
            return record.value

        self._tell(await self._records.write(work), None)

    def _store(
        self,
        writer: Writer,
        actor: Principal,
        what: tuple[RuleDocument, dict[str, Any], Cost],
        old: Record[Rule] | None,
    ) -> Rule:
        document, source, cost = what
        require_room(writer, actor.tenant, document.name, cost)
        tenant, now = actor.tenant, self._clock.now()
        # A deleted namesake's versions are kept: go on counting, so that no id comes twice.
        kept = writer.count(RULE_VERSIONS, tenant, where=("rule", document.name))
        # A document that does not say so starts nothing that somebody has stopped.
        stays = old is not None and "enabled" not in source
        rule = Rule(
            rule_id=RuleId(document.name),
            uid=old.value.uid if old else new_id(),
            tenant=tenant,
            version=kept + 1,
            owner=actor,
            document=document,
            source=source,
            created_at=old.value.created_at if old else now,
            updated_at=now,
            enabled=old.value.enabled if old and stays else document.enabled,
            effective_after=self._head(),
            state_bytes=cost.state_bytes,
            sample_ns=cost.sample_ns,
        )
        if old is None:
            writer.insert(RULES, tenant, rule.rule_id, rule)
        else:
            writer.put(RULES, tenant, rule.rule_id, rule, version=old.version)
        writer.insert(RULE_VERSIONS, tenant, version_key(rule.rule_id, rule.version), rule)
        action = "rule.update" if old else "rule.create"
        detail = {"version": rule.version}
        self._audit.entry(writer, actor, action, f"rule:{rule.rule_id}", detail=detail)
        return rule

    def _memory(self, tenant: TenantId, document: RuleDocument) -> Cost:
        """Return what a rule may remember; that stands in its own words, whatever the type."""
        if document.scope is not None:
            return memory_of(*require_over(document, []))
        return memory_of(*require_conditions(document, self._scopes(tenant, document)[0]))

    def _require_proved(self, tenant: TenantId, document: RuleDocument, *, force: bool) -> None:
        if document.tests and not force and not document.dry_run:
            require_proved(document, tenant, self._around)

    def _require_rights(self, owner: Principal, document: RuleDocument) -> None:
        require(self._policy, owner, ACT, f"rule:{document.name}")
        for action in document.actions:
            require(self._policy, owner, ACT, f"connector:{action.connector}")
            if action.kind in RIGHTS:
                device = str(action.parameters.get("device") or "*")
                require(self._policy, owner, RIGHTS[action.kind], f"device:{device}")

    def _scopes(self, tenant: TenantId, document: RuleDocument) -> builtins.list[Scope]:
        """Return every scope that the rule will meet, as far as it can be known now."""
        selector, types = document.selector, self._around.types
        functions = functions_of(self._around.places, tenant)
        if selector.type_name is not None:
            kind = types.find(tenant, selector.type_name)
            if kind is None:
                raise NotFound(
                    f"selector.type: there is no device type {selector.type_name!r}.",
                    remedy="See weft type list.",
                )
            return [replace(self._around.scope_of(tenant, kind), functions=functions)]
        found = [self._around.devices.find(tenant, device_id) for device_id in selector.devices]
        followed = [types.followed_by(device) for device in found if device is not None]
        kinds = {(kind.name, kind.version) if kind else ("", 0): kind for kind in followed}
        scopes = [self._around.scope_of(tenant, kinds[key]) for key in sorted(kinds)] or [ANY]
        return [replace(scope, functions=functions) for scope in scopes]

    def _member_scopes(self, tenant: TenantId, document: RuleDocument) -> builtins.list[Scope]:
        """Return what its members can say today; one of them must be able to answer."""
        if document.selector.type_name is not None or document.scope is None:
            return self._scopes(tenant, document)
        kinds: dict[tuple[str, int], Scope] = {}
        functions = functions_of(self._around.places, tenant)
        for device in self._around.members.members_of(document.scope, tenant):
            matches = document.selector.matches(device.device_id, device.type_name or "", device)
            if matches and self._around.members.subjects_of(document.scope, device):
                kind = self._around.types.followed_by(device)
                scope = replace(self._around.scope_of(tenant, kind), functions=functions)
                kinds.setdefault((kind.name, kind.version) if kind else ("", 0), scope)
        return builtins.list(kinds.values())

    def _tell(self, old: Rule | None, new: Rule | None) -> None:
        self._listeners.tell(RuleChange(old, new, self._clock.now()))


def _get(
    reader: Reader, tenant: TenantId, rule_id: str, version: int | None = None
) -> Record[Rule]:
    record = reader.find(RULES, tenant, rule_id)
    if record is None:
        raise NotFound(f"There is no rule {rule_id!r}.", remedy="See weft rule list.")
    if version is not None and record.value.version != version:
        raise StaleVersion(
            f"The rule is at version {record.value.version}, not {version}.",
            remedy="Read it again, then save your change on top.",
        )
    return record
