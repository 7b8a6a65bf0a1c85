"""The device API over CoAP: each message through the one door, each answer after the commit."""

from typing import Any

import cbor2
import msgspec
import pytest
from tests.interop.support import OPERATOR, until
from tests.transports.coap.support import ME, House, Peer, option_of, problem_in, uint

from weft.app.compose import MAIN
from weft.errors import StorageError
from weft.model.ids import DeviceId
from weft.wire.coap.codes import CON, NON, Code
from weft.wire.coap.options import Option

PUMP = DeviceId("pump-7")
TELEMETRY = f"{ME}/telemetry"
JSON = uint(Option.CONTENT_FORMAT, 50)


@pytest.mark.parametrize("code", [Code.POST, Code.PUT])
async def test_telemetry_is_acknowledged_when_it_is_kept(house: House, code: Code) -> None:
    """2.04 in the acknowledgement; the twin shows the value."""
    peer = await house.plain("pump-7")
    answer = await peer.ask(code, TELEMETRY, b'{"rpm":900}', [JSON])
    assert answer.code == Code.CHANGED
    assert await house.payloads() == [b'{"rpm":900}']
    assert house.weft.path.twins.get(MAIN, PUMP).telemetry["rpm"].value == 900
    peer.close()


async def test_du_1_nothing_is_acknowledged_that_is_not_kept(house: House) -> None:
    """The disk is full: 5.03 with Max-Age, and the device sends again."""
    peer = await house.plain("pump-7")
    assert (await peer.ask(Code.POST, TELEMETRY, b'{"rpm":1}')).code == Code.CHANGED
    journal = house.weft.stores.journal
    append = journal.append

    async def fail(batch: object) -> int:
        raise StorageError("The disk is full.")

    journal.append = fail  # type: ignore[method-assign,assignment]
    answer = await peer.ask(Code.POST, TELEMETRY, b'{"rpm":2}')
    journal.append = append  # type: ignore[method-assign]
    assert answer.code == Code.SERVICE_UNAVAILABLE
    assert option_of(answer, Option.MAX_AGE) is not None
    assert "disk" not in problem_in(answer)[-2]
    assert await house.payloads() == [b'{"rpm":1}']
    peer.close()


async def test_a_copy_of_a_message_is_kept_once(house: House) -> None:
    """RFC 7252 4.5: the acknowledgement was lost, the device repeats, the answer as well."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.POST, TELEMETRY, b'{"rpm":1}')
    for _ in range(3):
        request = await peer.send(Code.POST, TELEMETRY, b'{"rpm":2}', message_id=7)
        assert (await peer.answer_to(request)).code == Code.CHANGED
    assert await house.payloads() == [b'{"rpm":1}', b'{"rpm":2}']
    peer.close()


async def test_a_message_that_needs_no_acknowledgement_is_kept_as_well(house: House) -> None:
    """NON: answered by a message of our own."""
    peer = await house.plain("pump-7")
    answer = await peer.ask(Code.POST, TELEMETRY, b'{"rpm":1}', type=NON)
    assert (answer.type, answer.code) == (NON, Code.CHANGED)
    peer.close()


@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (60, cbor2.dumps({"rpm": 900})),
        (110, b'[{"n":"rpm","v":900}]'),
        (112, cbor2.dumps([{0: "rpm", 2: 900}])),
    ],
)
async def test_a_payload_is_read_in_the_format_that_it_states(
    house: House, number: int, payload: bytes
) -> None:
    """CBOR, SenML in JSON and in CBOR (RFC 8428)."""
    peer = await house.plain("pump-7")
    answer = await peer.ask(Code.POST, TELEMETRY, payload, [uint(Option.CONTENT_FORMAT, number)])
    assert answer.code == Code.CHANGED, problem_in(answer)
    assert house.weft.path.twins.get(MAIN, PUMP).telemetry["rpm"].value == 900
    peer.close()


@pytest.mark.parametrize(
    ("number", "payload", "mapping"),
    [
        (0, b"900", None),
        (42, b"\x03\x84", {"binary": {"fields": {"rpm": {"byte": 0, "bytes": 2}}}}),
    ],
)
async def test_one_value_as_text_and_bytes_are_read_as_the_type_says(
    house: House, number: int, payload: bytes, mapping: dict[str, Any] | None
) -> None:
    """Plain text is the type's one key; a binary uplink goes through its mapping."""
    document: dict[str, Any] = {"telemetry": {"rpm": {"type": "number"}}}
    await house.add_type("counter", document | ({"mapping": mapping} if mapping else {}))
    account = await house.add_device("pump-7", "counter")
    peer = await Peer.dial(house.coap_port, account.token)
    answer = await peer.ask(Code.POST, TELEMETRY, payload, [uint(Option.CONTENT_FORMAT, number)])
    assert answer.code == Code.CHANGED, problem_in(answer)
    assert house.weft.path.twins.get(MAIN, PUMP).telemetry["rpm"].value == 900
    short = await peer.ask(Code.POST, TELEMETRY, b"", [uint(Option.CONTENT_FORMAT, number)])
    assert short.code == Code.UNPROCESSABLE_ENTITY
    peer.close()


