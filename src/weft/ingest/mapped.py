"""Mapped payloads: a type's mapping as closures that turn a payload into values of its keys.

Made once per version of a type. What the mapping does not speak of is refused with its
place, unless it says otherwise: a key that was renamed in some firmware is noticed on the
day, not when somebody misses its history.
"""

import base64
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Named
from typing import Any, Final

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.checks import did_you_mean
from weft.ingest.picking import MISSING, Place, follow, make_pick
from weft.ingest.telemetry import READINGS_MAX, require_sane
from weft.model.device import DeviceType, Field
from weft.model.mapping import Binary, Mapping, Path, Source, Stamp, shown
from weft.model.moments import NS_PER_MS, NS_PER_S, from_rfc3339

PICKS_MAX: Final = 50_000  # in one message: some 10 ms
_NS: Final = {"s": NS_PER_S, "ms": NS_PER_MS, "us": 1_000, "ns": 1}
_USED: Final = object()
_IGNORED: Final = object()

Moments = list[tuple[int, dict[str, Any]]]
_Node = dict[Any, Any]  # a trie of steps; `_USED` or `_IGNORED` marks where a path ends


class Fields:
    """Picks the values of one section: telemetry, properties, or the fields of an event."""

    def __init__(
        self,
        sources: Named[str, Source],
        fields: Named[str, Field],
        mapping: Mapping,
        *,
        nullable: bool = False,
        used: Iterable[Path] = (),
    ) -> None:
        """`used` are paths that something else reads (the time, the bytes)."""
        self._picks = [
            (key, make_pick(key, source, fields[key], nullable=nullable))
            for key, source in sources.items()
        ]
        # What is mapped from bytes alone stands under its own key in a document.
        alone = mapping.binary is not None and not mapping.binary.path
        self._as_they_are = [
            key for key in fields if key not in sources or (alone and sources[key].bits is not None)
        ]
        paths = [one.path for one in sources.values() if one.path and not one.rooted]
        paths += [one.path for source in sources.values() for one in source.when if one.path]
        paths += [(key,) for key in self._as_they_are]
        self._strict = None if mapping.ignores_unmapped else Strict([*paths, *used], mapping.ignore)
        self.whole = any(not one.path and one.rooted for one in sources.values())

    def __len__(self) -> int:
        return len(self._picks)

    def values(self, place: Place, where: str = "") -> dict[str, Any]:
        """Return the values by key; raise `PayloadInvalid` with the place of what is wrong."""
        found: dict[str, Any] = {}
        item = place.item
        try:
            for key, pick in self._picks:
                value = pick(place)
                if value is not MISSING:
                    found[key] = value
            if type(item) is dict:
                for key in self._as_they_are:
                    if key in item:
                        found[key] = item[key]
            if self._strict is not None and not self.whole:
                self._strict.require(item)
        except PayloadInvalid as error:
            raise PayloadInvalid(where + error.detail, remedy=error.remedy) from None
        return found


class Strict:
    """Knows which places of a payload are read or ignored, and refuses all others."""

    def __init__(self, used: Iterable[Path], ignored: Iterable[Path]) -> None:
        self._root: _Node = {}
        self._known = [shown(path) for path in used]
        for paths, mark in ((used, _USED), (ignored, _IGNORED)):
            for path in paths:
                node = self._root
                for step in path:
                    node = node.setdefault(step, {})
                node[mark] = True

    def require(self, value: Any) -> None:
        """Raise `PayloadInvalid` at the first place that the mapping does not speak of."""
        if value is not None:
            self._walk(value, self._root, (), ignored=False)

    def _walk(self, value: Any, node: _Node | None, path: Path, *, ignored: bool) -> None:
        if node is not None:
            if _USED in node:
                return
            ignored = ignored or _IGNORED in node
            if isinstance(value, dict | list):
                inner = value.items() if isinstance(value, dict) else enumerate(value)
                for step, one in inner:
                    self._walk(one, node.get(step), (*path, step), ignored=ignored)
                return
        if not ignored:
            text = shown(path)[:128]
            raise PayloadInvalid(
                f"The mapping does not speak of {text}.",
                remedy=did_you_mean(text, self._known)
                or "Map it, list it below ignore, or say unmapped: ignore.",
            )


