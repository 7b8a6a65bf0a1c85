"""Answers to AWS IoT shadow requests, from the twin: accepted, rejected, delta, documents.

A device's report is kept by the gate before its question comes here. An update under a
condition (`version`), or of what is desired, happens here, when it is answered: a device
that hears neither accepted nor rejected asks again, as with AWS.
"""

from collections import OrderedDict
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from weft.errors import Conflict, NotFound, PeerError
from weft.ingest.dialects.aws_shadow import (
    NAME,
    ShadowRequest,
    is_conditional,
    read_request,
    without_nulls,
)
from weft.ingest.dialects.desk import Question, Replies
from weft.ingest.gate import Gate
from weft.ingest.submit import Ingest, Message
from weft.model.ids import DeviceId, TenantId
from weft.model.moments import NS_PER_S
from weft.model.twin import Properties, Twin
from weft.ports import Clock, Deciding
from weft.security.policy import require
from weft.twins.twins import Twins

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


class AwsShadowAnswers:
    """Does what shadow requests ask, and tells of what changed."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._last: OrderedDict[Key, _Told] = OrderedDict()

    async def answer(self, question: Question) -> None:
        """Answer get, update or delete."""
        verb = question.rest
        token: str | UnsetType = UNSET
        try:
            request = read_request(question.payload)
            token = request.client_token
            answered = await self._do(verb, request, question)
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
        given = self._given
        twin = given.twins.get(question.tenant, question.device_id)
        if verb == "get":
            if not (twin.reported or twin.desired):
                raise NotFound(f"No shadow exists with name: {question.device_id!r}.")
            return self._document(twin, with_delta=True)
        if verb == "delete":
            await self._report(question, without_nulls(twin.reported))
            await self._desire(question, without_nulls(twin.desired))
            self._last.pop((question.tenant, question.device_id), None)
            return {"version": twin.version, "timestamp": self._now_s()}
        state = request.state
        if state is UNSET:
            raise Conflict("The update has no state.", remedy='Send {"state": {...}}.')
        if is_conditional(request):
            await self._update(question, request, twin)
        else:
            self._require_kept(question, state.reported)
        after = given.twins.get(question.tenant, question.device_id)
        return {
            "state": state,
            "metadata": _metadata(after, state.desired, state.reported),
            "version": after.version,
            "timestamp": self._now_s(),
        }

    async def _update(self, question: Question, request: ShadowRequest, twin: Twin) -> None:
        state = request.state
        assert state is not UNSET
        if request.version is not UNSET and request.version != twin.version:
            raise Conflict(f"Version conflict: the shadow is at version {twin.version}.")
        if state.desired is not UNSET:
            wanted = without_nulls(twin.desired) if state.desired is None else state.desired
            await self._desire(question, wanted)
        if state.reported is not UNSET:
            told = without_nulls(twin.reported) if state.reported is None else state.reported
            await self._report(question, told)

    async def _report(self, question: Question, patch: Properties) -> None:
        if patch:
            topic = f"devices/{question.device_id}/properties/reported"
            message = Message(topic, msgspec.json.encode(patch), qos=1)
            await self._given.ingest.send(question.asker, message, address=NAME)

    async def _desire(self, question: Question, patch: Properties) -> None:
        if not patch:
            return
        given = self._given
        target = f"device:{question.device_id}"
        require(given.policy, question.asker, "twin.desire_own", target)
        version = given.twins.get(question.tenant, question.device_id).desired_version
        await given.twins.desire(question.asker, question.device_id, patch, version=version)

    def _require_kept(self, question: Question, reported: Any) -> None:
        """Raise why the gate refused a report, if it did: it lies in the inbox then."""
        gate = self._given.gate
        session = gate.open(question.asker, NAME)
        topic = f"devices/{question.device_id}/properties/reported"
        _route, decode = gate.admission(session, topic)
        if decode is not None:
            decode(msgspec.json.encode(reported), question.received_at)

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
