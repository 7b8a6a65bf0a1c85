"""Onboarding: the tasks of a first hour, by mouse and by keyboard, and words that attack."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import START_S, Server, Watched, hold, opened, settle, violations

MARK = "<img src=x onerror=window.ran=1>"
CLIMATE = {"telemetry": {"temperature": {"type": "number", "unit": "Cel", "maximum": 80}}}


def _say(weft: Server, token: str, body: Any, path: str = "/devices/me/telemetry") -> Any:
    """Send something as a device; the answer, or the problem that it was told."""
    request = urllib.request.Request(
        f"{weft.url}/api/v1{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def _device(weft: Server, device_id: str, **more: Any) -> str:
    weft.call("POST", "/devices", {"device_id": device_id, **more})
    token: str = weft.call("POST", f"/devices/{device_id}/credentials", {"kind": "secret"})["token"]
    return token


def _panel(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def _require_clean(watched: Watched, refused: str) -> None:
    """Fail if the browser complained, but for a request that the server has to refuse here."""
    expected = [one for one in watched.faults if "422" in one and refused in one]
    assert expected, "The server was not asked."
    assert watched.faults == expected, "\n".join(watched.faults)


def _require_accessible(page: Page) -> None:
    found = violations(page)
    assert not found, "\n".join(found)


def _until(found: Any) -> Any:
    deadline = time.monotonic() + START_S
    while not (value := found()):
        assert time.monotonic() < deadline, "It has not come."
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def climate(weft: Server) -> str:
    """A device type with one value, of at most 80."""
    weft.call("PUT", "/types/onboarded-climate", {"title": MARK, **CLIMATE})
    return "onboarded-climate"


@pytest.fixture(scope="module")
def claim(weft: Server) -> str:
    """A claim whose devices wait for somebody's word."""
    body = {"name": "found-ones", "count": 20, "prefix": "found-"}
    token: str = weft.call("POST", "/claims", body)["token"]
    return token


def test_a_device_is_added_and_its_first_message_seen(
    browser: Browser, weft: Server, signed_in: object, climate: str
) -> None:
    """Three things said, one click; the secret stands there once, and what comes in at once."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding")
        page.get_by_label("Device id").fill("newcomer-1")
        page.get_by_label("Label").fill("Hall 2 " + MARK)
        page.get_by_label("Device type").select_option(climate)
        page.get_by_role("button", name="Add the device").click()
        secret = page.get_by_label("Secret", exact=True).inner_text()
        first = _panel(page, "First message")
        expect(first).to_contain_text("Waiting for the first message of newcomer-1")
        page.get_by_role("tab", name="HTTP · curl").click()
        expect(_panel(page, "Send a first message")).to_contain_text('{"temperature":80}')
        _say(weft, secret, {"temperature": 21.5})
        expect(first).to_contain_text("It has arrived")
        expect(first).to_contain_text("21.5 °C")
        _require_accessible(page)
        page.reload()
        expect(_panel(page, "First message")).to_contain_text("It has arrived")
        expect(page.get_by_text(secret)).to_have_count(0)
        page.get_by_role("tab", name="Add a device").click()
        expect(page.get_by_label("Device id")).to_have_value("")
        page.go_back()
        first.get_by_role("link", name="Open the device").click()
        page.get_by_role("heading", name="newcomer-1", level=1).wait_for()
        watched.require_clean()


def test_a_device_is_added_by_keyboard_and_told_why_nothing_came_in(
    browser: Browser, weft: Server, signed_in: object, climate: str
) -> None:
    """`g n`, the id, Enter; a value out of range says so where one waits."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        page.keyboard.press("g")
        page.keyboard.press("n")
        page.get_by_role("heading", name="Onboarding", level=1).wait_for()
        expect(page.get_by_label("Device id")).to_be_focused()
        page.keyboard.type("newcomer-2")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type(climate)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        secret = page.get_by_label("Secret", exact=True).inner_text()
        _say(weft, secret, {"temperature": 9000})
        first = _panel(page, "First message")
        expect(first).to_contain_text("Its message was refused")
        expect(first).to_contain_text("80")
        _say(weft, secret, {"temperature": 20})
        expect(first).to_contain_text("It has arrived")
        watched.require_clean()


