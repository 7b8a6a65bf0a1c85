"""Operations on geofences: areas with a name, as GeoJSON in and out (RFC 7946)."""

from typing import Any, Final

from msgspec import Struct
from msgspec import json as msgspec_json

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.shelves import Shelf
from weft.api.views import Moment, Page, Paging, moment
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, TooLarge
from weft.rules.places.fences import feature
from weft.rules.places.kinds import Geofence
from weft.rules.places.shapes import vertices_of

GEOJSON: Final = "application/geo+json"  # RFC 7946, 12
IMPORT_MAX_BYTES: Final = 8 * 1024 * 1024
_SQUARE = [[[12.40, 51.30], [12.42, 51.30], [12.42, 51.32], [12.40, 51.32], [12.40, 51.30]]]


class GeofenceLine(Struct, frozen=True):
    """A geofence in a list: its geometry is shown alone."""

    name: str
    kind: str  # of the geometry
    positions: int
    radius_m: float | None
    label: str
    updated_at: Moment
    version: int


class GeofenceView(Struct, frozen=True):
    """A geofence as the API shows it."""

    name: str
    label: str
    feature: dict[str, Any]
    created_at: Moment
    created_by: str
    updated_at: Moment
    in_force_at: Moment | None  # None: for all messages, older ones too
    version: int


class FeatureCollection(Struct, frozen=True):
    """GeoJSON Features."""

    type: str
    features: list[dict[str, Any]]


class Imported(Struct, frozen=True):
    """What an import came to."""

    features: int
    changed: int  # the others were as they are


def _line(fence: Geofence) -> GeofenceLine:
    return GeofenceLine(
        name=fence.name,
        kind=fence.geometry["type"],
        positions=vertices_of(fence.geometry),
        radius_m=fence.radius_m,
        label=fence.label,
        updated_at=moment(fence.updated_at) or "",
        version=fence.version,
    )


def _view(fence: Geofence) -> GeofenceView:
    return GeofenceView(
        name=fence.name,
        label=fence.label,
        feature=feature(fence),
        created_at=moment(fence.created_at) or "",
        created_by=fence.created_by,
        updated_at=moment(fence.updated_at) or "",
        in_force_at=moment(fence.in_force_at),
        version=fence.version,
    )


async def import_geofences(services: Services, call: Call) -> Imported:
    """Save all geofences of a FeatureCollection."""
    features, changed = await services.places.fences.take(call.principal, call.body)
    return Imported(features, changed)


async def export_geofences(services: Services, call: Call) -> Reply:
    """Answer with all geofences as a FeatureCollection."""
    histories = services.places.fences.book.all(call.principal.tenant)
    made = FeatureCollection("FeatureCollection", [feature(one.newest) for one in histories])
    return Reply(content=msgspec_json.encode(made), media_type=GEOJSON)


_FENCES = Shelf[Geofence]("geofence", lambda places: places.fences, _line, _view)
_ONE = "/geofences/{geofence}"
_TARGET = "geofence:{geofence}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_geofences",
        "GET",
        "/geofences",
        "List geofences",
        _FENCES.list,
        action="place.read",
        query=Paging,
        result=Page[GeofenceLine],
        command=Command(
            "geofence", "list", columns=("name", "kind", "positions", "radius_m", "label")
        ),
    ),
    Operation(
        "get_geofence",
        "GET",
        _ONE,
        "Show a geofence",
        _FENCES.get,
        action="place.read",
        target=_TARGET,
        result=GeofenceView,
        etag=True,
        errors=(NotFound,),
        command=Command("geofence", "show"),
    ),
    Operation(
        "save_geofence",
        "PUT",
        _ONE,
        "Save a geofence",
        _FENCES.save,
        action="place.write",
        target=_TARGET,
        description=(
            "The body is a GeoJSON Feature, or a bare geometry: a Polygon or MultiPolygon, or a "
            "Point (a circle) or LineString (a corridor) with radius_m among the properties. A "
            "change is in force for messages received a second later; older ones are judged by "
            "what was in force then, in a trial on the past too."
        ),
        body=dict[str, Any],
        accepts=(JSON, GEOJSON, YAML),
        result=GeofenceView,
        if_match="optional",
        etag=True,
        errors=(Invalid, NotFound, QuotaExceeded),
        example={
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": _SQUARE},
            "properties": {"label": "Depot Leipzig"},
        },
        command=Command("geofence", "save", file=True),
    ),
    Operation(
        "delete_geofence",
        "DELETE",
        _ONE,
        "Delete a geofence that no rule names",
        _FENCES.delete,
        action="place.delete",
        target=_TARGET,
        if_match="optional",
        errors=(NotFound, Conflict),
        command=Command("geofence", "delete", confirm="Delete the geofence {geofence}?"),
    ),
    Operation(
        "import_geofences",
        "POST",
        "/geofence-collection",
        "Save all geofences of a FeatureCollection",
        import_geofences,
        action="place.write",
        description="Each Feature has its name among its properties. A wrong one saves none.",
        body=dict[str, Any],
        body_max_bytes=IMPORT_MAX_BYTES,
        accepts=(JSON, GEOJSON, YAML),
        result=Imported,
        errors=(Invalid, QuotaExceeded, TooLarge),
        example={
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [12.40, 51.30]},
                    "properties": {"name": "customer-7", "radius_m": 200},
                }
            ],
        },
        command=Command("geofence", "import", file=True),
    ),
    Operation(
        "export_geofences",
        "GET",
        "/geofence-collection",
        "Give out all geofences as GeoJSON",
        export_geofences,
        action="place.read",
        result=FeatureCollection,
        produces=(GEOJSON,),
        command=Command("geofence", "export"),
    ),
)