async def refusals(house: House) -> list[str]:
    """The codes in the rejection inbox, newest first."""
    return [record.value.code for record in await house.weft.path.rejections.list(MAIN)]


@pytest.mark.parametrize(
    ("path", "payload", "number", "code", "reason"),
    [
        ("me/telemetry", b"{", 50, Code.UNPROCESSABLE_ENTITY, "payload_invalid"),
        ("me/telemetry", b"{}", 40, Code.UNSUPPORTED_CONTENT_FORMAT, "unsupported_format"),
        ("pump-8/telemetry", b"{}", 50, Code.FORBIDDEN, "forbidden"),
        ("me/events/leak", b"[]", 50, Code.UNPROCESSABLE_ENTITY, "payload_invalid"),
    ],
)
async def test_a_refused_message_is_in_the_inbox_and_its_sender_told(
    house: House, path: str, payload: bytes, number: int, code: Code, reason: str
) -> None:
    """With the reason and the remedy, in words."""
    peer = await house.plain("pump-7")
    await house.device("pump-8")
    answer = await peer.ask(
        Code.POST, f"api/v1/devices/{path}", payload, [uint(Option.CONTENT_FORMAT, number)]
    )
    assert answer.code == code
    assert problem_in(answer)[-1] == reason
    assert await refusals(house) == [reason]
    peer.close()


async def test_properties_are_reported_as_a_merge_patch(house: House) -> None:
    """POST, PATCH and iPATCH; GET shows the whole, as JSON or CBOR."""
    peer = await house.plain("pump-7")
    path = f"{ME}/properties/reported"
    await peer.ask(Code.POST, path, b'{"a":1,"b":2}', [JSON])
    await peer.ask(Code.IPATCH, path, b'{"a":null}', [uint(Option.CONTENT_FORMAT, 52)])
    await peer.ask(Code.PATCH, path, b'{"c":3}', [uint(Option.CONTENT_FORMAT, 52)])
    shown = await peer.ask(Code.GET, path)
    assert msgspec.json.decode(shown.payload) == {"b": 2, "c": 3}
    binary = await peer.ask(Code.GET, path, b"", [uint(Option.ACCEPT, 60)])
    assert cbor2.loads(binary.payload) == {"b": 2, "c": 3}
    other = await peer.ask(Code.GET, path, b"", [uint(Option.ACCEPT, 41)])
    assert other.code == Code.NOT_ACCEPTABLE
    peer.close()