def test_a_name_that_is_taken_is_told_in_words(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """And what was typed stays."""
    weft.call("POST", "/devices", {"device_id": "taken-1"})
    with opened(browser, weft, state=signed_in) as (page, _):
        page.goto("/onboarding?tab=add")
        page.get_by_label("Device id").fill("taken-1")
        page.get_by_role("button", name="Add the device").click()
        expect(page.get_by_role("alert")).to_contain_text("taken-1")
        expect(page.get_by_label("Device id")).to_have_value("taken-1")


def test_a_file_is_tried_mended_and_imported(
    browser: Browser, weft: Server, signed_in: object, tmp_path: Path
) -> None:
    """A try changes nothing and names the line; the import makes them, and hands out secrets."""
    file = tmp_path / "fleet.csv"
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=import")
        file.write_text(f"device_id,label\nbulk-1,{MARK}\nbulk 2,Feed\n", "utf-8")
        page.get_by_label("File of devices").set_input_files(file)
        page.get_by_role("button", name="Try it").click()
        errors = page.get_by_role("region", name="Errors by line")
        expect(errors.locator("tbody tr")).to_have_count(1)
        expect(errors).to_contain_text("bulk 2")
        _require_accessible(page)
        assert "bulk-1" not in _ids(weft)
        file = tmp_path / "mended.csv"
        file.write_text(f"device_id,label\nbulk-1,{MARK}\nbulk-2,Feed\n", "utf-8")
        page.get_by_label("File of devices").set_input_files(file)
        page.get_by_label("Give each new device a secret").check()
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_text("Every row is right")).to_be_visible()
        expect(page.get_by_text("The secrets of the new devices")).to_be_visible()
        assert {"bulk-1", "bulk-2"} <= _ids(weft)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download the report").click()
        report = Path(download.value.path()).read_text("utf-8").splitlines()
        _say(weft, report[1].rpartition(",")[2], {"temperature": 20})
        assert weft.call("GET", "/devices/bulk-1/twin")["telemetry"]["temperature"]["value"] == 20
        watched.require_clean()


def test_a_json_list_is_imported_too(
    browser: Browser, weft: Server, signed_in: object, tmp_path: Path
) -> None:
    """As another system writes it; what is no list of rows is told before it is sent."""
    file = tmp_path / "fleet.json"
    with opened(browser, weft, state=signed_in) as (page, _):
        page.goto("/onboarding?tab=import")
        file.write_text('[{"device_id": "listed-1"', "utf-8")
        page.get_by_label("File of devices").set_input_files(file)
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("not JSON")
        file.write_text(json.dumps([{"device_id": "listed-1", "label": "One"}]), "utf-8")
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Choose it again")
        page.get_by_label("File of devices").set_input_files(file)
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_text("Every row is right")).to_be_visible()
        assert "listed-1" in _ids(weft)


def test_what_is_kept_of_an_import_is_deleted_after_a_question(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """There is no way back: the report may hold the only copy of secrets."""
    _import(weft, b"device_id\nkept-1\n")
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=import")
        buttons = _panel(page, "Imports before").get_by_role("button", name="Delete")
        buttons.first.wait_for()
        before = len(weft.call("GET", "/imports")["items"])
        buttons.first.click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert len(weft.call("GET", "/imports")["items"]) == before
        buttons.first.click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("The report is deleted")).to_be_visible()
        assert len(weft.call("GET", "/imports")["items"]) == before - 1
        assert "kept-1" in _ids(weft)
        watched.require_clean()


