"""Vocabularies: what a filter over devices, or over assets, may speak of.

The language is the rules' own; only the names differ, as a filter looks at one record and
what belongs to it, not at a message. A name that does not exist is refused with its column
and with the name that was likely meant. Keys below `attributes`, `reported` and `telemetry`
are the owner's: any may stand there, and where a device has none the filter does not match.
What the tenant's types declare of them is held against a filter in `declared.py`.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from weft.rules.feeds.base import Function
from weft.rules.language.scope import suggest
from weft.rules.language.syntax import Path, Type

_OPEN = {"attributes": "attributes", "reported": "reported", "telemetry": "telemetry"}

_ASSET: dict[str, Type] = {
    "id": Type.STRING,
    "kind": Type.STRING,
    "label": Type.STRING,
    "path": Type.STRING,
    "ancestors": Type.LIST,
    "tags": Type.LIST,
}
_DEVICE: dict[str, Type] = {
    "id": Type.STRING,
    "type": Type.STRING,
    "lifecycle": Type.STRING,
    "label": Type.STRING,
    "gateway": Type.STRING,
    "tags": Type.LIST,
}


# Who asks an alarm or an event by a value of its device or asset could read it that way.
_RIGHTS: dict[str, str] = {
    "device": "device.read",
    "device_attributes": "device.read",
    "asset": "asset.read",
    "asset_attributes": "asset.read",
}


def rights_of(paths: Iterable[Path]) -> frozenset[str]:
    """Return the actions that who filters alarms or events by these inputs must be allowed."""
    return frozenset(_RIGHTS[source] for source, _key in paths if source in _RIGHTS)


class Vocabulary(Struct, frozen=True):
    """The names of one kind of filter."""

    records: Mapping[str, Mapping[str, Type]]  # root -> its fields
    open: Mapping[str, str]  # root whose keys are the owner's -> source
    words: Mapping[str, Type] = {}  # names that stand alone
    nested: Mapping[tuple[str, str], str] = {}  # root.field whose keys are the owner's -> source
    what: str = "filter"  # whose names these are, for errors

    @property
    def remembers(self) -> Mapping[str, Function]:
        """None: a filter looks at records as they are now."""
        return {}

    def path_of(self, chain: tuple[str, ...]) -> Path | None:
        """Return the input that a chain of names is, or None when it is none by itself."""
        root, *rest = chain
        if not rest:
            return None if root in self.records or root in self.open else ("", root)
        if len(rest) == 1:
            if root in self.open:
                return (self.open[root], rest[0])
            return (root, rest[0]) if self._has_fields(root, rest[0]) else None
        source = self.nested.get((root, rest[0])) if len(rest) == 2 else None
        return None if source is None else (source, rest[1])

    def _has_fields(self, root: str, key: str) -> bool:
        return root in self.records and (root, key) not in self.nested

    def type_of(self, path: Path) -> Type | None:
        """Return the type of an input, or None when there is no such."""
        source, key = path
        if source == "":
            return self.words.get(key)
        fields = self.records.get(source)
        return Type.DYN if fields is None else fields.get(key)

    def unit_of(self, path: Path) -> str:  # noqa: ARG002  no name of a filter has one
        """Return no unit: filters compare plain numbers."""
        return ""

    def unknown(self, path: Path) -> tuple[str, str]:
        """Say what is wrong with an input that is not there, and what to write."""
        source, key = path
        if source:
            fields = [*self.records[source], *(two for one, two in self.nested if one == source)]
            return f"{source} has no {key!r}.", suggest(key, fields)
        known = [*self.records, *self.open, *self.words]
        return f"{key!r} is no name that a {self.what} knows.", suggest(key, known)

    def example(self, root: str) -> str:
        """Say how a name that is no value by itself is used."""
        if root in self.open:
            return f"Write {root}.x or {root}['a-key']."
        fields = self.records.get(root, {})
        return f"Write one of {', '.join(f'{root}.{field}' for field in fields)}."


DEVICES = Vocabulary(
    records={"device": _DEVICE, "asset": _ASSET, "twin": {}},
    open=_OPEN,
    words={"connected": Type.BOOL},
    # As rules write it.
    nested={
        ("device", "attributes"): "attributes",
        ("asset", "attributes"): "asset_attributes",
        ("twin", "reported"): "reported",
    },
)
ASSETS = Vocabulary(
    records={"asset": {**_ASSET, "parent": Type.STRING}},
    open={"attributes": "asset_attributes"},
    nested={("asset", "attributes"): "asset_attributes"},
)
