"""A device that knows AWS's shadow only, against a running Weft."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.interop.support import OPERATOR, RunningWeft, running_weft, until

from weft.model.ids import DeviceId, TenantId
from weft.model.message import Operation
from weft.security.audit import AUDIT

PREFIX = "$aws/things/pump-7/shadow/"
VERBS = ("update", "get", "delete")
MAIN, PUMP = TenantId("main"), DeviceId("pump-7")


class Thing:
    """A device with a shadow client of few lines."""

    def __init__(self, weft: RunningWeft, client: aiomqtt.Client) -> None:
        self.weft = weft
        self.client = client

    async def ask(self, verb: str, **document: Any) -> None:
        payload = json.dumps(document) if document else b""
        await self.client.publish(PREFIX + verb, payload, qos=1)

    async def hear(self, *, skipping: tuple[str, ...] = ()) -> tuple[str, dict[str, Any]]:
        """The next message as (what stands behind the prefix, its document)."""
        async with asyncio.timeout(20):
            async for message in self.client.messages:
                topic = str(message.topic)
                assert topic.startswith(PREFIX), topic
                if topic[len(PREFIX) :] not in (*skipping, *VERBS):  # it hears itself ask
                    assert isinstance(message.payload, bytes)
                    return topic[len(PREFIX) :], json.loads(message.payload)
        raise AssertionError("the stream ended")

    async def desire(self, patch: dict[str, Any]) -> None:
        twins = self.weft.weft.path.twins
        version = twins.get(MAIN, PUMP).desired_version
        await twins.desire(OPERATOR, PUMP, patch, version=version)


@asynccontextmanager
async def thing(folder: Path, type_name: str | None = "pump") -> AsyncIterator[Thing]:
    async with running_weft(folder) as weft:
        await weft.add_type("pump")
        account = await weft.add_device("pump-7", type_name)
        client = aiomqtt.Client(
            "127.0.0.1", weft.mqtt_port, username=account.username, password=account.token
        )
        async with client:
            await client.subscribe(PREFIX + "#", qos=1)
            yield Thing(weft, client)


async def test_a_report_is_accepted_and_stands_in_the_twin(tmp_path: Path) -> None:
    async with thing(tmp_path) as pump:
        await pump.ask("update", state={"reported": {"interval": 5}}, clientToken="a-1")
        rest, document = await pump.hear()
        assert rest == "update/accepted"
        assert document["state"] == {"reported": {"interval": 5}}
        assert document["clientToken"] == "a-1"
        rest, told = await pump.hear()
        assert rest == "update/documents"
        assert told["current"]["state"] == {"reported": {"interval": 5}}
        assert pump.weft.weft.path.twins.get(MAIN, PUMP).reported == {"interval": 5}


async def test_a_report_against_the_type_is_rejected_in_words(tmp_path: Path) -> None:
    """And lies in the inbox, where its owner finds it."""
    async with thing(tmp_path) as pump:
        await pump.ask("update", state={"reported": {"interval": "often"}}, clientToken="a-2")
        rest, document = await pump.hear()
        assert rest == "update/rejected"
        assert (document["code"], document["clientToken"]) == (400, "a-2")
        assert "interval" in document["message"]
        (kept,) = await pump.weft.weft.path.rejections.list(MAIN)
        assert kept.value.topic == "devices/pump-7/properties/reported"


async def test_get_answers_with_both_sides_and_what_is_between(tmp_path: Path) -> None:
    async with thing(tmp_path) as pump:
        await pump.ask("get")
        rest, document = await pump.hear()
        assert (rest, document["code"]) == ("get/rejected", 404)
        await pump.ask("update", state={"reported": {"interval": 5}})
        await pump.hear()
        await pump.desire({"interval": 9})
        skipping = ("update/delta", "update/documents")
        await pump.ask("get")
        rest, document = await pump.hear(skipping=skipping)
        assert rest == "get/accepted"
        assert document["state"] == {
            "desired": {"interval": 9},
            "reported": {"interval": 5},
            "delta": {"interval": 9},
        }


async def test_what_is_desired_reaches_the_device_as_a_delta(tmp_path: Path) -> None:
    async with thing(tmp_path) as pump:
        await pump.desire({"interval": 9})
        rest, document = await pump.hear()
        assert (rest, document["state"]) == ("update/delta", {"interval": 9})
        assert abs(document["metadata"]["interval"]["timestamp"] - document["timestamp"]) < 60


async def test_who_else_desires_something_is_told_of_with_the_whole_shadow(
    tmp_path: Path,
) -> None:
    """As it was before and is now; a shadow that was deleted has no before."""
    async with thing(tmp_path) as pump:
        await pump.ask("update", state={"reported": {"interval": 5}})
        await pump.hear(skipping=("update/accepted",))
        await pump.desire({"interval": 9})
        rest, told = await pump.hear(skipping=("update/delta",))
        assert (rest, told["previous"]["state"]) == (
            "update/documents",
            {"reported": {"interval": 5}},
        )
        assert told["current"]["state"] == {
            "desired": {"interval": 9},
            "reported": {"interval": 5},
        }
        await pump.ask("delete")
        assert (await pump.hear(skipping=("update/delta",)))[0] == "delete/accepted"
        await pump.ask("update", state={"reported": {"interval": 6}})
        rest, told = await pump.hear(skipping=("update/accepted", "update/delta"))
        assert (rest, "previous" in told) == ("update/documents", False)


async def test_metadata_has_the_shape_of_the_values(tmp_path: Path) -> None:
    """A moment for each leaf, as AWS's clients compare them."""
    async with thing(tmp_path, None) as pump:
        await pump.ask("update", state={"reported": {"net": {"up": True, "dns": ["a", "b"]}}})
        _, document = await pump.hear()
        at = document["metadata"]["reported"]["net"]["up"]
        assert abs(at["timestamp"] - document["timestamp"]) < 60
        assert document["metadata"]["reported"]["net"]["dns"] == [at, at]


