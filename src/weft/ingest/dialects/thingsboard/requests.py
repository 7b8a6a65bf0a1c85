"""ThingsBoard's device API as requests and answers, whatever the protocol that carries them.

    POST telemetry, attributes, rpc, rpc/{id}
    GET  attributes?clientKeys=&sharedKeys=, attributes/updates?timeout=, rpc?timeout=

What is posted goes through the gate as the same message would over MQTT; what is read is
decided on as twin and commands are anywhere, again after each wait. A request that
waits (`timeout`, in milliseconds) is bounded in time and in number, and ends when the
right of its device does.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec import Struct

from weft.commands.kinds import number_of
from weft.errors import Invalid, NotFound, QuotaExceeded
from weft.ingest.dialects.desk import Question
from weft.ingest.dialects.thingsboard.answers import ThingsBoardAnswers, both, changes
from weft.ingest.dialects.thingsboard.payloads import (
    Asked,
    Called,
    read_as,
    require_method,
    require_request_id,
)
from weft.model.ids import DeviceId, TenantId
from weft.model.principal import Principal
from weft.model.twin import Twin
from weft.ports import Deciding
from weft.security.policy import require

WAIT_S: Final = 20.0  # where no timeout is named
WAIT_MAX_S: Final = 60.0
WAITING_PER_DEVICE: Final = 4
WAITING_MAX: Final = 10_000
SEEN_MAX: Final = 10_000  # devices of which is known what they have seen of their attributes
TIMEOUT_MAX_DIGITS: Final = 9
DEVICE_API: Final = "v1/devices/me/"

Key = tuple[TenantId, DeviceId]


class Asking(Struct, frozen=True):
    """Who asks: a device, and from where."""

    principal: Principal
    address: str

    @property
    def key(self) -> Key:
        """The device."""
        return self.principal.tenant, DeviceId(self.principal.id)


class Waiter:
    """A request that may have to wait; whoever ends it lets it go on with nothing."""

    def __init__(self, event: asyncio.Event | None = None) -> None:
        """`event` is what wakes it; there may be others who set it."""
        self.event = event or asyncio.Event()
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether it is to wait no longer."""
        return self._is_over

    async def wait(self, timeout_s: float | None) -> None:
        """Wait to be woken, at most so long; the next call waits again."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            return
        self.event.clear()

    def end(self, _reason: str) -> None:
        """Wait no longer: the right to the answer has ended."""
        self._is_over = True
        self.event.set()


Find = Callable[[Key], bytes | None]
ReadyIn = Callable[[Key], float | None]  # seconds until it finds something by time alone


class Requests:
    """Answers requests; told by the answerer of what waiting ones wait for."""

    def __init__(self, answers: ThingsBoardAnswers, policy: Deciding) -> None:
        self._answers = answers
        self._policy = policy
        self._given = answers.given
        self._waiting: dict[Key, set[Waiter]] = {}
        self._seen: OrderedDict[Key, Twin] = OrderedDict()
        answers.on_news(self._wake)

    def close(self) -> None:
        """Let every request that waits go on: Weft is stopping."""
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.end("Weft is stopping")

    def _wake(self, tenant: TenantId, device_id: DeviceId) -> None:
        for waiter in self._waiting.get((tenant, device_id), ()):
            waiter.event.set()

    # --- POST ---

    async def post(self, asking: Asking, path: Sequence[str], body: bytes) -> bytes | None:
        """Take a message in; return the answer, if there is more to say than that it is kept."""
        match path:
            case ["telemetry" | "attributes" as what]:
                await self._submit(asking, what, body)
            case ["rpc"]:
                return await self._call(asking, body)
            case ["rpc", number]:
                call = (*asking.key, int(require_request_id(number)))
                is_open = self._given.calls.find(*call) is not None
                await self._submit(asking, f"rpc/response/{number}", body)
                if not is_open:  # it lies in the rejection inbox; its device is told as well
                    self._given.calls.get(*call)
            case ["claim"]:
                await self._submit(asking, "claim", body)
            case _:
                raise _unknown(path)
        return None

    async def _submit(self, asking: Asking, rest: str, body: bytes) -> None:
        await self._given.ingest.submit(
            asking.principal, DEVICE_API + rest, body, address=asking.address
        )

    async def _call(self, asking: Asking, body: bytes) -> bytes:
        require_method(read_as(body, Called))
        now = self._given.clock.now()
        question = Question(asking.principal, asking.key[1], "call/me/0", body, 0, now)
        return msgspec.json.encode(await self._answers.call(question))

    # --- GET ---

    async def get(
        self, asking: Asking, path: Sequence[str], query: Mapping[str, str], waiter: Waiter
    ) -> bytes | None:
        """Return an answer, or None when nothing came in time.

        Raises `Forbidden` for a device that may not read it: one that waits for approval
        proves itself like any other, and is only heard (PR-4).
        """
        match path:
            case ["attributes"]:
                self._require(asking, "twin.read")
                asked = Asked(query.get("clientKeys"), query.get("sharedKeys"))
                twin = self._given.twins.get(*asking.key)
                return msgspec.json.encode(both(asked, twin))
            case ["attributes", "updates"]:
                self._require(asking, "twin.read")
                wait_s = wait_s_of(query.get("timeout", ""))

                def news(key: Key) -> bytes | None:
                    self._require(asking, "twin.read")
                    return self._news(key)

                return await self._wait(asking.key, (news, _never), wait_s, waiter)
            case ["rpc"]:
                self._require(asking, "command.read")
                wait_s = wait_s_of(query.get("timeout", ""))
                commands = self._given.calls.commands

                def next_call(_key: Key) -> bytes | None:
                    self._require(asking, "command.read")
                    return self._next_call(asking)

                finding = (next_call, lambda key: commands.due_in_s(*key))
                return await self._wait(asking.key, finding, wait_s, waiter)
            case ["firmware" | "software"]:
                raise NotFound(
                    "Firmware and software are not sent over this API.",
                    remedy="Fetch the update from where the shared attributes name it.",
                )
            case _:
                raise _unknown(path)

    def _require(self, asking: Asking, action: str) -> None:
        require(self._policy, asking.principal, action, f"device:{asking.principal.id}")

    async def _wait(
        self, key: Key, finding: tuple[Find, ReadyIn], wait_s: float, waiter: Waiter
    ) -> bytes | None:
        """Return what is found, as soon as something is, or None."""
        find, ready_in_s = finding
        found = find(key)
        if found is not None:
            return found
        with self._registered(key, waiter):
            try:
                async with asyncio.timeout(wait_s):
                    while found is None:
                        await waiter.wait(ready_in_s(key))
                        if waiter.is_over:
                            break
                        found = find(key)
            except TimeoutError:
                return None
        return found

    @contextmanager
    def _registered(self, key: Key, waiter: Waiter) -> Iterator[None]:
        waiting = self._waiting.get(key, set())
        if len(waiting) >= WAITING_PER_DEVICE or len(self._waiting) >= WAITING_MAX:
            raise QuotaExceeded(
                f"{len(waiting)} requests of {key[1]!r} wait already.",
                remedy="Let one request wait for calls, and one for attributes.",
            )
        self._waiting.setdefault(key, waiting).add(waiter)
        try:
            yield
        finally:
            waiting.discard(waiter)
            if not waiting:
                self._waiting.pop(key, None)

    def _news(self, key: Key) -> bytes | None:
        """Return which shared attributes have changed since the device last asked."""
        twin = self._given.twins.get(*key)
        before = self._seen.get(key, twin)
        self._seen[key] = twin
        self._seen.move_to_end(key)
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        found = changes(before, twin)
        return msgspec.json.encode(found) if found else None

    def _next_call(self, asking: Asking) -> bytes | None:
        """Return the oldest command that is to be handed to the device, and hand it out.

        A repeat has the same id.
        """
        commands = self._given.calls.commands
        for command in commands.due_for(*asking.key):
            if command.position:  # the journal has it; the number is made of that
                commands.handed_out(asking.principal, asking.key[1], command.request_id)
                call = {"id": number_of(command), "method": command.name, "params": command.input}
                return msgspec.json.encode(call)
        return None


def _never(_key: Key) -> None:
    """Nothing of it comes by time alone."""


def wait_s_of(text: str) -> float:
    """Return how long a request may wait; raise `Invalid` for what is no number."""
    if not text:
        return WAIT_S
    if not (text.isascii() and text.isdecimal() and len(text) <= TIMEOUT_MAX_DIGITS):
        raise Invalid(
            f"timeout={text[:40]!r} is no time.", remedy="Send milliseconds: timeout=20000."
        )
    return min(int(text) / 1_000, WAIT_MAX_S)


def _unknown(path: Sequence[str]) -> NotFound:
    return NotFound(
        f"ThingsBoard's device API has nothing at {'/'.join(path)[:100]!r} here.",
        remedy="There are telemetry, attributes, attributes/updates, rpc and rpc/{id}.",
    )