def _import(weft: Server, content: bytes) -> None:
    weft.call("GET", "/whoami")  # who is signed in still is
    request = urllib.request.Request(
        f"{weft.url}/api/v1/devices/import",
        data=content,
        headers={"Authorization": f"Bearer {weft.access}", "Content-Type": "text/csv"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        made = json.loads(answer.read())["import_id"]
    _until(lambda: weft.call("GET", f"/imports/{made}")["state"] == "done")


def _ids(weft: Server) -> set[str]:
    return {one["device_id"] for one in weft.call("GET", "/devices?limit=1000")["items"]}


def test_a_device_that_waits_is_let_in_with_a_type_of_what_it_said(
    browser: Browser, weft: Server, signed_in: object, claim: str
) -> None:
    """It appears while one looks; its first messages are kept under the proposed type."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=quarantine")
        page.get_by_role("region", name="Devices that wait").first.wait_for()
        page.wait_for_timeout(700)  # the stream is open
        made = _say(weft, claim, {"serial": "7", "label": MARK}, "/provision")
        token = next(value for value in _texts(made) if value.startswith("weft_"))
        _say(weft, token, {"temperature": 20.5, "humidity": 41})
        page.get_by_role("button", name="found-7").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text('{"temperature": 20.5')
        _require_accessible(page)
        dialog.get_by_label("Name of the new type").fill("found-climate")
        dialog.get_by_role("button", name="Let it in").click()
        expect(dialog).to_be_hidden()
        assert weft.call("GET", "/devices/found-7")["type_name"] == "found-climate"
        expect(page.get_by_role("button", name="found-7")).to_have_count(0)
        watched.require_clean()


def test_a_device_that_waits_is_sent_away(
    browser: Browser, weft: Server, signed_in: object, claim: str
) -> None:
    """After a question; it is revoked."""
    _say(weft, claim, {"serial": "8"}, "/provision")
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=quarantine")
        page.get_by_role("button", name="found-8").click()
        page.get_by_role("dialog").get_by_role("button", name="Send it away").click()
        expect(page.get_by_role("dialog")).to_contain_text("no claim lets it in again")
        page.get_by_role("dialog").get_by_role("button", name="Send it away").click()
        expect(page.get_by_text("found-8 is sent away")).to_be_visible()
        assert weft.call("GET", "/devices/found-8")["lifecycle"] == "revoked"
        watched.require_clean()


def test_a_late_answer_lets_in_nobody_else(
    browser: Browser, weft: Server, signed_in: object, claim: str
) -> None:
    """What was asked of one device comes when another is looked at: it is not shown."""
    for serial in ("late", "next"):
        _say(weft, claim, {"serial": serial, "label": serial}, "/provision")
    with opened(browser, weft, state=signed_in) as (page, watched):
        held = hold(page, "**/api/v1/quarantine/found-late")
        page.goto("/onboarding?tab=quarantine")
        page.get_by_role("button", name="found-late").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("progressbar").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="found-next").click()
        dialog.get_by_role("button", name="Let it in").wait_for()
        with page.expect_response("**/api/v1/quarantine/found-late"):
            held[0].continue_()
        settle(page)
        expect(dialog.get_by_label("Label")).to_have_value("next")
        dialog.get_by_role("button", name="Let it in").click()
        expect(dialog).to_be_hidden()
        waiting = {one["device_id"] for one in weft.call("GET", "/quarantine")["items"]}
        assert "found-late" in waiting
        assert "found-next" not in waiting
        watched.require_clean()


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def test_a_type_is_written_checked_saved_and_changed(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """A range that is upside down is told; a change that breaks is asked about; versions differ."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=types")
        page.get_by_role("link", name="New type").first.click()
        page.get_by_label("Name", exact=True).fill("written-pump")
        page.get_by_label("Title").fill(MARK)
        page.get_by_label("Key of").first.fill("pressure")
        page.get_by_label("Unit of pressure").fill("bar")
        page.get_by_label("Lowest of pressure").fill("10")
        page.get_by_label("Highest of pressure").fill("2")
        check = _panel(page, "What saving would change")
        expect(check).to_contain_text("telemetry.pressure.minimum")
        save = page.get_by_role("button", name="Save")
        expect(save).to_be_disabled()
        page.get_by_label("Lowest of pressure").fill("0")
        page.get_by_label("Highest of pressure").fill("16")
        expect(save).to_be_enabled()
        save.click()
        expect(page.get_by_text("written-pump is saved as version 1")).to_be_visible()
        _panel(page, "Try a payload on it").get_by_label("Payload").fill('{"pressure": 99}')
        page.get_by_role("button", name="Try it").click()
        expect(_panel(page, "What becomes of it")).to_contain_text("It would be refused")
        page.get_by_label("Highest of pressure").fill("8")
        expect(check).to_contain_text("breaks devices")
        save.click()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_text("written-pump is saved as version 2")).to_be_visible()
        expect(_panel(page, "Versions")).to_contain_text("telemetry.pressure.maximum")
        expect(save).to_be_enabled()  # what was saved is checked again by now
        _require_accessible(page)
        _require_clean(watched, "/types/written-pump/check")


def test_a_type_is_written_as_a_document(browser: Browser, weft: Server, signed_in: object) -> None:
    """All of it is written there, and what the fields do not know stays when they are edited."""
    weft.call("PUT", "/types/documented", {**CLIMATE, "commands": {"blink": {}}})
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=types&type=documented")
        page.get_by_label("Unit of temperature").fill("K")
        page.get_by_role("radio", name="Document").check()
        editor = page.get_by_role("textbox", name="Document")
        written = json.loads(editor.input_value())
        assert written["telemetry"]["temperature"]["unit"] == "K"
        written["telemetry"]["humidity"] = {"type": "number", "unit": "%RH"}
        editor.fill(json.dumps(written))
        page.get_by_role("radio", name="Fields").check()
        expect(page.get_by_label("Unit of humidity")).to_have_value("%RH")
        save = page.get_by_role("button", name="Save")
        expect(save).to_be_enabled()
        save.click()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_text("documented is saved as version 2")).to_be_visible()
        assert "blink" in weft.call("GET", "/types/documented")["commands"]
        watched.require_clean()


