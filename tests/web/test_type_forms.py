"""Commands and mappings of a device type: written in fields, and the same in the document."""

import json
import urllib.request
from typing import Any

from playwright.sync_api import Browser, Page, expect
from tests.web.support import Server, hold, let_go, opened, settle, violations

MARK = "<img src=x onerror=window.ran=1>"
PROBE = {
    "telemetry": {
        "temperature": {"type": "number", "unit": "Cel"},
        "door": {"type": "boolean"},
        "battery": {"type": "number", "unit": "V"},
    },
    "commands": {
        "set_speed": {
            "title": MARK,
            "rpm": {"type": "integer", "minimum": 0, "maximum": 3000, "required": True},
            "output": {"rpm": {"type": "integer"}},
        },
        "restart": {},
    },
    "events": {"leak": {"litres": {"type": "number"}}},
    "mapping": {
        "time": {"from": "at", "unit": "s"},
        "telemetry": {
            "temperature": {"from": "sensor.t", "scale": 0.1},
            "door": {"from": "contact", "values": {"open": True, "closed": False}},
        },
        "binary": {"from": "data", "fields": {"battery": {"byte": 2, "scale": 0.1}}},
        "events": {"leak": {"litres": "l"}},
        "ignore": ["sensor.serial"],
    },
}


