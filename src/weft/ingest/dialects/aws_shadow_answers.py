"""Answers to AWS IoT shadow requests, from the twin: accepted, rejected, delta, documents.

A device's report is kept by the gate before its question comes here. An update under a
condition (`version`), or of what is desired, and a deletion are acts: acknowledged when the
journal has them, and done behind it as one change of the twin. What a crash interrupts is
done after it, once, though perhaps answered twice. A report that an act brought is told to
rules and subscribers by a message of its own.
"""

from collections import OrderedDict
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from weft.errors import Conflict, NotFound, PeerError
from weft.ingest.dialects.aws_shadow import (
    NAME,
    ShadowRequest,
    is_act,
    read_request,
    removing,
)
from weft.ingest.dialects.desk import Question, Replies
from weft.ingest.gate import Gate
from weft.ingest.gate_session import Admission
from weft.ingest.submit import Ingest, refusal
from weft.model.ids import DeviceId, TenantId
from weft.model.message import SETTLED, Envelope
from weft.model.moments import NS_PER_S
from weft.model.twin import Properties, Twin
from weft.observability.log import get_logger
from weft.ports import Clock, Deciding
from weft.security.policy import require
from weft.twins.requests import Settled, TwinRequest, reason_of
from weft.twins.twins import Twins

log = get_logger(__name__)

DOCUMENTS_MAX = 10_000  # devices whose last document is known, for `previous`

_STATUS: dict[str, int] = {
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "stale_version": 409,
    "too_large": 413,
    "quota_exceeded": 429,
    "rate_limited": 429,
}
BAD_REQUEST = 400

Key = tuple[TenantId, DeviceId]


class Given(Struct, frozen=True):
    """What the answerer works with."""

    gate: Gate
    ingest: Ingest
    twins: Twins
    policy: Deciding
    clock: Clock
    replies: Replies


class _Told(Struct, frozen=True):
    """What a device was told last of its whole shadow."""

    desired_version: int
    document: dict[str, Any]


class _DoneSince(Exception):
    """An act was done before a crash, and so was a later one of its device."""


