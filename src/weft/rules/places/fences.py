"""Geofences: areas with a name, written and read as GeoJSON Features.

A rule that names a fence keeps it from being deleted: it would never fire again, and say
nothing.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from weft.errors import Conflict, Invalid, TooLarge
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Reader
from weft.registry.device_checks import require_label
from weft.rules.kinds import RULES
from weft.rules.places.book import Book, Given, Terms
from weft.rules.places.kinds import GEOFENCE_VERSIONS, GEOFENCES, Geofence
from weft.rules.places.shapes import shape_of, vertices_of

IMPORTED_AT_ONCE: Final = 1_000
_ASKS = re.compile(r"\b(inside|outside|enters|leaves|distance)\s*\(")


class Fences:
    """The geofences of all tenants."""

    def __init__(self, given: Given) -> None:
        self.book = Book(
            given,
            Terms(
                noun="geofence",
                kind=GEOFENCES,
                versions=GEOFENCE_VERSIONS,
                make=lambda one: shape_of(one.geometry, one.radius_m),
                weigh=lambda one: vertices_of(one.geometry),
            ),
        )

    async def save(
        self,
        actor: Principal,
        name: str,
        document: Mapping[str, Any],
        *,
        version: int | None = None,
    ) -> Geofence:
        """Save a fence from a GeoJSON Feature or a bare geometry, or raise `Invalid`."""
        return await self.book.save(actor, name, read_fence(document), version=version)

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Delete a fence that no rule names, or raise `Conflict`."""

        def forbid(reader: Reader) -> None:
            naming = rules_naming(reader, actor.tenant, name)
            if naming:
                raise Conflict(
                    f"The rule {naming[0]!r} names the geofence {name!r}.",
                    remedy="Change or delete the rule first.",
                )

        await self.book.delete(actor, name, version=version, forbid=forbid)

    async def take(self, actor: Principal, document: Mapping[str, Any]) -> tuple[int, int]:
        """Save all fences of a FeatureCollection; return how many there are and how many changed.

        All are read before one is saved, so that a wrong one leaves everything as it was.
        """
        features = document.get("features")
        if document.get("type") != "FeatureCollection" or not isinstance(features, list):
            raise Invalid(
                "The document is no FeatureCollection.",
                remedy='Write {"type": "FeatureCollection", "features": […]} (RFC 7946, 3.3).',
            )
        if len(features) > IMPORTED_AT_ONCE:
            raise TooLarge(
                f"{len(features)} features were given; at most {IMPORTED_AT_ONCE} are taken.",
                remedy="Import them in several parts.",
            )
        read = [_named(one, place) for place, one in enumerate(features)]
        changed = 0
        for name, fields in read:
            before = self.book.find(actor.tenant, name)
            saved = await self.book.save(actor, name, fields)
            changed += before is None or (saved is not before.newest and saved != before.newest)
        return len(read), changed


def rules_naming(reader: Reader, tenant: TenantId, name: str) -> list[str]:
    """Return the rules whose conditions ask for a fence."""
    found: list[str] = []
    after = ""
    while page := reader.list(RULES, tenant, after=after, limit=500):
        for record in page:
            document = record.value.document
            text = f"{document.when} {document.clear or ''}"
            if _ASKS.search(text) and (f"'{name}'" in text or f'"{name}"' in text):
                found.append(record.key)
        after = page[-1].key
    return found


def read_fence(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a fence; raise `Invalid` saying what is wrong with the document."""
    geometry, properties = feature_of(document)
    radius_m = properties.get("radius_m")
    if radius_m is not None and radius_m.__class__ not in (int, float):
        raise Invalid("radius_m is no number.", remedy="Write metres, as in 200.")
    label = properties.get("label", "")
    if not isinstance(label, str):
        raise Invalid("label is no text.", remedy="Write it in quotes.")
    kept = {"type": geometry.get("type"), "coordinates": geometry.get("coordinates")}
    metres = None if radius_m is None else float(radius_m)
    shape_of(kept, metres)
    return {"geometry": kept, "radius_m": metres, "label": require_label(label)}


def feature_of(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the geometry and the properties of a Feature, or of a bare geometry."""
    if document.get("type") != "Feature":
        return document, {}
    geometry, properties = document.get("geometry"), document.get("properties") or {}
    if not isinstance(geometry, Mapping) or not isinstance(properties, Mapping):
        raise Invalid(
            "The Feature has no geometry.",
            remedy='Give "geometry" and "properties" (RFC 7946, 3.2).',
        )
    return geometry, properties


def feature(fence: Geofence) -> dict[str, Any]:
    """Return a fence as a GeoJSON Feature; `read_fence` takes it back."""
    properties: dict[str, Any] = {"name": fence.name, "label": fence.label}
    if fence.radius_m is not None:
        properties["radius_m"] = fence.radius_m
    return {"type": "Feature", "geometry": fence.geometry, "properties": properties}


def _named(item: Any, place: int) -> tuple[str, dict[str, Any]]:
    try:
        if not isinstance(item, Mapping):
            raise Invalid("It is no Feature.", remedy="See RFC 7946, 3.2.")
        _geometry, properties = feature_of(item)
        name = properties.get("name")
        if not isinstance(name, str):
            raise Invalid("It has no name.", remedy='Give "properties": {"name": "…"}.')
        return require_name(name, "name of a geofence"), read_fence(item)
    except Invalid as error:
        raise Invalid(f"features[{place}]: {error.detail}", remedy=error.remedy) from error
