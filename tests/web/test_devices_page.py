"""The list of devices: who is connected, as it changes, and those alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
from playwright.sync_api import Browser, expect
from tests.web.support import Server, opened, violations


@contextmanager
def _connected(weft: Server, device_id: str, token: str) -> Iterator[mqtt.Client]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device_id)
    client.username_pw_set(device_id, token)
    client.connect("127.0.0.1", weft.mqtt_port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _device(weft: Server, device_id: str) -> str:
    weft.call("POST", "/devices", {"device_id": device_id, "label": "reached"})
    path = f"/devices/{device_id}/credentials"
    token: str = weft.call("POST", path, {"kind": "secret"})["token"]
    return token


def test_who_is_connected_is_seen_as_it_changes(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """It comes, it says something, it leaves: without a reload, and with one list asked for."""
    token = _device(weft, "reached-1")
    with opened(browser, weft, state=signed_in) as (page, watched):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto("/devices?search=reached-1")
        row = page.locator("tbody tr[data-at]").filter(has_text="reached-1")
        expect(row).to_contain_text("never heard")
        with _connected(weft, "reached-1", token) as client:
            expect(row.get_by_text("connected", exact=True)).to_be_visible()
            sent = client.publish("devices/me/telemetry", '{"rpm": 1}', qos=1)
            sent.wait_for_publish(10)
            assert not violations(page), "\n".join(violations(page))
        expect(row).to_contain_text("left")
        page.reload()
        expect(row).to_contain_text("seen")
        lists = [one for one in asked if "/api/v1/devices" in one]
        assert all("/api/v1/devices?" in one for one in lists), lists
        watched.require_clean()


def test_only_those_that_are_connected_are_listed(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """By keyboard; one that leaves goes from the list, one that comes is told of."""
    here, there = _device(weft, "reached-here"), _device(weft, "reached-there")
    with opened(browser, weft, state=signed_in) as (page, watched):
        rows = page.locator("tbody tr[data-at]")
        with _connected(weft, "reached-there", there):
            with _connected(weft, "reached-here", here):
                page.goto("/devices?search=reached-")
                expect(rows.filter(has_text="reached-there")).to_contain_text("connected")
                page.get_by_label("Connection", exact=True).focus()
                with page.expect_response(lambda answer: "connected=true" in answer.url):
                    page.keyboard.type("Connected now")
                expect(rows.filter(has_text="reached-1")).to_have_count(0)
                expect(rows).to_have_count(2)
                assert "connected=true" in page.url
            expect(rows.filter(has_text="reached-here")).to_have_count(0)
            expect(rows).to_have_count(1)
            with _connected(weft, "reached-here", here):
                told = page.get_by_text("Other devices have come or left: more may fit by now.")
                told.wait_for()
                page.get_by_role("button", name="Read the list again").click()
                expect(rows).to_have_count(2)
                expect(told).to_have_count(0)
        page.get_by_label("Connection", exact=True).select_option("false")
        expect(rows.filter(has_text="reached-here")).to_be_visible()
        page.get_by_label("Search name or label").fill("no-such-device")
        page.get_by_role("button", name="Clear the search").click()
        expect(page.get_by_label("Connection", exact=True)).to_have_value("")
        watched.require_clean()
