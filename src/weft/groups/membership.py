"""Membership: which devices belong to the group or the asset that a rule speaks of.

Asked when something changes that decides it, never at a message. So a group of a rule may
ask only for what people say of a device (its type, tags, attributes, its asset): what a
device sends, reports or its connection would make it a member with every message anew, and
a replay would find other members than live did.
"""

from collections.abc import Iterable, Iterator, Sequence

from weft.errors import Invalid, NotFound
from weft.groups.filters import Around, Filter
from weft.groups.groups import Groups
from weft.groups.kinds import Group
from weft.model.alarm import Subject, SubjectKind
from weft.model.asset import Asset
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.rules.model import RuleScope

_FLEETING = frozenset({"telemetry.read", "twin.read", "connection.read"})
_PAGE = 1_000


class Membership:
    """Who belongs to what, as groups, assets and attachments say now."""

    def __init__(self, groups: Groups, around: Around) -> None:
        self._groups = groups
        self._around = around
        self._filters: dict[tuple[TenantId, str], tuple[int, Filter[Device]]] = {}

    def subjects_of(self, scope: RuleScope, device: Device) -> Sequence[Subject]:
        """Return the subjects of a scope that a device is a member of."""
        if scope.group:
            group = self._groups.find(device.tenant, scope.group)
            member = group is not None and self._lasts(group) and self._holds(group, device)
            return [Subject(SubjectKind.GROUP, scope.group)] if member else []
        found = [
            Subject(SubjectKind.ASSET, name)
            for attachment in self._around.attachments.of_device(device.uid)
            if (at := self._around.assets.find_uid(attachment.asset_uid)) is not None
            for name in self._around.assets.chain_of(at)
            if self._is_meant(scope, self._around.assets.find(device.tenant, name))
        ]
        return list(dict.fromkeys(found))

    def members_of(self, scope: RuleScope, tenant: TenantId) -> Iterable[Device]:
        """Return all devices that may be members of a scope; some may come twice."""
        if scope.group:
            group = self._groups.find(tenant, scope.group)
            return () if group is None or not self._lasts(group) else self._of_group(group)
        return self._attached(tenant)

    def label_of(self, tenant: TenantId, subject: Subject) -> str:
        """Return what people call a group or an asset."""
        found: Group | Asset | None
        if subject.kind is SubjectKind.GROUP:
            found = self._groups.find(tenant, subject.name)
        else:
            found = self._around.assets.find(tenant, subject.name)
        return (found.label if found is not None else "") or subject.name

    def require(self, tenant: TenantId, scope: RuleScope) -> None:
        """Raise `NotFound` for what is not there, `Invalid` for a group that no rule can watch."""
        if scope.group:
            group = self._groups.find(tenant, scope.group)
            if group is None:
                raise NotFound(
                    f"scope.group: there is no group {scope.group!r}.",
                    remedy="See weft group list.",
                )
            if not self._lasts(group):
                raise Invalid(
                    f"scope.group: who belongs to {scope.group!r} changes with what devices send.",
                    remedy="Ask for it in the condition, as in any(temperature > 80); a group of a "
                    "rule is made of types, tags, attributes and assets.",
                )
        if scope.asset:
            asset = self._around.assets.find(tenant, scope.asset_id)
            if asset is None or not self._is_meant(scope, asset):
                raise NotFound(
                    f"scope.asset: there is no asset {scope.asset!r}.",
                    remedy="See weft asset list.",
                )

    def _of_group(self, group: Group) -> Iterator[Device]:
        if not group.expression:
            yield from self._groups.members_of(group)
            return
        matches = self._filter(group).matches
        after = ""
        while page := self._around.devices.behind(group.tenant, after, _PAGE):
            yield from (device for device in page if matches(device))
            after = page[-1].device_id

    def _attached(self, tenant: TenantId) -> Iterator[Device]:
        after = ""
        while page := self._around.assets.behind(tenant, after, _PAGE):
            for asset in page:
                for attachment in self._around.attachments.of_asset(asset.uid):
                    device = self._around.devices.find_uid(attachment.device_uid)
                    if device is not None:
                        yield device
            after = page[-1].asset_id

    def _lasts(self, group: Group) -> bool:
        """Return whether nothing that a device says makes it a member."""
        return not group.expression or not self._filter(group).rights & _FLEETING

    def _holds(self, group: Group, device: Device) -> bool:
        if group.expression:
            return self._filter(group).matches(device)
        return device.uid in group.members

    def _filter(self, group: Group) -> Filter[Device]:
        """Return the compiled expression of a group; it is asked of each device in turn."""
        key = (group.tenant, group.name)
        held = self._filters.get(key)
        if held is None or held[0] != group.version or held[1].text != group.expression:
            held = self._filters[key] = (group.version, self._groups.saved_filter(group))
        return held[1]

    def _is_meant(self, scope: RuleScope, asset: Asset | None) -> bool:
        """Return whether an asset is the one of a scope, or one of its kind."""
        if asset is None:
            return False
        if scope.each_asset:
            return asset.kind == scope.each_asset
        path = scope.asset.split("/")
        return self._around.assets.chain_of(asset)[-len(path) :] == path
