"""Watches: who observes which device's desired properties or commands.

The endpoint keeps the registrations and their caps; here is what each of them is about,
what was told last, and whose right it stands on.
"""

from collections.abc import Iterable

from weft.model.ids import DeviceId, TenantId
from weft.transports.coap.paths import Kind
from weft.transports.coap.sessions import CoapSession
from weft.wire.coap.observe import Observation

Key = tuple[TenantId, DeviceId]


class Watch:
    """One registration."""

    __slots__ = (
        "accept", "device_id", "given", "kind", "last", "observation", "offered", "session"
    )  # fmt: skip

    def __init__(
        self, observation: Observation, session: CoapSession, kind: Kind, device_id: DeviceId
    ) -> None:
        self.observation = observation
        self.session = session
        self.kind = kind
        self.device_id = device_id
        self.accept = observation.request.accept
        self.last = b""  # what was told last
        self.offered = ""  # the command that was sent and is not acknowledged yet
        self.given: set[str] = set()  # open commands that this registration was sent

    @property
    def key(self) -> Key:
        """The device that it is about."""
        return self.session.gate.principal.tenant, self.device_id

    def offer(self, request_id: str) -> None:
        """A command goes out to it."""
        self.offered = request_id
        self.given.add(request_id)

    def keep_given(self, open_ids: Iterable[str]) -> None:
        """Forget what it was given of commands that have ended since."""
        if self.given:
            self.given.intersection_update(open_ids)


class Watches:
    """All registrations of one endpoint."""

    def __init__(self) -> None:
        self._by_device: dict[Key, dict[Observation, Watch]] = {}
        self._by_observation: dict[Observation, Watch] = {}

    def __len__(self) -> int:
        return len(self._by_observation)

    def add(self, watch: Watch) -> None:
        """Keep a registration; a renewed one takes the place of the one before."""
        self.remove(watch.observation)
        self._by_observation[watch.observation] = watch
        self._by_device.setdefault(watch.key, {})[watch.observation] = watch

    def remove(self, observation: Observation) -> None:
        """Forget a registration that has ended."""
        watch = self._by_observation.pop(observation, None)
        if watch is None:
            return
        held = self._by_device[watch.key]
        del held[observation]
        if not held:
            del self._by_device[watch.key]

    def find(self, observation: Observation) -> Watch | None:
        """Return what a registration is about, if it is one of these."""
        return self._by_observation.get(observation)

    def of(self, tenant: TenantId, device_id: DeviceId, kind: Kind) -> Iterable[Watch]:
        """Return those of one device and kind."""
        held = self._by_device.get((tenant, device_id))
        return [watch for watch in held.values() if watch.kind is kind] if held else ()

    def of_session(self, session: CoapSession) -> list[Watch]:
        """Return those of one session."""
        return [watch for watch in self._by_observation.values() if watch.session is session]
