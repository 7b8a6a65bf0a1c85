"""Webhooks: signed, dated, numbered, and the same at every try."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.farside import Asked, FarSide, Reply, as_json, far_side
from tests.connectors.support import NOON, FakeConnector, Plant, alarm, entry, order_of, tools

from weft.connectors.base import Situation
from weft.connectors.webhook import (
    WebhookConnector,
    WebhookSettings,
    sign,
    verify_signature,
)
from weft.errors import ConnectorError, Unauthenticated
from weft.model.alarm import OutboxState, WorkOrderState

NOW = NOON // 10**9
SECRET = "s3cret-key"


class Receiver:
    """A receiver as the how-to describes it: verifies, and counts each delivery once."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.events: dict[str, Any] = {}

    def __call__(self, asked: Asked) -> Reply:
        delivery = verify_signature(SECRET, asked.headers, asked.body, NOW)
        reply = self.replies.pop(0) if self.replies else as_json({})
        if reply.status < 400:
            self.events.setdefault(delivery, asked.json())
        return reply


async def plant_to(folder: Path, side: FarSide, **changes: Any) -> Plant:
    made, reference = tools(folder)
    values = {"url": side.url + "/hook", "secret": reference, "timeout_s": 0.3}
    return Plant(WebhookConnector("erp", WebhookSettings(**(values | changes)), made))


async def test_an_alarm_arrives_signed_as_a_cloud_event(tmp_path: Path) -> None:
    """The receiver proves sender, time and identity, and reads what happened."""
    receiver = Receiver()
    async with far_side(receiver) as side:
        plant = await plant_to(tmp_path, side)
        item = entry(kind="webhook", parameters={"team": "night shift"})
        await plant.put(item, raised=alarm())
        await plant.outbox.deliver_due()
    [event] = receiver.events.values()
    assert event["specversion"] == "1.0"
    assert event["id"] == item.action.action_id
    assert (event["type"], event["subject"]) == ("weft.alarm", "pump-7")
    assert event["data"]["parameters"] == {"team": "night shift"}
    assert event["data"]["alarm"]["evidence"][0]["position"] == 41
    assert side.asked[0].headers["content-type"] == "application/cloudevents+json"
    assert side.asked[0].headers["weft-delivery"] == item.action.action_id


ODD: dict[str, Reply] = {
    "429": Reply(429, b"", {"Retry-After": "3"}),
    "500": Reply(500, b"oops"),
    "503": Reply(503, b""),
    "401": Reply(401, b""),
    "no answer": Reply(200, hang=True),
    "a huge answer": Reply(200, b" " * (2 << 20)),
    "deep JSON": Reply(200, b"[" * 100_000),
    "half an answer": Reply(200, b"x" * 900, chop=True),
}


@pytest.mark.parametrize("name", ODD)
async def test_the_receiver_sees_one_event_whatever_it_answers(tmp_path: Path, name: str) -> None:
    """Taken in, badly answered, sent again: the same delivery id, so it counts once."""
    receiver = Receiver(ODD[name])
    async with far_side(receiver) as side:
        plant = await plant_to(tmp_path, side)
        item = entry(kind="webhook")
        await plant.put(item, raised=alarm())
        for _ in range(3):
            await plant.outbox.deliver_due()
            plant.clock.turn(100)
        assert (await plant.entry(item)).state is OutboxState.DELIVERED
    assert len(side.asked) == 2
    assert side.asked[0].body == side.asked[1].body
    assert len(receiver.events) == 1


@pytest.mark.parametrize("reply", [Reply(302, b"", {"Location": "http://x/"}), Reply(410, b"")])
async def test_a_receiver_that_has_moved_or_gone_is_given_up(tmp_path: Path, reply: Reply) -> None:
    """Nothing is sent to where it points; a person decides."""
    async with far_side(lambda _asked: reply) as side:
        plant = await plant_to(tmp_path, side)
        item = entry(kind="webhook")
        await plant.put(item)
        await plant.outbox.deliver_due()
    assert (await plant.entry(item)).state is OutboxState.DEAD


async def test_html_and_malformed_json_count_as_accepted(tmp_path: Path) -> None:
    """A receiver says yes by its status; what it prints is not read at all."""
    page = Reply(200, b"<html>{", {"Content-Type": "text/html"})
    async with far_side(lambda _asked: page) as side:
        plant = await plant_to(tmp_path, side)
        item = entry(kind="webhook")
        await plant.put(item)
        await plant.outbox.deliver_due()
    assert (await plant.entry(item)).state is OutboxState.DELIVERED


async def test_a_work_order_may_go_to_a_receiver_too(tmp_path: Path) -> None:
    """A system that we have no connector for gets the task in words, and its notes."""
    receiver = Receiver()
    async with far_side(receiver) as side:
        plant = await plant_to(tmp_path, side)
        item = entry()
        await plant.put(item, raised=alarm())
        await plant.outbox.deliver_due()
        order = await plant.order(item)
        await plant.erp.note(order, "The alarm has cleared.")
        assert await plant.erp.poll([order]) == {}
        assert "accepted" in await plant.erp.test()
        await plant.erp.close()
    made, note, test = receiver.events.values()
    assert (order.state, order.remote_id) == (WorkOrderState.OPEN, item.action.action_id)
    assert made["data"]["title"] == "Check the bearing of pump-7"
    assert note["data"]["text"] == "The alarm has cleared."
    assert test["type"] == "weft.test"


