"""Operations on twins: what a device last told us, and what we want of it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Invalid, NotFound, TooLarge
from weft.model.device import Device, Field
from weft.model.moments import to_rfc3339
from weft.model.twin import Stamps, Twin
from weft.rules.derived.model import Derivation
from weft.twins.changes import Side, TwinChange


class LatestView(Struct, frozen=True):
    """The newest value of one telemetry key."""

    value: Any
    at: Moment
    unit: str = ""  # as the device type declares it
    derived: Annotated[str, Meta(description="The derivation that computes it, if one does.")] = ""


class StampView(Struct, frozen=True):
    """When a property was last said, and by whom."""

    at: Moment
    by: str


class Metadata(Struct, frozen=True):
    """The stamps of both sides' properties, by name."""

    reported: dict[str, StampView]
    desired: dict[str, StampView]


class TwinView(Struct, frozen=True):
    """A twin as the API shows it. Its ETag is the version of the desired properties."""

    device_id: str
    version: int
    reported: dict[str, Any]
    desired: dict[str, Any]
    desired_version: int
    delta: dict[str, Any]  # desired and not reported yet
    telemetry: dict[str, LatestView]
    metadata: Metadata
    last_seen_at: Moment | None


class DevicePosition(Struct, frozen=True):
    """Where a device is (WGS 84, degrees), as the map shows it."""

    latitude: float
    longitude: float
    at: Moment | None  # when it was measured; none where somebody entered it


class PlacedTwin(TwinView, frozen=True):
    """A twin, and where its device is."""

    position: DevicePosition | None = None  # none where neither a value nor an attribute says so


class DesiredPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What is wanted of the device; null takes a wish back (RFC 7396)."""

    desired: dict[str, Any]


Fields = Mapping[str, Field]


def view_of(
    twin: Twin, declared: Fields | None = None, derived: Sequence[Derivation] = ()
) -> TwinView:
    """Show a twin; with the units that its type and what is derived declare, where given."""
    given = {one.key: one for one in derived}
    units = {key: one.document.unit for key, one in given.items()}
    units |= {key: field.unit for key, field in (declared or {}).items()}
    return TwinView(
        device_id=twin.device_id,
        version=twin.version,
        reported=twin.reported,
        desired=twin.desired,
        desired_version=twin.desired_version,
        delta=twin.delta(),
        telemetry={
            key: LatestView(
                latest.value,
                to_rfc3339(latest.at),
                units.get(key, ""),
                given[key].name if key in given else "",
            )
            for key, latest in twin.telemetry.items()
        },
        metadata=Metadata(_stamps(twin.reported_stamps), _stamps(twin.desired_stamps)),
        last_seen_at=moment(twin.last_seen_at),
    )


def _stamps(stamps: Stamps) -> dict[str, StampView]:
    return {name: _stamp_view(stamp.at, stamp.by) for name, stamp in stamps.items()}


@lru_cache(maxsize=16_384)  # a twin is read far more often than it is told: 1 µs a property
def _stamp_view(at: int, by: str) -> StampView:
    return StampView(to_rfc3339(at), by)


class PropertyChangeView(Struct, frozen=True):
    """One property before and after."""

    name: str
    old: Any
    new: Any


class TwinChangeView(Struct, frozen=True):
    """What one write changed, as readers of `live` see it (kind `property`)."""

    side: Side
    changes: list[PropertyChangeView]
    delta: dict[str, Any]  # desired and not reported, as of then
    version: int
    desired_version: int
    at: Moment
    by: str


def change_view(change: TwinChange) -> TwinChangeView:
    """Show a change of a twin's properties."""
    return TwinChangeView(
        change.side,
        [PropertyChangeView(one.name, one.old, one.new) for one in change.changes],
        change.delta,
        change.version,
        change.desired_version,
        to_rfc3339(change.at),
        change.by,
    )


def _declared(services: Services, device: Device) -> Fields:
    found = services.types.followed_by(device)
    return {} if found is None else found.telemetry


async def get_twin(services: Services, call: Call) -> Reply:
    """Answer with a device's twin."""
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    twin = services.twins.get(tenant, device.device_id)
    derived = services.derived.derivations.of_device(device)
    shown = view_of(twin, _declared(services, device), derived)
    placed = PlacedTwin(**asdict(shown), position=_position_of(services, device))
    return Reply(placed, headers=_etag(twin))


def _position_of(services: Services, device: Device) -> DevicePosition | None:
    place = services.fleet.find_place(device)
    if place is None:
        return None
    return DevicePosition(place.latitude, place.longitude, moment(place.at))


async def update_twin(services: Services, call: Call) -> Reply:
    """Say what is wanted of a device."""
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    version = call.if_match
    if version is None:  # If-Match: * writes over any version
        version = services.twins.get(tenant, device.device_id).desired_version
    twin = await services.twins.desire(
        call.principal, device.device_id, call.body.desired, version=version
    )
    return Reply(view_of(twin, _declared(services, device)), headers=_etag(twin))


def _etag(twin: Twin) -> tuple[tuple[bytes, bytes], ...]:
    # Telemetry changes without a version, so this names what a write has to have read, and
    # is never a reason to answer "not modified".
    return ((b"etag", b'"%d"' % twin.desired_version),)


_PATH = "/devices/{device_id}/twin"
_TARGET = "device:{device_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_twin",
        "GET",
        _PATH,
        "Show a device's twin",
        get_twin,
        action="twin.read",
        target=_TARGET,
        description=(
            "With its position: where its newest `latitude` and `longitude` (or the keys that its "
            "asset names) say, else its attributes of those names, as on the map of the fleet."
        ),
        tag="devices",
        result=PlacedTwin,
        errors=(NotFound,),
        command=Command("twin", "show"),
    ),
    Operation(
        "update_twin",
        "PATCH",
        _PATH,
        "Say what is wanted of a device",
        update_twin,
        action="twin.write",
        target=_TARGET,
        description=(
            "If-Match names the desired version that was read, so nobody is overruled. Wishes "
            "are checked against the properties that the device type declares."
        ),
        tag="devices",
        body=DesiredPatch,
        result=TwinView,
        if_match="required",
        errors=(NotFound, Invalid, TooLarge),
        example={"desired": {"rpm": 900}},
        command=Command("twin", "desire", arguments=("desired",)),
    ),
)