async def test_an_update_of_an_old_version_changes_nothing(tmp_path: Path) -> None:
    async with thing(tmp_path) as pump:
        await pump.ask("update", state={"reported": {"interval": 5}})
        _, accepted = await pump.hear()
        version = accepted["version"]
        skipping = ("update/delta", "update/documents")
        await pump.ask("update", state={"reported": {"interval": 6}}, version=version + 7)
        rest, document = await pump.hear(skipping=skipping)
        assert (rest, document["code"]) == ("update/rejected", 409)
        await pump.ask("update", state={"reported": {"interval": 6}}, version=version)
        rest, document = await pump.hear(skipping=skipping)
        assert rest == "update/accepted"
        assert pump.weft.weft.path.twins.get(MAIN, PUMP).reported == {"interval": 6}


async def test_a_device_may_settle_its_own_desired_side_and_delete_its_shadow(
    tmp_path: Path,
) -> None:
    """As AWS's own examples do; the audit names the device."""
    async with thing(tmp_path) as pump:
        skipping = ("update/delta", "update/documents")
        state = {"desired": {"interval": 3}, "reported": {"interval": 3}}
        await pump.ask("update", state=state)
        rest, _ = await pump.hear(skipping=skipping)
        assert rest == "update/accepted"
        twin = pump.weft.weft.path.twins.get(MAIN, PUMP)
        assert (twin.desired, twin.reported) == ({"interval": 3}, {"interval": 3})
        await pump.ask("delete")
        rest, _ = await pump.hear(skipping=skipping)
        assert rest == "delete/accepted"
        twin = pump.weft.weft.path.twins.get(MAIN, PUMP)
        assert (twin.desired, twin.reported) == ({}, {})


async def test_id_4_another_things_shadow_is_out_of_reach(tmp_path: Path) -> None:
    """Neither read, nor written, nor listened to."""
    async with thing(tmp_path) as pump:
        await pump.weft.add_device("pump-8")
        granted = await pump.client.subscribe("$aws/things/pump-8/shadow/#", qos=1)
        assert all(code.is_failure for code in granted)
        await pump.client.publish("$aws/things/pump-8/shadow/get", b"", qos=1)
        await pump.client.publish(
            "$aws/things/pump-8/shadow/update", b'{"state":{"reported":{"x":1}}}', qos=1
        )
        assert pump.weft.weft.path.twins.get(MAIN, DeviceId("pump-8")).reported == {}


# --- a crash behind the acknowledgement ---

BOTH = {"desired": {"interval": 3}, "reported": {"interval": 3}}


async def never(*_given: Any, **_named: Any) -> Any:
    """Where Weft stands when the power fails."""
    await asyncio.Event().wait()


