"""Kinds: what is said of a group, and how it is kept."""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from weft.model.ids import DeviceUid, TenantId
from weft.ports import Kind
from weft.rules.language.tokens import MAX_CHARACTERS

Expression = Annotated[
    str,
    Meta(
        max_length=MAX_CHARACTERS,
        description="As of rules: device.type == 'pump' && 'critical' in device.tags",
    ),
]


class NewGroup(Struct, frozen=True, forbid_unknown_fields=True):
    """A group: an expression or members, not both."""

    name: Annotated[str, Meta(max_length=128)]
    expression: Expression = ""
    members: tuple[str, ...] = ()
    label: str = ""


class GroupPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of a group."""

    expression: Expression | UnsetType = UNSET
    members: tuple[str, ...] | UnsetType = UNSET
    label: str | UnsetType = UNSET


class Group(Struct, frozen=True):
    """Devices under one name: those that an expression matches now, or those listed."""

    tenant: TenantId
    name: str
    label: str
    expression: str  # empty for a group of listed members
    members: tuple[DeviceUid, ...]  # by uid: a namesake of a deleted device is no member
    created_at: int
    created_by: str
    version: int = 1


GROUPS: Final = Kind("group", Group)
