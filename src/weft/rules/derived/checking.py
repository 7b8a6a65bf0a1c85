"""Checking: what a derivation may say, held against the types, devices and members of today."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Invalid, NotFound
from weft.model.device import Device, DeviceType
from weft.model.ids import TenantId
from weft.rules.derived.formulas import SENT, compile_value, require_key, telemetry_of
from weft.rules.derived.model import Derivation, DerivationDocument
from weft.rules.derived.rollups import asked_of_members, compile_roll_up, is_member
from weft.rules.feeds.base import Cost
from weft.rules.language import ANY, Scope
from weft.rules.language.condition import Condition
from weft.rules.language.members import OverMembers, require_some
from weft.rules.language.scope import ROOTS
from weft.rules.language.syntax import NUMBERS, Type
from weft.rules.memory import memory_of, require_bounded
from weft.rules.model import RuleScope, Selector
from weft.rules.places.checking import functions_of
from weft.rules.surroundings import Surroundings

_RESERVED: Final = frozenset(ROOTS)


class Checked(Struct, frozen=True):
    """What was found of a document that can be computed."""

    gives: str
    inputs: tuple[str, ...]
    cost: Cost


class Checks:
    """What is asked before a derivation is saved."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def check(self, tenant: TenantId, document: DerivationDocument) -> Checked:
        """Return what a document comes to, or raise `Invalid` or `NotFound` saying why not."""
        require_key(document.key, _RESERVED)
        if document.scope is not None:
            return self._check_roll_up(tenant, document, document.scope)
        if document.device:
            raise Invalid(
                "device: a derivation without a scope is of each device that its selector means.",
                remedy="Add scope: {asset: NAME}, or leave device out.",
            )
        found: list[Condition] = []
        for kind, scope in self._scopes(tenant, document.selector):
            _require_undeclared(kind, document.key)
            try:
                found.append(compile_value(document.value, scope))
            except Invalid as error:
                raise _of_value(error) from error
        cost = memory_of(found[0])
        require_bounded(cost)
        return Checked(_gives(found[0]), telemetry_of(found[0]), cost)

    def _check_roll_up(
        self, tenant: TenantId, document: DerivationDocument, scope: RuleScope
    ) -> Checked:
        if scope.each_asset:
            raise Invalid(
                "scope.each_asset: a roll-up becomes telemetry of one device.",
                remedy="Save one for each asset: scope: {asset: NAME}.",
            )
        if not document.device:
            raise Invalid(
                "A roll-up names no device that stands for its members.",
                remedy="Add a device for the whole, and say device: NAME.",
            )
        device = self._around.devices.find(tenant, document.device)
        if device is None:
            raise NotFound(
                f"device: there is no device {document.device!r}.",
                remedy=f"Add it: weft device add {document.device}",
            )
        self._around.members.require(tenant, scope)
        _require_undeclared(self._around.types.followed_by(device), document.key)
        try:
            over = compile_roll_up(document.value)
            self._require_answerable(tenant, document, over)
        except Invalid as error:
            raise _of_value(error) from error
        members = asked_of_members(over)
        cost = memory_of(*members)
        require_bounded(cost)
        paths = {path for one in members for path in one.paths}
        if not any(source in SENT for source, _key in paths):
            raise Invalid(
                "value: it reads nothing that a member sends, so it would never be computed.",
                remedy="Name a telemetry key, as in sum_of(power).",
            )
        inputs = tuple(sorted(key for source, key in paths if source == "telemetry"))
        return Checked(_gives(over.condition), inputs, cost)

    def _require_answerable(
        self, tenant: TenantId, document: DerivationDocument, over: OverMembers
    ) -> None:
        """Raise `Invalid` unless some kind of member can answer each question."""
        kinds: dict[tuple[str, int], Scope] = {}
        if document.selector.type_name is not None:
            scopes = [scope for _kind, scope in self._scopes(tenant, document.selector)]
        else:
            for device in self._members(tenant, document):
                kind = self._around.types.followed_by(device)
                key = (kind.name, kind.version) if kind else ("", 0)
                kinds.setdefault(key, self._scope(tenant, kind))
            scopes = list(kinds.values()) or [ANY]
        for call in over.calls:
            require_some(call, scopes)

    def _members(self, tenant: TenantId, document: DerivationDocument) -> list[Device]:
        members, scope = self._around.members, document.scope
        if scope is None:
            return []
        return [
            one for one in members.members_of(scope, tenant) if is_member(document, one, members)
        ]

    def reads(self, derivation: Derivation, device_id: str) -> bool:
        """Return whether a derivation reads of a device now."""
        document = derivation.document
        device = self._around.devices.find(derivation.tenant, device_id)
        if device is None:
            return False
        if document.scope is not None:
            return is_member(document, device, self._around.members)
        return document.selector.matches(device.device_id, device.type_name or "", device)

    def _scope(self, tenant: TenantId, kind: DeviceType | None) -> Scope:
        functions = functions_of(self._around.places, tenant)
        return replace(self._around.scope_of(tenant, kind), functions=functions)

    def _scopes(
        self, tenant: TenantId, selector: Selector
    ) -> list[tuple[DeviceType | None, Scope]]:
        """Return every kind of device that is meant, one at least, as far as it is known now."""
        types = self._around.types
        kinds: Mapping[tuple[str, int], DeviceType | None]
        if selector.type_name is not None:
            kind = types.find(tenant, selector.type_name)
            if kind is None:
                raise NotFound(
                    f"selector.type: there is no device type {selector.type_name!r}.",
                    remedy="See weft type list.",
                )
            return [(kind, self._scope(tenant, kind))]
        found = [self._around.devices.find(tenant, one) for one in selector.devices]
        followed = [types.followed_by(device) for device in found if device is not None]
        kinds = {(kind.name, kind.version) if kind else ("", 0): kind for kind in followed}
        scopes = [(kinds[key], self._scope(tenant, kinds[key])) for key in sorted(kinds)]
        return scopes or [(None, self._scope(tenant, None))]


def _gives(value: Condition) -> str:
    return Type.DOUBLE if value.tree.type in NUMBERS else value.tree.type


def _of_value(error: Invalid) -> Invalid:
    return Invalid(f"value: {error.detail}", remedy=error.remedy)


def _require_undeclared(kind: DeviceType | None, key: str) -> None:
    if kind is not None and key in kind.telemetry:
        raise Invalid(
            f"key: the type {kind.name!r} declares {key!r}: its devices send it.",
            remedy="Choose a key of its own for what is computed.",
        )