async def acknowledged_then_cut(
    folder: Path, stop: str, *requests: tuple[str, dict[str, Any]]
) -> Path:
    """Have requests acknowledged and not done; return the disk as it was at that moment.

    `stop` says where the first one stands: before the twin's transaction, or behind it.
    """
    async with thing(folder / "before") as pump:
        weft = pump.weft.weft
        if stop == "before":
            weft.path.twins.settle = never  # type: ignore[method-assign]
        else:
            weft.path.ingest.put = never  # type: ignore[method-assign]
        for verb, document in requests:
            await pump.ask(verb, **document)  # returns with the PUBACK
        if stop == "behind":
            await until(lambda: weft.path.twins.get(MAIN, PUMP).version)
        await weft.path.pipeline.checkpoint()
        shutil.copytree(
            folder / "before", folder / "after", ignore=shutil.ignore_patterns("server.json")
        )
    return folder / "after"


@pytest.mark.parametrize("stop", ["before", "behind"])
async def test_an_update_that_was_acknowledged_is_done_once_whatever_crashes(
    tmp_path: Path, stop: str
) -> None:
    """Both sides, as one version, with one audit entry, and told to those who follow reports."""
    folder = await acknowledged_then_cut(tmp_path, stop, ("update", {"state": BOTH}))
    async with running_weft(folder) as weft:
        path = weft.weft.path
        await until(lambda: not path.desk.undone)
        twin = path.twins.get(MAIN, PUMP)
        assert (twin.desired, twin.reported) == (BOTH["desired"], BOTH["reported"])
        assert twin.version == 1
        entries = await weft.weft.stores.records.read(lambda r: r.list(AUDIT, MAIN, limit=100))
        assert [one.value.action for one in entries].count("twin.desire") == 1
        assert await reports(weft) == [b'{"interval":3}']
        await path.pipeline.settle()
    async with running_weft(folder) as weft:  # and not once more
        path = weft.weft.path
        assert (path.desk.undone, path.twins.get(MAIN, PUMP).version) == (0, 1)
        assert await reports(weft) == [b'{"interval":3}']


async def reports(weft: RunningWeft) -> list[bytes]:
    """What the journal holds of reports, for rules and subscribers."""
    return [
        envelope.payload
        async for batch in weft.weft.stores.journal.read(0)
        for envelope in batch.envelopes
        if envelope.route.operation is Operation.REPORTED
    ]


async def test_all_that_was_acknowledged_is_done_in_its_order(tmp_path: Path) -> None:
    """More than may wait as questions, a deletion and a condition among them."""
    many = [("update", {"state": {"desired": {"interval": n}}}) for n in range(1, 131)]
    last = ("update", {"state": {"reported": {"interval": 7}}, "version": 131})
    stale = ("update", {"state": {"reported": {"interval": 8}}, "version": 131})
    requests = [*many, ("delete", {}), last, stale]
    folder = await acknowledged_then_cut(tmp_path, "before", *requests)
    async with running_weft(folder) as weft:
        path = weft.weft.path
        await until(lambda: not path.desk.undone)
        twin = path.twins.get(MAIN, PUMP)
        assert (twin.desired, twin.reported, twin.version) == ({}, {"interval": 7}, 132)


async def test_an_act_stands_before_what_the_device_asks_next(tmp_path: Path) -> None:
    """Both sides are one version, and `get` sees them."""
    async with thing(tmp_path) as pump:
        skipping = ("update/delta", "update/documents")
        await pump.ask("update", state=BOTH)
        await pump.ask("get")
        rest, accepted = await pump.hear(skipping=skipping)
        assert (rest, accepted["version"]) == ("update/accepted", 1)
        rest, document = await pump.hear(skipping=skipping)
        assert (rest, document["version"]) == ("get/accepted", 1)
        assert document["state"] == BOTH


async def test_an_update_against_the_type_changes_neither_side(tmp_path: Path) -> None:
    """What is desired was right, what is reported is not: the whole is refused."""
    async with thing(tmp_path) as pump:
        state = {"desired": {"interval": 3}, "reported": {"interval": "often"}}
        await pump.ask("update", state=state)
        rest, document = await pump.hear()
        assert (rest, document["code"]) == ("update/rejected", 400)
        assert pump.weft.weft.path.twins.get(MAIN, PUMP).version == 0