async def test_during_a_rotation_both_secrets_are_right(tmp_path: Path) -> None:
    """The receiver changes over when it likes; neither moment loses an event."""
    (tmp_path / "next").write_text("the-next-secret")
    async with far_side(lambda _asked: as_json({})) as side:
        plant = await plant_to(tmp_path, side, next_secret=f"file:{tmp_path / 'next'}")
        await plant.erp.note(order_of(entry()), "x")
    [asked] = side.asked
    for secret in (SECRET, "the-next-secret"):
        assert verify_signature(secret, asked.headers, asked.body, NOW)
    with pytest.raises(Unauthenticated):
        verify_signature("another", asked.headers, asked.body, NOW)


def headers(signature: str, delivery: str = "d-1") -> dict[str, str]:
    return {"weft-signature": signature, "WEFT-DELIVERY": delivery}


EVENT = b'{"id":"d-1"}'


@given(st.text(), st.text(min_size=1), st.integers(0, 10**12))
def test_what_we_sign_verifies(text: str, secret: str, at: int) -> None:
    """For every event, secret and time."""
    body = json.dumps({"id": "d-1", "data": text}).encode()
    signed = sign([secret], body, at)
    assert verify_signature(secret, headers(signed), body, at) == "d-1"


@pytest.mark.parametrize("age", [-301, 301])
def test_an_old_signature_is_refused(age: int) -> None:
    """Somebody who recorded a delivery cannot play it again tomorrow."""
    signed = sign([SECRET], EVENT, NOW)
    verify_signature(SECRET, headers(signed), EVENT, NOW + 299)
    with pytest.raises(Unauthenticated, match="too old"):
        verify_signature(SECRET, headers(signed), EVENT, NOW + age)


@pytest.mark.parametrize("body", [EVENT, b"{}", b'{"id":7}', b"\xff", b"[]"])
def test_a_recording_under_another_id_is_refused(body: bytes) -> None:
    """The header is not signed; who changes it would play a recording as a new event."""
    with pytest.raises(Unauthenticated, match="not that of the signed event"):
        verify_signature(SECRET, headers(sign([SECRET], body, NOW), "d-2"), body, NOW)


@pytest.mark.parametrize(
    "forge",
    [
        lambda s: "",
        lambda s: s.split(",")[1],
        lambda s: s.split(",")[0],
        lambda s: s.replace("t=", "t=0"),
        lambda s: s.replace(f"t={NOW}", f"t={NOW + 1}"),
        lambda s: s + ",t=1",
        lambda s: s[:-1],
        lambda s: s.replace("v1", "v0"),
        lambda s: "t=²,v1=00",
        lambda s: "t=" + "9" * 5000 + ",v1=00",
        lambda s: "t=1,v1=é",
    ],
)
def test_a_forged_signature_is_refused(forge: Callable[[str], str]) -> None:
    """Missing, cut, dated anew or odd: refused with no other error than this one."""
    with pytest.raises(Unauthenticated):
        verify_signature(SECRET, headers(forge(sign([SECRET], EVENT, NOW))), EVENT, NOW)


def test_a_changed_body_or_a_missing_id_is_refused() -> None:
    """One bit of the body, or no id to recognise a replay by."""
    signed = sign([SECRET], EVENT, NOW)
    with pytest.raises(Unauthenticated):
        verify_signature(SECRET, headers(signed), EVENT + b" ", NOW)
    with pytest.raises(Unauthenticated, match="no id"):
        verify_signature(SECRET, headers(signed, ""), EVENT, NOW)


async def test_a_missing_secret_sends_nothing(tmp_path: Path) -> None:
    """The file is gone: better no event than an unsigned one."""
    async with far_side(lambda _asked: as_json({})) as side:
        plant = await plant_to(tmp_path, side)
        (tmp_path / "secret").unlink()
        with pytest.raises(ConnectorError, match="cannot be read"):
            await plant.erp.deliver(entry(kind="webhook"), Situation())
    assert side.asked == []


def test_the_receiver_of_the_how_to_accepts_us_and_nobody_else() -> None:
    """The code that people paste is run here against our own signatures."""
    page = Path(__file__).parents[2] / "docs" / "howto" / "receive-webhooks.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(page), "exec"), names)
    accept = names["accept"]
    body = json.dumps({"id": "d-1"}).encode()
    signed = {"Weft-Signature": sign([SECRET], body, NOW), "Weft-Delivery": "d-1"}

    assert accept(SECRET, signed, body, NOW) is True
    assert accept(SECRET, signed, body, NOW) is False  # seen before
    assert accept(SECRET, {**signed, "Weft-Delivery": "d-2"}, body, NOW) is False
    for secret, forged_body, now in (("x", body, NOW), (SECRET, b"{}", NOW), (SECRET, body, 0)):
        with pytest.raises(PermissionError):
            accept(secret, signed, forged_body, now)


def test_the_signature_is_what_the_how_to_says() -> None:
    """Receivers in other languages are written from this one line."""
    expected = hmac.new(b"k", b"17.{}", hashlib.sha256).hexdigest()
    assert sign(["k"], b"{}", 17) == f"t=17,v1={expected}"


def test_fake_and_real_connectors_take_the_same_actions() -> None:
    """The fake that the outbox is tested with promises no more than a real one."""
    assert FakeConnector().actions == WebhookConnector.actions