def _panel(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def _document(page: Page) -> Any:
    """What the other view shows."""
    page.get_by_role("radio", name="Document").check()
    written = json.loads(page.get_by_role("textbox", name="Document").input_value())
    page.get_by_role("radio", name="Fields").check()
    return written


def test_commands_are_written_in_fields(browser: Browser, weft: Server, signed_in: object) -> None:
    """Added with an argument and its range, checked, saved, sent, and taken away again."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=types&new=yes")
        page.get_by_label("Name", exact=True).fill("commanded")
        page.get_by_label("Key of").first.fill("rpm")
        page.get_by_role("button", name="Add a command").click()
        expect(page.get_by_label("Name of the command")).to_be_focused()
        page.keyboard.type("set_speed")
        speed = page.get_by_role("group", name="set_speed", exact=True)
        speed.get_by_role("button", name="Add an argument").click()
        expect(speed.get_by_label("Key of the new field")).to_be_focused()
        page.keyboard.type("target")
        speed.get_by_label("Kind of target").select_option("integer")
        speed.get_by_label("Lowest of target").fill("0")
        speed.get_by_label("Highest of target").fill("3000")
        speed.get_by_label("Always there of target").check()
        speed.get_by_role("button", name="Add a value of the answer").click()
        expect(speed.get_by_label("Key of the new field")).to_be_focused()
        page.keyboard.type("reached")
        page.get_by_role("button", name="Add a command").click()
        expect(page.get_by_label("Name of the command").last).to_be_focused()
        page.keyboard.type("set_speed")
        check = _panel(page, "What saving would change")
        expect(check).to_contain_text("The key set_speed stands twice")
        second = page.get_by_role("group", name="set_speed", exact=True).last
        second.get_by_label("Name of the command").fill("restart")
        expect(page.get_by_role("button", name="Save")).to_be_enabled()
        page.evaluate("window.scrollTo(0, 0)")
        assert not violations(page), "\n".join(violations(page))
        written = _document(page)
        assert written["commands"] == {
            "set_speed": {
                "target": {"type": "integer", "minimum": 0, "maximum": 3000, "required": True},
                "output": {"reached": {"type": "number"}},
            },
            "restart": {},
        }
        save = page.get_by_role("button", name="Save")
        expect(save).to_be_enabled()
        save.click()
        expect(page.get_by_text("commanded is saved as version 1")).to_be_visible()
        weft.call("POST", "/devices", {"device_id": "commanded-1", "type_name": "commanded"})
        sent = {"name": "set_speed", "input": {"target": 900}}
        assert weft.call("POST", "/devices/commanded-1/commands", sent)["name"] == "set_speed"

        page.get_by_role("button", name="Remove the command restart").click()
        expect(check).to_contain_text("breaks devices")
        assert "restart" not in _document(page)["commands"]
        watched.require_clean()


def test_a_document_becomes_fields_and_comes_back_as_it_was(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Also what has no field: notes, values, events; and what is changed here is changed there."""
    weft.call("PUT", "/types/probed", PROBE)
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=types&type=probed")
        check = _panel(page, "What saving would change")
        expect(check).to_contain_text("Nothing changes")
        assert _document(page) == PROBE
        expect(page.get_by_text("with values: see the document")).to_be_visible()
        page.get_by_label("Times of temperature").fill("0.5")
        page.get_by_label("If missing of temperature").fill("20")
        page.get_by_label("First byte of battery").fill("3")
        page.get_by_label("Places to ignore").fill("sensor.serial\nsensor.kind")
        page.get_by_label("Ignore whatever nothing here speaks of").check()
        page.get_by_role("group", name="Input of set_speed").get_by_label("Highest of rpm").fill(
            "9000"
        )
        expect(page.get_by_role("button", name="Save")).to_be_enabled()
        page.evaluate("window.scrollTo(0, 0)")  # where the bar at the top lies over nothing
        assert not violations(page), "\n".join(violations(page))
        written = _document(page)
        mapping = written["mapping"]
        assert mapping["telemetry"]["temperature"] == {
            "from": "sensor.t",
            "scale": 0.5,
            "default": 20,
        }
        assert mapping["telemetry"]["door"] == PROBE["mapping"]["telemetry"]["door"]  # type: ignore[index]
        assert mapping["binary"]["fields"] == {"battery": {"byte": 3, "scale": 0.1}}
        assert mapping["ignore"] == ["sensor.serial", "sensor.kind"]
        assert (mapping["unmapped"], mapping["time"]) == ("ignore", {"from": "at", "unit": "s"})
        assert written["commands"]["set_speed"]["rpm"]["maximum"] == 9000
        assert written["commands"]["set_speed"]["title"] == MARK
        page.get_by_role("radio", name="Document").check()
        mapping["telemetry"]["door"] = "is_open"
        page.get_by_role("textbox", name="Document").fill(json.dumps(written))
        page.get_by_role("radio", name="Fields").check()
        expect(page.get_by_label("Place or value of door")).to_have_value("is_open")
        assert page.evaluate("window.ran") is None
        watched.require_clean()


def test_a_mapping_is_written_in_fields_tried_and_kept(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """A key is chosen, its place said, a payload tried; then a device says it so, and is read."""
    weft.call("PUT", "/types/mapped", {"telemetry": PROBE["telemetry"]})
    weft.call("POST", "/devices", {"device_id": "mapped-1", "type_name": "mapped"})
    path = "/devices/mapped-1/credentials"
    token = weft.call("POST", path, {"kind": "secret"})["token"]
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=types&type=mapped")
        page.get_by_text("Payload mapping", exact=True).click()
        page.get_by_role("button", name="Add a value from a place").click()
        page.get_by_label("Goes to of the new value").select_option("telemetry.temperature")
        page.get_by_label("Place or value of temperature").fill("sensor.t")
        page.get_by_label("Times of temperature").fill("0.1")
        page.get_by_role("button", name="Add a value from a place").click()
        page.get_by_label("Goes to of the new value").select_option("telemetry.temperature")
        check = _panel(page, "What saving would change")
        expect(check).to_contain_text("The key temperature stands twice")
        to_document = page.get_by_role("radio", name="Document", exact=True)
        expect(to_document).to_be_disabled()  # the document has no place for a fault, and drops it
        page.get_by_role("button", name="Remove temperature from the mapping").last.click()
        page.get_by_role("button", name="Add a value from bytes").click()
        page.get_by_label("Goes to of the new value").select_option("telemetry.battery")
        page.get_by_label("Place of the bytes").fill("data")
        page.get_by_label("First byte of battery").fill("1")
        sandbox = _panel(page, "Try a payload on it")
        sandbox.get_by_label("Payload").fill('{"sensor": {"t": 214}, "data": "AAM="}')
        sandbox.get_by_role("button", name="Try it").click()
        became = _panel(page, "What becomes of it")
        expect(became).to_contain_text("It would be kept")
        expect(became).to_contain_text("21.4")
        save = page.get_by_role("button", name="Save")
        expect(save).to_be_enabled()
        save.click()
        expect(page.get_by_text("mapped is saved as version 2")).to_be_visible()
        assert weft.call("GET", "/types/mapped")["document"]["mapping"] == {
            "telemetry": {"temperature": {"from": "sensor.t", "scale": 0.1}},
            "binary": {"from": "data", "fields": {"battery": {"byte": 1}}},
        }
        request = urllib.request.Request(
            f"{weft.url}/api/v1/devices/me/telemetry",
            data=b'{"sensor": {"t": 195}, "data": "AAQ="}',
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
        twin = weft.call("GET", "/devices/mapped-1/twin")
        assert twin["telemetry"]["temperature"]["value"] == 19.5
        watched.require_clean()


def test_a_type_is_not_saved_by_the_check_of_what_it_was(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """An answer on what stood there before says nothing of what stands there now."""
    url = "**/api/v1/types/checked-late/check"
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=types&new=yes")
        page.get_by_label("Name", exact=True).fill("checked-late")
        key, save = page.get_by_label("Key of").first, page.get_by_role("button", name="Save")
        key.fill("rpm")
        expect(save).to_be_enabled()
        held = hold(page, url)
        with page.expect_request(url):
            key.fill("speed")
        key.fill("speed_now")
        with page.expect_response(url):
            held.pop(0).continue_()
        settle(page)
        expect(save).to_be_disabled()
        let_go(page, url, held)
        expect(save).to_be_enabled()
        watched.require_clean()


def test_a_place_without_a_key_is_told(browser: Browser, weft: Server, signed_in: object) -> None:
    """Otherwise the row would be left out, and nobody would know why nothing comes."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=types&new=yes")
        page.get_by_label("Name", exact=True).fill("homeless")
        page.get_by_label("Key of").first.fill("rpm")
        expect(page.get_by_role("button", name="Save")).to_be_enabled()
        page.get_by_text("Payload mapping", exact=True).click()
        page.get_by_role("button", name="Add a value from bytes").click()
        check = _panel(page, "What saving would change")
        expect(check).to_contain_text("No key is chosen for byte 0")
        expect(page.get_by_role("button", name="Save")).to_be_disabled()
        watched.require_clean()
