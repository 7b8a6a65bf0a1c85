"""What the devices of a tenant can say: the keys that their types declare, for filters.

A filter that names a type (`device.type == 'pump' && ...`) is held against that type, any
other against all of the tenant's. A key that no such device can have is refused, with the one
that was likely meant, and so is a comparison that none of them can answer. Attributes are the
owner's own and devices without a type may say anything: there any key may come. A saved filter
is held against the types when it is saved, and not again when a type changes behind it.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from weft.groups.vocabulary import DEVICES
from weft.model.device import DeviceType
from weft.model.ids import TenantId
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices
from weft.rules.feeds.base import Function
from weft.rules.language.parse import parse
from weft.rules.language.scope import scope_of, suggest
from weft.rules.language.syntax import Literal, Name, Operate, Parsed, Path, Select, Type
from weft.rules.language.tokens import refuse

_WHAT = {"telemetry": "telemetry", "reported": "reported property"}
_TYPES_MAX = 100_000


class Declared(Struct, frozen=True):
    """The names of filters over devices, with the keys below telemetry and reported known."""

    type_name: str | None  # None for all types of the tenant
    keys: Mapping[str, Mapping[str, Type]]  # source -> key -> type

    @property
    def remembers(self) -> Mapping[str, Function]:
        """None: a filter looks at devices as they are now."""
        return DEVICES.remembers

    def path_of(self, chain: tuple[str, ...]) -> Path | None:
        """Return the input that a chain of names is, or None when it is none by itself."""
        return DEVICES.path_of(chain)

    def type_of(self, path: Path) -> Type | None:
        """Return the type of an input, or None when there is no such."""
        source, key = path
        declared = self.keys.get(source)
        return DEVICES.type_of(path) if declared is None else declared.get(key)

    def unit_of(self, path: Path) -> str:
        """Return no unit: filters compare plain numbers."""
        return DEVICES.unit_of(path)

    def unknown(self, path: Path) -> tuple[str, str]:
        """Say what is wrong with an input that is not there, and what to write."""
        source, key = path
        declared = self.keys.get(source)
        if declared is None:
            return DEVICES.unknown(path)
        remedy = suggest(key, sorted(declared)) if declared else "There is none to ask for."
        if self.type_name is None:
            return f"No device type declares {_WHAT[source]} {key!r}.", remedy
        return f"The device type {self.type_name!r} declares no {_WHAT[source]} {key!r}.", remedy

    def example(self, root: str) -> str:
        """Say how a name that is no value by itself is used."""
        return DEVICES.example(root)


def declared_for(
    text: str, tenant: TenantId, types: DeviceTypes, devices: Devices
) -> Declared | None:
    """Return what a filter may ask devices of a tenant for; None where any key may come.

    Raises `Invalid` for a filter that cannot be read, or that names a type that is not there.
    """
    named = _named_type(parse(text))
    if named is None:
        held = types.list(tenant, limit=_TYPES_MAX)
        if not held or devices.any_without_type(tenant):
            return None
        versions = [version for one in held for version in types.followed(one)]
        return Declared(None, _keys(versions))
    if not named.value:
        return None  # those without a type
    current = types.find(tenant, named.value)
    if current is None:
        names = [one.name for one in types.list(tenant, limit=_TYPES_MAX)]
        remedy = suggest(named.value, names) if names else "Save it first (weft type save)."
        raise refuse(named.column, f"There is no device type {named.value!r}.", remedy)
    return Declared(named.value, _keys(types.followed(current)))


def _named_type(tree: Parsed) -> Literal | None:
    """Return the type that every device of a filter must have, where it says so."""
    for part in _conjuncts(tree):
        if isinstance(part, Operate) and part.operator == "==":
            one, other = part.operands
            for name, value in ((one, other), (other, one)):
                if _is_device_type(name) and isinstance(value, Literal):
                    return value if value.type is Type.STRING else None
    return None


def _conjuncts(tree: Parsed) -> Iterator[Parsed]:
    if isinstance(tree, Operate) and tree.operator == "&&":
        for operand in tree.operands:
            yield from _conjuncts(operand)
    else:
        yield tree


def _is_device_type(tree: Parsed) -> bool:
    return (
        isinstance(tree, Select)
        and tree.name == "type"
        and isinstance(tree.of, Name)
        and tree.of.name == "device"
    )


def _keys(versions: Iterable[DeviceType]) -> dict[str, dict[str, Type]]:
    """Return what all of them declare; of a key that two declare otherwise, the type is open."""
    keys: dict[str, dict[str, Type]] = {"telemetry": {}, "reported": {}}
    for scope in map(scope_of, versions):
        for source, declared in (("telemetry", scope.telemetry), ("reported", scope.reported)):
            for key, kind in (declared or {}).items():
                held = keys[source].setdefault(key, kind)
                if held is not kind:
                    keys[source][key] = Type.DYN
    return keys


__all__ = ["Declared", "declared_for"]