class AwsShadowAnswers:
    """Does what shadow requests ask, and tells of what changed."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._last: OrderedDict[Key, _Told] = OrderedDict()

    def is_act(self, rest: str, payload: bytes) -> bool:
        """Whether something is to be done, also after a crash."""
        return is_act(rest, payload)

    async def answer(self, question: Question) -> None:
        """Answer get, update or delete; do what the last two ask for."""
        verb = question.rest
        token: str | UnsetType = UNSET
        try:
            request = read_request(question.payload)
            token = request.client_token
            answered = await self._do(verb, request, question)
        except _DoneSince:
            return
        except PeerError as error:
            answered = {
                "code": _STATUS.get(error.code, BAD_REQUEST),
                "message": f"{error.detail} {error.remedy}".strip(),
                "timestamp": self._now_s(),
            }
            await self._say(question, f"{verb}/rejected", answered, token)
        else:
            await self._say(question, f"{verb}/accepted", answered, token)
            if verb == "update":
                await self._tell_documents((question.tenant, question.device_id), token)

    async def _do(self, verb: str, request: ShadowRequest, question: Question) -> dict[str, Any]:
        key = (question.tenant, question.device_id)
        twin = self._given.twins.get(*key)
        if verb == "get":
            if not (twin.reported or twin.desired):
                raise NotFound(f"No shadow exists with name: {question.device_id!r}.")
            return self._document(twin, with_delta=True)
        if is_act(verb, question.payload):
            version = (await self._act(verb, request, question)).version
        else:
            assert request.state is not UNSET
            self._read_report(question, request.state.reported)  # raises why the gate refused it
            version = twin.version
        if verb == "delete":
            self._last.pop(key, None)
            return {"version": version, "timestamp": self._now_s()}
        after, state = self._given.twins.get(*key), request.state
        assert state is not UNSET  # an act without one is refused
        return {
            "state": state,
            "metadata": _metadata(after, state.desired, state.reported),
            "version": version,
            "timestamp": self._now_s(),
        }

    # --- acts ---

    async def _act(self, verb: str, request: ShadowRequest, question: Question) -> Settled:
        """Do an act, or learn how it ended before a crash; raise why it was refused."""
        given = self._given
        settled = await given.twins.settle(question.asker, self._wanted(verb, request, question))
        if settled.position != question.position:
            raise _DoneSince("It was done, and others behind it.")
        if settled.refused is not None:
            raise refusal(settled.refused)
        if settled.reported:
            await self._tell_report(question, settled.reported)
        return settled

    def _wanted(self, verb: str, request: ShadowRequest, question: Question) -> TwinRequest:
        """Return what a request wants of the twin, or that it is refused."""
        device_id, position = question.device_id, question.position
        try:
            reported, desired = self._patches(verb, request, question)
        except PeerError as error:
            refused = reason_of(error)
            return TwinRequest(device_id, position, question.received_at, refused=refused)
        version = None if request.version is UNSET or verb == "delete" else request.version
        return TwinRequest(device_id, position, question.received_at, reported, desired, version)

    def _patches(
        self, verb: str, request: ShadowRequest, question: Question
    ) -> tuple[Properties, Properties]:
        """Return the patches of both sides, as far as their device and its owner may make them."""
        given, state = self._given, request.state
        twin = given.twins.get(question.tenant, question.device_id)
        if verb == "delete":
            reported, desired = removing(twin.reported), removing(twin.desired)
        elif state is UNSET:
            raise Conflict("The update has no state.", remedy='Send {"state": {...}}.')
        else:
            reported = _patch_of(state.reported, twin.reported)
            desired = _patch_of(state.desired, twin.desired)
        if desired:
            target = f"device:{question.device_id}"
            require(given.policy, question.asker, "twin.desire_own", target)
        return (self._read_report(question, reported) if reported else {}), desired

    def _admission(self, question: Question) -> Admission:
        session = self._given.gate.open(question.asker, NAME)
        topic = f"devices/{question.device_id}/properties/reported"
        return self._given.gate.admission(session, topic, NAME)

    def _read_report(self, question: Question, reported: Any) -> Properties:
        """Return a report as the gate reads it; raise why it refuses it."""
        decode = self._admission(question).decode
        assert decode is not None  # a report is never taken as it comes
        read: Properties = decode(msgspec.json.encode(reported), question.received_at)
        return read

    async def _tell_report(self, question: Question, patch: Properties) -> None:
        """Tell rules and subscribers what the twin has taken in, unless its device is gone."""
        try:
            route = self._admission(question).route
        except PeerError:
            log.warning("report_not_told", device=question.device_id, remedy="Its right has ended.")
            return
        now = self._given.clock.now()
        said = Envelope(route, now, _encode(patch), 1, session=SETTLED)
        await self._given.ingest.put(said, patch)

    # --- what changed ---

    async def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Send what is desired and not reported, and the whole if somebody else desired it.

        A device that listens to neither costs nothing; what it said itself is told when it is
        answered.
        """
        key = (tenant, device_id)
        twin = self._given.twins.get(*key)
        delta = twin.delta()
        if delta:
            told = {
                "version": twin.version,
                "timestamp": self._now_s(),
                "state": delta,
                "metadata": _metadata(twin, delta, UNSET).get("desired", {}),
            }
            await self._given.replies.say(tenant, device_id, "update/delta", _encode(told))
        last = self._last.get(key)
        if twin.desired_version != last.desired_version if last else twin.desired:
            await self._tell_documents(key, UNSET)

    async def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """A shadow knows no commands: AWS has jobs for those."""

    async def _tell_documents(self, key: Key, token: str | UnsetType) -> None:
        twin = self._given.twins.get(*key)
        document = self._document(twin, with_delta=False)
        del document["timestamp"]
        previous = self._last.get(key)
        self._last[key] = _Told(twin.desired_version, document)
        self._last.move_to_end(key)
        if len(self._last) > DOCUMENTS_MAX:
            self._last.popitem(last=False)
        told: dict[str, Any] = {"current": document, "timestamp": self._now_s()}
        if previous is not None:
            told["previous"] = previous.document
        if token is not UNSET:
            told["clientToken"] = token
        await self._given.replies.say(*key, "update/documents", _encode(told))

    def _document(self, twin: Twin, *, with_delta: bool) -> dict[str, Any]:
        sides = {"desired": twin.desired, "reported": twin.reported}
        if with_delta:
            sides["delta"] = twin.delta()
        return {
            "state": {side: properties for side, properties in sides.items() if properties},
            "metadata": _metadata(twin, twin.desired, twin.reported),
            "version": twin.version,
            "timestamp": self._now_s(),
        }

    async def _say(self, question: Question, rest: str, told: dict[str, Any], token: Any) -> None:
        if token is not UNSET:
            told = {**told, "clientToken": token}
        replies = self._given.replies
        await replies.say(question.tenant, question.device_id, rest, _encode(told))

    def _now_s(self) -> int:
        return self._given.clock.now() // NS_PER_S


_encode = msgspec.json.Encoder().encode


def _patch_of(said: Properties | UnsetType | None, present: Properties) -> Properties:
    """Return the patch that one side of an update stands for; null removes all that is there."""
    if said is UNSET:
        return {}
    return removing(present) if said is None else said


def _metadata(twin: Twin, desired: Any, reported: Any) -> dict[str, Any]:
    """Return when each value of the two sides was last said, in the shape of the values."""
    sides = (
        ("desired", desired, twin.desired_stamps),
        ("reported", reported, twin.reported_stamps),
    )
    return {
        side: {
            name: _stamped(value, stamps[name].at // NS_PER_S)
            for name, value in said.items()
            if name in stamps
        }
        for side, said, stamps in sides
        if isinstance(said, dict) and said
    }


def _stamped(value: Any, at_s: int) -> Any:
    match value:
        case dict():
            return {name: _stamped(one, at_s) for name, one in value.items()}
        case list():
            return [_stamped(one, at_s) for one in value]
        case _:
            return {"timestamp": at_s}