async def test_desired_properties_are_observed_until_they_are_reported(house: House) -> None:
    """The delta with its version, at each change; nothing where it is the same."""
    peer = await house.plain("pump-7")
    path = f"{ME}/properties/desired"
    first = await peer.ask(Code.GET, path, b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    assert option_of(first, Option.OBSERVE) is not None
    assert msgspec.json.decode(first.payload) == {"version": 0, "properties": {}}
    twins = house.weft.path.twins
    await twins.desire(OPERATOR, PUMP, {"rpm": 900}, version=0)
    told = await peer.next_message()
    assert told.token == b"watch"
    assert msgspec.json.decode(told.payload) == {"version": 1, "properties": {"rpm": 900}}
    await peer.send(Code.POST, f"{ME}/properties/reported", b'{"other":1}')
    await peer.send(Code.POST, f"{ME}/properties/reported", b'{"rpm":900}')
    while (told := await peer.next_message()).token != b"watch":
        assert told.code == Code.CHANGED
    assert msgspec.json.decode(told.payload) == {"version": 1, "properties": {}}
    peer.close()


async def test_co_6_a_revoked_observer_is_told_nothing(house: House) -> None:
    """Observe, revoke, change: no notification."""
    device = await house.device("pump-7")
    peer = await house.secure(device)
    path = f"{ME}/properties/desired"
    await peer.ask(Code.GET, path, b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    identity, listener = house.weft.identity, house.weft._coap[1]
    assert len(listener._service.watches) == 1
    (credential,) = await identity.credentials.list_credentials(device)
    await identity.credentials.revoke(OPERATOR, device, credential.credential_id)
    assert len(listener._service.watches) == 0
    await house.weft.path.twins.desire(OPERATOR, PUMP, {"rpm": 900}, version=0)
    assert listener._service.endpoint.take_output() == []
    peer.close()


async def test_co_6_an_observer_whose_right_has_ended_is_told_so(house: House) -> None:
    """A notification is decided on again: 4.03 ends the registration."""
    await house.device("pump-7")
    key = await house.add_key(("devices/#",), scopes=("twins:read",))
    peer = await Peer.dial(house.coap_port, key.token)
    path = "api/v1/devices/pump-7/properties/desired"
    first = await peer.ask(Code.GET, path, b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    assert first.code == Code.CONTENT
    service = house.weft._coap[0]._service
    decide = service._given.policy.decide

    def deny(principal: object, action: str, target: str) -> object:
        return msgspec.structs.replace(decide(principal, action, target), allowed=False)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service._given.policy, "decide", deny)
        await house.weft.path.twins.desire(OPERATOR, PUMP, {"rpm": 900}, version=0)
    told = await peer.next_message()
    assert told.code == Code.FORBIDDEN
    assert len(service.watches) == 0
    peer.close()


async def test_what_there_is_can_be_asked_for(house: House) -> None:
    """RFC 6690."""
    peer = await house.plain("pump-7")
    answer = await peer.ask(Code.GET, ".well-known/core")
    assert option_of(answer, Option.CONTENT_FORMAT) == 40
    assert b"</api/v1/devices/me/telemetry>" in answer.payload
    peer.close()


@pytest.mark.parametrize(
    ("code", "path", "answer"),
    [
        (Code.GET, "api/v1/devices/me/nothing", Code.NOT_FOUND),
        (Code.GET, "api/v1/devices/pump-9/properties/desired", Code.NOT_FOUND),
        (Code.DELETE, TELEMETRY, Code.METHOD_NOT_ALLOWED),
        (Code.GET, TELEMETRY, Code.METHOD_NOT_ALLOWED),
        (Code.GET, "api/v1/devices/a b/telemetry", Code.BAD_REQUEST),
    ],
)
async def test_what_there_is_not_is_told(house: House, code: Code, path: str, answer: Code) -> None:
    """By its code."""
    peer = await house.plain("pump-7")
    assert (await peer.ask(code, path, b"{}")).code == answer
    peer.close()


async def test_a_condition_is_not_ignored(house: House) -> None:
    """If-Match is critical: a device that relies on it is told that it does not work."""
    peer = await house.plain("pump-7")
    answer = await peer.ask(Code.POST, TELEMETRY, b"{}", [(Option.IF_MATCH, b"x")])
    assert answer.code == Code.BAD_OPTION
    peer.close()


async def test_rl_1_over_its_rate_a_device_is_told_to_wait(house: House) -> None:
    """4.29 with Max-Age (RFC 8516); what was refused is not in the journal."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.POST, TELEMETRY, b'{"rpm":0}')
    limiter = house.weft.identity.limiter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limiter, "take", lambda *_arguments: 2.5)
        codes = set()
        for _ in range(40):
            answer = await peer.ask(Code.POST, TELEMETRY, b'{"rpm":1}')
            codes.add(answer.code)
            if answer.code == Code.TOO_MANY_REQUESTS:
                assert option_of(answer, Option.MAX_AGE) == 3
    assert codes == {Code.CHANGED, Code.TOO_MANY_REQUESTS}
    assert len(await house.payloads()) < 40
    peer.close()


async def test_a_full_journal_asks_to_come_back(house: House) -> None:
    """5.03 with Max-Age, before anything is taken in."""
    peer = await house.plain("pump-7")
    pipeline = house.weft.path.pipeline
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pipeline), "full", property(lambda _self: True))
        answer = await peer.ask(Code.POST, TELEMETRY, b"{}")
    assert answer.code == Code.SERVICE_UNAVAILABLE
    assert option_of(answer, Option.MAX_AGE) == 5
    peer.close()


async def test_a_bug_of_ours_is_answered_and_ends_nothing_else(house: House) -> None:
    """5.00 without a word of what it was; the next request works."""
    peer = await house.plain("pump-7")
    service = house.weft._coap[0]._service
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "_read", None)
        answer = await peer.ask(Code.GET, f"{ME}/properties/reported")
    assert answer.code == Code.INTERNAL_SERVER_ERROR
    assert "NoneType" not in problem_in(answer)[-2]
    assert (await peer.ask(Code.GET, f"{ME}/properties/reported")).code == Code.CONTENT
    peer.close()


async def test_co_5_a_large_report_comes_and_goes_in_blocks(house: House) -> None:
    """RFC 7959, both ways, beyond one datagram."""
    peer = await house.plain("pump-7")
    path = f"{ME}/properties/reported"
    body = msgspec.json.encode({f"p{number}": "x" * 60 for number in range(60)})
    for number in range(0, len(body), 256):
        more = number + 256 < len(body)
        block = number // 256 << 4 | more << 3 | 4
        options = [JSON, uint(Option.BLOCK1, block)]
        answer = await peer.ask(Code.POST, path, body[number : number + 256], options)
        assert answer.code == (Code.CONTINUE if more else Code.CHANGED)
    found = b""
    more, number = True, 0
    while more:
        answer = await peer.ask(Code.GET, path, b"", [uint(Option.BLOCK2, number << 4 | 5)])
        block2 = option_of(answer, Option.BLOCK2) or 0
        more, number = bool(block2 & 8), number + 1
        found += answer.payload
    assert msgspec.json.decode(found) == msgspec.json.decode(body)
    peer.close()


async def test_over_dtls_who_it_is_is_proven_already(house: House) -> None:
    """The device of the key; a token beside it is a contradiction, and told."""
    device = await house.device("pump-7")
    peer = await house.secure(device)
    assert (await peer.ask(Code.POST, TELEMETRY, b'{"rpm":900}')).code == Code.CHANGED
    (connection,) = house.weft.identity.connections.of_tenant(MAIN)
    assert (connection.protocol, dict(connection.counters())) == (
        "coaps",
        {"received": 1, "sent": 0},
    )
    peer.token = (await house.add_secret(device)).token
    answer = await peer.ask(Code.POST, TELEMETRY, b'{"rpm":901}')
    assert answer.code == Code.BAD_REQUEST
    peer.close()


async def test_a_lost_observer_is_forgotten(house: House) -> None:
    """It answers a notification with a reset (RFC 7641 3.6)."""
    peer = await house.plain("pump-7")
    await peer.ask(
        Code.GET, f"{ME}/properties/desired", b"", [uint(Option.OBSERVE, 0)], token=b"watch"
    )
    service = house.weft._coap[0]._service
    await house.weft.path.twins.desire(OPERATOR, PUMP, {"rpm": 1}, version=0)
    told = await peer.next_message()
    kind = 0x70
    await peer.write(bytes([kind, 0]) + told.message_id.to_bytes(2, "big"))
    await until(lambda: not service.watches)
    assert told.type in (CON, NON)
    peer.close()


COMMANDS = f"{ME}/commands"


async def test_a_command_is_fetched_carried_out_and_answered(house: House) -> None:
    """GET hands out the next one, once; the result ends it."""
    peer = await house.plain("pump-7")
    commands = house.weft.path.commands
    assert (await peer.ask(Code.GET, COMMANDS)).payload == b""
    await commands.send(OPERATOR, PUMP, "stop", {"within_s": 5}, request_id="r-1")
    await commands.send(OPERATOR, PUMP, "start", request_id="r-2")
    first = msgspec.json.decode((await peer.ask(Code.GET, COMMANDS)).payload)
    assert (first["request_id"], first["name"], first["input"]) == ("r-1", "stop", {"within_s": 5})
    second = msgspec.json.decode((await peer.ask(Code.GET, COMMANDS)).payload)
    assert second["request_id"] == "r-2"
    assert (await peer.ask(Code.GET, COMMANDS)).payload == b""
    result = b'{"state":"succeeded","output":{"rpm":0}}'
    answer = await peer.ask(Code.POST, f"{COMMANDS}/r-1/result", result, [JSON])
    assert answer.code == Code.CHANGED
    assert (await commands.get(MAIN, PUMP, "r-1")).state == "succeeded"
    assert (await commands.get(MAIN, PUMP, "r-2")).state == "delivered"
    peer.close()


async def test_each_command_is_notified_by_itself(house: House) -> None:
    """The next one leaves when the one before is acknowledged; then it counts as delivered."""
    peer = await house.plain("pump-7")
    commands = house.weft.path.commands
    first = await peer.ask(Code.GET, COMMANDS, b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    assert (first.code, first.payload) == (Code.CONTENT, b"")
    for request_id in ("r-1", "r-2", "r-3"):
        await commands.send(OPERATOR, PUMP, "stop", request_id=request_id)
    for request_id in ("r-1", "r-2", "r-3"):
        told = await peer.next_message()
        assert (told.type, told.token) == (CON, b"watch")
        assert msgspec.json.decode(told.payload)["request_id"] == request_id

    def delivered() -> bool:
        return all(one.state == "delivered" for one in commands.open_for(MAIN, PUMP))

    await until(delivered)
    peer.close()


async def test_commands_that_wait_come_in_their_order_to_who_begins_to_observe(
    house: House,
) -> None:
    """The answer has the first one; the second follows it, and does not overtake it."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.GET, ME + "/properties/reported")
    commands = house.weft.path.commands
    for request_id in ("r-1", "r-2"):
        await commands.send(OPERATOR, PUMP, "stop", request_id=request_id)
    await peer.send(Code.GET, COMMANDS, b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    told = [await peer.next_message() for _ in range(2)]
    found = [msgspec.json.decode(one.payload)["request_id"] for one in told]
    assert found == ["r-1", "r-2"]
    numbers = [option_of(one, Option.OBSERVE) or 0 for one in told]
    assert numbers == sorted(numbers)
    await until(lambda: all(one.state == "delivered" for one in commands.open_for(MAIN, PUMP)))
    peer.close()


async def test_what_was_fetched_and_not_answered_is_handed_out_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is over: the same command comes, by the same request id, and is counted."""
    peer = await house.plain("pump-7")
    commands = house.weft.path.commands
    await commands.send(OPERATOR, PUMP, "stop", request_id="r-1")
    assert msgspec.json.decode((await peer.ask(Code.GET, COMMANDS)).payload)["request_id"] == "r-1"
    assert (await peer.ask(Code.GET, COMMANDS)).payload == b""
    monkeypatch.setattr(commands._handing, "_pause", 0)
    again = msgspec.json.decode((await peer.ask(Code.GET, COMMANDS)).payload)
    assert again["request_id"] == "r-1"
    assert (await commands.get(MAIN, PUMP, "r-1")).hand_outs == 2
    peer.close()


async def test_a_new_registration_begins_with_what_is_not_answered(house: House) -> None:
    """The device restarted and lost what it had acknowledged; each comes once a registration."""
    peer = await house.plain("pump-7")
    commands = house.weft.path.commands
    await peer.ask(Code.GET, ME + "/properties/reported")
    for request_id in ("r-1", "r-2"):
        await commands.send(OPERATOR, PUMP, "stop", request_id=request_id)
    for attempt, token in enumerate((b"one", b"two"), 1):
        await peer.send(Code.GET, COMMANDS, b"", [uint(Option.OBSERVE, 0)], token=token)
        told = [await peer.next_message() for _ in range(2)]
        found = [msgspec.json.decode(one.payload)["request_id"] for one in told]
        assert found == ["r-1", "r-2"]

        def told_so_often(times: int = attempt) -> bool:
            return all(one.hand_outs == times for one in commands.open_for(MAIN, PUMP))

        await until(told_so_often)
    peer.close()


async def test_who_only_may_read_commands_has_none_delivered(house: House) -> None:
    """A business system looks, again and again; the device still gets it."""
    await house.device("pump-7")
    key = await house.add_key((), scopes=("commands:read",))
    peer = await Peer.dial(house.coap_port, key.token)
    await house.weft.path.commands.send(OPERATOR, PUMP, "stop", request_id="r-1")
    path = "api/v1/devices/pump-7/commands"
    for _ in range(2):
        shown = await peer.ask(Code.GET, path, b"", [uint(Option.OBSERVE, 0)], token=b"watch")
        assert msgspec.json.decode(shown.payload)["request_id"] == "r-1"
        assert option_of(shown, Option.OBSERVE) is None
    (command,) = house.weft.path.commands.open_for(MAIN, PUMP)
    assert command.state == "sent"
    peer.close()


async def test_co_5_bodies_that_never_end_take_a_bounded_room(house: House) -> None:
    """Thousands of blocks, of ever other bodies: refused at the cap, and little is held."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.GET, f"{ME}/properties/reported")
    endpoint = house.weft._coap[0]._service.endpoint
    limits = endpoint.limits
    codes = set()
    for number in range(600):
        body, block = divmod(number, 150)
        option = uint(Option.BLOCK1, block << 4 | 8 | 6)
        name = f"{ME}/events/e{body}"
        codes.add((await peer.ask(Code.POST, name, b"x" * 1024, [option])).code)
        assert endpoint.held_bytes <= 2 * limits.peer_upload_bytes
    assert codes <= {
        Code.CONTINUE,
        Code.REQUEST_ENTITY_TOO_LARGE,
        Code.REQUEST_ENTITY_INCOMPLETE,
    }
    answer = await peer.ask(
        Code.POST, f"{ME}/events/big", b"x" * 16, [uint(Option.BLOCK1, 300 << 4 | 8 | 6)]
    )
    assert answer.code in {Code.BAD_REQUEST, Code.REQUEST_ENTITY_TOO_LARGE}
    assert await house.payloads() == []
    peer.close()


async def test_co_5_many_message_ids_leave_a_bounded_memory_of_answers(house: House) -> None:
    """The oldest answers are forgotten; a copy that comes soon still finds its own."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.GET, f"{ME}/properties/reported")
    endpoint = house.weft._coap[0]._service.endpoint
    for number in range(2_000):
        request = await peer.send(Code.GET, ".well-known/core", message_id=1_000 + number)
        await peer.answer_to(request)
    counts = endpoint.counts
    assert counts["replies"] <= endpoint.limits.peer_replies
    assert endpoint.held_bytes <= endpoint.limits.peer_reply_bytes + 64 * 1024
    peer.close()
