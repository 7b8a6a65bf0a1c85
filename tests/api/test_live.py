"""What happens now, to whoever is watching and may; and what was missed, to who comes back."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.api.support import MAIN, OTHER, World, running, scope_of

from weft.api.settings import ApiSettings
from weft.api.streams import Filter
from weft.security.actions import Role


class Reader:
    """One open stream, event by event."""

    def __init__(self) -> None:
        self.status = 0
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.hang_up = asyncio.Event()
        self._events: list[dict[str, Any]] = []

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            await self.chunks.put(message.get("body", b""))

    async def receive(self) -> MutableMapping[str, Any]:
        await self.hang_up.wait()
        return {"type": "http.disconnect"}

    async def event(self) -> dict[str, Any]:
        """Wait for the next event that is no heartbeat."""
        while not self._events:
            chunk = await asyncio.wait_for(self.chunks.get(), 5)
            for block in chunk.decode().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if "event" in fields:
                    self._events.append(
                        {
                            "event": fields["event"],
                            "id": fields.get("id"),
                            "data": json.loads(fields["data"]),
                        }
                    )
        return self._events.pop(0)


@asynccontextmanager
async def watching(
    world: World, token: str, path: str = "/live", method: str = "GET", **headers: str
) -> AsyncIterator[Reader]:
    """Open a stream and hang up at the end."""
    reader = Reader()
    sent = {"authorization": f"Bearer {token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with asyncio.TaskGroup() as tasks:

        async def serve() -> None:
            await world.application(scope_of(method, path, sent), reader.receive, reader.send)
            reader.ended.set()

        tasks.create_task(serve())
        await asyncio.wait_for(reader.chunks.get(), 5)  # the stream is open
        yield reader
        reader.hang_up.set()


async def send(world: World, token: str, value: object) -> int:
    answer = await world.call("POST", "/devices/me/telemetry", token=token, body=value)
    assert answer.status == 200, answer
    return int(answer.json["position"])


async def test_a_message_is_seen_once_it_is_on_disk(world: World) -> None:
    """A dashboard is open; a pump reports; the event's id is its place in the journal."""
    pump = await world.device("pump-7")
    async with watching(world, world.admin()) as reader:
        position = await send(world, pump, {"temperature": 21.4})
        event = await reader.event()
    assert (event["event"], event["id"]) == ("telemetry", str(position))
    assert event["data"]["device_id"] == "pump-7"
    assert event["data"]["data"] == {"temperature": 21.4}


async def test_what_is_computed_names_the_message_that_it_is_of(world: World) -> None:
    """Telemetry like any other, with its origin."""
    pump = await world.device("pump-7")
    double = {"key": "double", "value": "temperature * 2.0"}
    await world.call("PUT", "/derivations/double", token=world.admin(), body=double)
    async with watching(world, world.admin()) as reader:
        position = await send(world, pump, {"temperature": 21.0})
        sent, computed = await reader.event(), await reader.event()
    assert "derived_from" not in sent["data"]
    assert (computed["event"], computed["data"]["derived_from"]) == ("telemetry", position)
    assert computed["data"]["data"][0]["values"] == {"double": 42.0}


async def test_another_tenants_messages_are_never_seen(world: World) -> None:
    """Whatever is asked for (TN-1)."""
    theirs = await world.device("pump-7", tenant=OTHER)
    mine = await world.device("pump-7")
    async with watching(world, world.admin(), "/live?devices=pump-7") as reader:
        await send(world, theirs, {"secret": 1})
        await send(world, mine, {"own": 2})
        assert (await reader.event())["data"]["data"] == {"own": 2}


async def test_filters_choose(world: World) -> None:
    """By kind and by device."""
    one, two = await world.device("one"), await world.device("two")
    path = "/live?kinds=telemetry,alarm&devices=two"
    async with watching(world, world.admin(), path) as reader:
        await send(world, one, {"n": 1})
        answer = await world.call(
            "POST", "/devices/me/properties/reported", token=two, body={"firmware": "1"}
        )
        assert answer.status == 200
        await send(world, two, {"n": 2})
        assert (await reader.event())["data"]["data"] == {"n": 2}


async def test_who_comes_back_is_sent_what_was_missed(world: World) -> None:
    """The network was away for three messages; Last-Event-ID brings them, once, in order."""
    pump = await world.device("pump-7")
    first = await send(world, pump, {"n": 1})
    missed = [await send(world, pump, {"n": n}) for n in (2, 3)]
    path = "/live?kinds=telemetry"
    async with watching(world, world.admin(), path, last_event_id=str(first)) as reader:
        now = await send(world, pump, {"n": 4})
        seen = [int((await reader.event())["id"]) for _ in range(3)]
    assert seen == [*missed, now]