class TelemetryMapper:
    """Turns a payload into moments with their values."""

    def __init__(self, mapping: Mapping, device_type: DeviceType) -> None:
        used: list[Path] = []
        rooted: list[Path] = []
        if mapping.stamp is not None:
            (rooted if mapping.stamp.rooted else used).append(mapping.stamp.path)
        if mapping.binary is not None and mapping.binary.path:
            used.append(mapping.binary.path)
        rooted += [one.path for one in mapping.telemetry.values() if one.rooted and one.path]
        if not mapping.each:
            used += rooted
        self._each = mapping.each
        self._stamp = mapping.stamp
        self._binary = mapping.binary
        self._fields = Fields(mapping.telemetry, device_type.telemetry, mapping, used=used)
        self._around = (
            Strict([*rooted, mapping.each], mapping.ignore)
            if mapping.each and not mapping.ignores_unmapped
            else None
        )

    @property
    def takes_whole(self) -> bool:
        """Whether a key is the whole payload (`from: $`), as plain text is."""
        return self._fields.whole

    def moments(self, document: Any, payload: bytes, received_at: int) -> Moments:
        """Return the readings of a payload; `document` is None where it is bytes alone."""
        items = self._items(document)
        several = len(items) > 1
        if len(items) * max(1, len(self._fields)) > PICKS_MAX:
            raise PayloadInvalid(
                f"The payload holds {len(items)} readings of {len(self._fields)} mapped keys.",
                remedy="Send them in several messages.",
            )
        return [
            self._moment(item, document, payload, received_at, f"reading {at}: " if several else "")
            for at, item in enumerate(items)
        ]

    def again(self, moments: Moments) -> Moments:
        """Map values that have moments and names of their own (SenML)."""
        return [
            (at, _require_any(self._fields.values(Place(values, values, None)), ""))
            for at, values in moments
        ]

    def _items(self, document: Any) -> Sequence[Any]:
        if not self._each:
            items = document if isinstance(document, list) else [document]
        else:
            items = follow(document, self._each)
            if not isinstance(items, list):
                raise PayloadInvalid(
                    f"There is no list at {shown(self._each)}.",
                    remedy="Send the readings there, or mend each in the mapping.",
                )
            if self._around is not None:
                self._around.require(document)
        if not 1 <= len(items) <= READINGS_MAX:
            raise PayloadInvalid(
                f"The list holds {len(items)} readings; 1 to {READINGS_MAX} are taken at once.",
                remedy="Send them in several messages.",
            )
        return items

    def _moment(
        self, item: Any, document: Any, payload: bytes, received_at: int, where: str
    ) -> tuple[int, dict[str, Any]]:
        raw = None if self._binary is None else _raw(self._binary, item, payload)
        values = self._fields.values(Place(item, document, raw), where)
        at = received_at
        if self._stamp is not None:
            at = _moment(self._stamp, document if self._stamp.rooted else item, received_at)
        return at, _require_any(values, where)


def _require_any(values: dict[str, Any], where: str) -> dict[str, Any]:
    if not values:
        raise PayloadInvalid(
            f"{where}The payload has none of the keys that the mapping speaks of.",
            remedy="Compare it with the mapping: weft type decode shows what becomes of it.",
        )
    return values


def _raw(binary: Binary, item: Any, payload: bytes) -> bytes | None:
    """Return the bytes that fields are taken from; None where the payload has none."""
    if not binary.path:
        if item is not None:
            return None  # a document, and the mapping speaks of a payload that is bytes alone
        raw = payload
    else:
        text = follow(item, binary.path)
        # An uplink without data: some servers leave it out.
        raw = b"" if text is MISSING or text is None else _decoded(text, binary)
    if not binary.least_bytes <= len(raw) <= binary.most_bytes:
        raise PayloadInvalid(
            f"The payload has {len(raw)} bytes; the mapping is for {binary.least_bytes} to "
            f"{binary.most_bytes}.",
            remedy="Send it whole, or mend min_bytes and max_bytes in the mapping.",
        )
    return raw


def _decoded(text: Any, binary: Binary) -> bytes:
    if isinstance(text, str) and len(text) <= binary.most_bytes * 2 + 4:
        try:
            if binary.encoding == "hex":
                return bytes.fromhex(text)
            digits = text.replace("-", "+").replace("_", "/").rstrip("=")
            return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
        except ValueError as error:
            raise _undecodable(binary, f"is not {binary.encoding}: {error}") from None
    raise _undecodable(binary, f"is no text in {binary.encoding} of that few bytes")


def _undecodable(binary: Binary, what: str) -> PayloadInvalid:
    return PayloadInvalid(
        f"{shown(binary.path)} {what}.", remedy=f"Send the bytes there as {binary.encoding}."
    )


def _moment(stamp: Stamp, around: Any, received_at: int) -> int:
    value = follow(around, stamp.path)
    where = shown(stamp.path)
    if value is MISSING or value is None:
        return received_at
    if isinstance(value, str):
        try:
            at = from_rfc3339(value)
        except Invalid as error:
            raise PayloadInvalid(f"{where}: {error.detail}", remedy=error.remedy) from None
        return require_sane(at, f"{where} {value[:64]}", received_at)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 2**63:
        raise PayloadInvalid(
            f"{where} is no moment.", remedy=f"Send a number of {stamp.unit}, or RFC 3339 text."
        )
    unit = _NS[stamp.unit]
    # A double holds microseconds since 1970, not more; do not make up the rest.
    at = value * unit if isinstance(value, int) else round(value * unit / 1_000) * 1_000
    return require_sane(at, f"{where} {value}", received_at)


class DocumentMapper:
    """Turns a document into the values of properties or of one event."""

    def __init__(
        self,
        sources: Named[str, Source],
        fields: Named[str, Field],
        mapping: Mapping,
        *,
        nullable: bool,
    ) -> None:
        self._fields = Fields(sources, fields, mapping, nullable=nullable)

    def values(self, document: Any) -> dict[str, Any]:
        """Return the values by key."""
        if not isinstance(document, dict):
            raise PayloadInvalid(
                "The payload is no object of names and values.", remedy="Send an object."
            )
        return _require_any(self._fields.values(Place(document, document, None)), "")
