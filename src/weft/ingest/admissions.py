"""Admissions: what a session may do on a native topic, and how it is read there.

The topic says the operation and the device, the policy decides, the device has to be
active, its type says what is read. What is found is kept in the session, which the gate
clears when any right, device or type has changed.
"""

from collections.abc import Callable

from weft.errors import Conflict, Forbidden, NotFound
from weft.ingest.decode import Decode, route_format
from weft.ingest.dialects import native
from weft.ingest.gate_session import Admission, GateSession, KnownDevices, KnownTypes
from weft.ingest.type_decoders import TypeDecoders
from weft.model.device import Device, DeviceType, Lifecycle
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Decoded, Operation, Route
from weft.model.twin import Properties
from weft.ports import Deciding
from weft.security.enrolment import DevicePending

ADMISSIONS_MAX = 1_000  # topics remembered per session; a gateway's children fit
_FIRST_WORDS = frozenset({Operation.TELEMETRY, Operation.REPORTED, Operation.EVENT})

CheckReported = Callable[[TenantId, DeviceId, Properties], None]


class Admissions:
    """Looks up what sessions may do."""

    def __init__(
        self,
        policy: Deciding,
        devices: KnownDevices,
        types: KnownTypes,
        decoders: TypeDecoders,
    ) -> None:
        self._policy = policy
        self._devices = devices
        self._types = types
        self._decoders = decoders
        self._check_reported: CheckReported | None = None

    def check_reported_with(self, check: CheckReported) -> None:
        """Have `check(tenant, device, patch)` raise `QuotaExceeded` for a report too many."""
        self._check_reported = check

    def look_up(
        self,
        session: GateSession,
        topic: str,
        dialect: str = "",
        content_type: str | None = None,
    ) -> Admission:
        """Look up what a session may do on a native topic; raises the reason why not."""
        mapped = native.map_topic(topic)
        principal = session.principal
        device_id = self._addressed(session, mapped)
        canonical = native.canonical_topic(topic, mapped, device_id)
        decision = self._policy.decide(principal, "topic.publish", f"topic:{canonical}")
        if not decision.allowed:
            self._require_no_quarantine(session, device_id, mapped.operation)
            raise Forbidden(
                f"{principal} may not publish to {canonical!r}: {decision.reason}",
                remedy="Publish to the principal's own topics, or have an administrator grant it.",
            )
        device = self._require_active(principal.tenant, device_id) if device_id else None
        type_ = self._type_of(device)
        route = Route(
            principal.tenant,
            principal.kind.value,
            principal.id,
            canonical,
            mapped.operation,
            device_id,
            type_.name if type_ else "",
            type_.version if type_ else 0,
            mapped.name,
            principal.uid,
            route_format(mapped.operation, content_type, None if dialect else type_),
            dialect,
        )
        found = Admission(route, self._checked(route, self._decoders.for_route(route)))
        if len(session.admissions) + len(session.translated) >= ADMISSIONS_MAX:
            session.admissions.clear()
            session.translated.clear()
        if dialect:
            session.translated[topic, dialect, content_type or ""] = found
        else:
            session.admissions[topic if content_type is None else (topic, content_type)] = found
        return found

    def _addressed(self, session: GateSession, mapped: native.Mapped) -> DeviceId:
        if mapped.device != native.ME:
            return DeviceId(mapped.device)
        if not session.device_id:
            raise Forbidden(
                f"{session.principal} is no device, so 'me' names nothing.",
                remedy="Write the device's id.",
            )
        return session.device_id

    def _require_no_quarantine(
        self, session: GateSession, device_id: DeviceId, operation: Operation
    ) -> None:
        """Raise `DevicePending` for what a device that waits says of itself, and only for that."""
        device = self._devices.find(session.principal.tenant, device_id) if device_id else None
        own = device is not None and device.uid == session.principal.uid
        if own and device is not None and device.waits and operation in _FIRST_WORDS:
            raise DevicePending(
                device_id,
                detail=f"Device {device_id!r} waits for approval; its message is kept.",
                remedy=f"Let it in: weft quarantine approve {device_id}",
            )

    def _require_active(self, tenant: TenantId, device_id: DeviceId) -> Device:
        device = self._devices.find(tenant, device_id)
        if device is None:
            raise NotFound(
                f"There is no device {device_id!r}.",
                remedy=f"Add it: weft device add {device_id} --type TYPE",
            )
        if device.lifecycle is not Lifecycle.ACTIVE:
            raise Conflict(
                f"Device {device_id!r} is {device.lifecycle}.",
                remedy="Make it active before it sends.",
            )
        return device

    def _type_of(self, device: Device | None) -> DeviceType | None:
        if device is None or device.type_name is None:
            return None
        type_ = self._types.followed_by(device)
        if type_ is None:
            raise NotFound(
                f"Device {device.device_id!r} follows type {device.type_name!r}, which is gone.",
                remedy="Save the type again, or give the device another one.",
            )
        return type_

    def _checked(self, route: Route, decode: Decode | None) -> Decode | None:
        """Add what is asked of a report at the door, and not of an old one that is read again."""
        check = self._check_reported
        if decode is None or check is None or route.operation is not Operation.REPORTED:
            return decode

        def checked(payload: bytes, received_at: int) -> Decoded:
            patch = decode(payload, received_at)
            check(route.tenant, route.device_id, patch)
            return patch

        return checked