async def test_what_cannot_be_sent_again_is_named(world: World) -> None:
    """Alarms are not in the journal, and trimmed messages are gone: the reader is told both."""
    pump = await world.device("pump-7")
    for number in range(3):
        await send(world, pump, {"n": number})
    await world.journal.trim(before=3)
    async with watching(world, world.admin(), last_event_id="0") as reader:
        gone, others = await reader.event(), await reader.event()
        assert (gone["event"], gone["data"]["missed"]) == ("gap", 2)
        assert "alarm" in others["data"]["reason"]
        assert (await reader.event())["data"]["data"] == {"n": 2}


async def test_a_slow_reader_is_told_what_it_missed(tmp_path: Path) -> None:
    """Its queue is full, so events are dropped for it alone, and a gap says which."""
    settings = ApiSettings(stream_queue=2, heartbeat_s=0.05)
    async with running(World(tmp_path, settings=settings)) as world:
        pump = await world.device("pump-7")
        stream = world.live.open(world.badges.known[world.admin()].principal, _all(), "here")
        for number in range(5):
            await send(world, pump, {"n": number})
        chunk = await anext(stream.events(1))
        assert chunk.count(b"event: telemetry") == 2
        assert b"event: gap" in chunk
        assert b'"missed":3,"first_position":3,"last_position":5' in chunk
        world.live.leave(stream)


async def test_rights_are_asked_for_at_every_event(world: World) -> None:
    """A viewer is taken the role while watching: the next event is not sent (AZ-4)."""
    pump = await world.device("pump-7")
    token = world.person("vera", Role.VIEWER)
    async with watching(world, token) as reader:
        await send(world, pump, {"n": 1})
        await reader.event()
        world.policy.forget("uid-main-vera")
        await send(world, pump, {"n": 2})
        world.person("vera", Role.VIEWER)
        await send(world, pump, {"n": 3})
        assert (await reader.event())["data"]["data"] == {"n": 3}


async def test_a_revoke_ends_the_stream(world: World) -> None:
    """With a reason, at once (RV-1)."""
    key = await world.call(
        "POST",
        "/keys",
        token=world.admin(),
        body={"name": "wall", "scopes": ["live:read", "telemetry:read"]},
    )
    async with watching(world, key.json["token"]) as reader:
        assert world.connections.count(MAIN) == 1
        key_id = key.json["key"]["key_id"]
        assert (await world.call("DELETE", f"/keys/{key_id}", token=world.admin())).status == 204
        assert (await reader.event())["event"] == "end"
        await asyncio.wait_for(reader.ended.wait(), 5)
    assert world.connections.count(MAIN) == 0


async def test_changes_of_records_are_told(world: World) -> None:
    """An alarm has no position of its own; it is told at the journal's head."""
    async with watching(world, world.admin(), "/live?kinds=alarm") as reader:
        world.live.tell(OTHER, "alarm", "pump-7", "raised", lambda: {"alarm_id": "theirs"})
        world.live.tell(MAIN, "alarm", "pump-7", "raised", lambda: {"alarm_id": "ours"})
        event = await reader.event()
    assert event["data"] == {
        "device_id": "pump-7",
        "change": "raised",
        "record": {"alarm_id": "ours"},
    }


async def test_one_principal_holds_a_few_streams_only(world: World) -> None:
    """The ninth is refused with a quota error; closing one makes room."""
    principal = world.badges.known[world.admin()].principal
    held = [world.live.open(principal, _all(), "here") for _ in range(8)]
    answer = await world.call("GET", "/live", token=world.admin())
    assert (answer.status, answer.json["code"]) == (429, "quota_exceeded")
    world.live.leave(held[0])
    world.live.open(principal, _all(), "here")


async def test_stopping_ends_all_streams(world: World) -> None:
    """And no new ones begin."""
    async with watching(world, world.admin()) as reader:
        world.live.close()
        assert (await reader.event())["event"] == "end"
    assert (await world.call("GET", "/live", token=world.admin())).status == 503


async def test_what_is_asked_wrongly_is_refused(world: World) -> None:
    """Unknown kinds, and ids that are not ours."""
    token = world.admin()
    assert (await world.call("GET", "/live?kinds=gossip", token=token)).status == 422
    answer = await world.call("GET", "/live", token=token, headers={"last-event-id": "x"})
    assert answer.status == 422


def _all() -> Filter:
    return Filter()