def test_the_sandbox_says_what_a_payload_becomes(
    browser: Browser, weft: Server, signed_in: object, climate: str
) -> None:
    """By keyboard: text that fits, then bytes that are no text."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto(f"/onboarding?tab=sandbox&type={climate}")
        page.get_by_role("textbox", name="Payload").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type('{"temperature": 21.4}')
        for _ in range(4):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        came = _panel(page, "What becomes of it")
        expect(came).to_contain_text("It would be kept")
        page.get_by_role("textbox", name="Payload").fill(
            "a1 6b 74 65 6d 70 65 72 61 74 75 72 65 18 15"
        )
        page.get_by_label("Written as").select_option("hex")
        page.get_by_label("Content type").fill("application/cbor")
        page.get_by_role("button", name="Try it").click()
        expect(came).to_contain_text('"temperature": 21')
        page.get_by_role("textbox", name="Payload").fill("zz")
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_role("alert")).to_contain_text("hex")
        _require_clean(watched, "/decode")


def test_what_was_refused_is_sent_again_after_the_type_is_mended(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """One by keyboard, the others together; what attacks is text all along."""
    weft.call("PUT", "/types/narrow", CLIMATE)
    token = _device(weft, "narrow-1", type_name="narrow", label=MARK)
    for value in (90, 91, 92, MARK):
        _say(weft, token, {"temperature": value})
    _until(lambda: len(weft.call("GET", "/rejections?device=narrow-1")["items"]) == 4)
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=rejections&device=narrow-1")
        rows = page.get_by_role("region", name="Refused messages").locator("tbody tr[data-at]")
        expect(rows).to_have_count(4)
        rows.first.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Payload")).to_contain_text(MARK)
        _require_accessible(page)
        dialog.get_by_role("button", name="Send again").press("Enter")
        expect(dialog.get_by_role("alert")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog .inside")).to_have_count(0)  # the page knows that it is closed
        wider = {"telemetry": {"temperature": {"type": "number", "unit": "Cel", "maximum": 200}}}
        weft.call("PUT", "/types/narrow", wider)
        rows.last.focus()
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Send again").press("Enter")
        expect(page.get_by_text("It went in")).to_be_visible()
        expect(rows).to_have_count(3)
        page.get_by_role("button", name="Send these again").click()
        page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        expect(page.get_by_text("2 went in, 1 are still refused")).to_be_visible()
        expect(rows).to_have_count(1)
        rows.first.get_by_role("button").click()
        dialog.get_by_role("button", name="Delete").click()
        dialog.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("No refused message is like that")).to_be_visible()
        assert page.evaluate("window.ran") is None
        assert page.locator("img[src='x']").count() == 0
        _require_clean(watched, "/redrive")


def test_made_up_devices_speak_until_they_are_stopped(
    browser: Browser, weft: Server, signed_in: object, climate: str
) -> None:
    """What they say is in the history as if it had been measured."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?tab=add")
        simulator = _panel(page, "No device at hand?")
        simulator.get_by_label("Type to simulate").select_option(climate)
        simulator.get_by_label("Devices").fill("2")
        simulator.get_by_label("Every (seconds)").fill("0.5")
        simulator.get_by_role("button", name="Simulate devices").click()
        expect(simulator.get_by_role("status")).to_contain_text("4 messages sent")
        simulator.get_by_role("button", name="Stop").click()
        expect(simulator.get_by_role("status")).to_contain_text("Stopped after")
        simulator.get_by_role("link", name=f"sim-{climate}-1").click()
        page.get_by_role("heading", name=f"sim-{climate}-1", level=1).wait_for()
        watched.require_clean()


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("tab", ["add", "import", "quarantine", "types", "sandbox", "rejections"])
def test_nothing_that_was_written_by_others_runs(
    browser: Browser, weft: Server, signed_in: object, climate: str, tab: str, phone: bool
) -> None:
    """The title of a type, the label of a device, a payload: letter by letter."""
    with opened(browser, weft, state=signed_in, phone=phone, dark=phone) as (page, watched):
        page.goto(
            f"/onboarding?tab={tab}&type={climate}" if tab != "types" else f"/onboarding?tab={tab}"
        )
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(500)
        assert page.evaluate("window.ran") is None
        assert page.locator("img[src='x']").count() == 0
        _require_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        if tab == "types" and not phone:
            expect(page.get_by_text(MARK).first).to_be_visible()
        watched.require_clean()
