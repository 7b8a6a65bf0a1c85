"""What a device or a tenant wrote is text, never markup (HT-3; CVE-2022-31861)."""

import json
import time
import urllib.error
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.web.support import START_S, Server, opened

MARK = "<img src=x onerror=window.ran=1>"
SCRIPT = "\"'><script>window.ran=1</script>"
TEMPLATE = "{{constructor.constructor('window.ran=1')()}}${window.ran=1}"
HOSTILE = MARK + SCRIPT + TEMPLATE
DEVICE = "hostile-1"
RULE = {
    "name": "hostile-rule",
    "description": HOSTILE,
    "selector": {"devices": [DEVICE]},
    "when": f"temperature > 1 && word != '{MARK}x'",
    "severity": "major",
    "message": "{label} says {word} " + MARK,
    "actions": [
        {
            "work_order": {
                "connector": "erp",
                "title": "Mend {label} {word}",
                "instructions": "{word} " + SCRIPT,
            }
        }
    ],
}


@pytest.fixture(scope="module")
def poisoned(weft: Server) -> Server:
    """A device whose every word is an attack, in all places that pages show."""
    weft.call(
        "POST",
        "/devices",
        {
            "device_id": DEVICE,
            "label": HOSTILE[:200],
            "attributes": {"note": HOSTILE, MARK: "name"},
        },
    )
    weft.call("POST", "/assets", {"asset_id": "hostile-hall", "kind": "site", "label": HOSTILE})
    weft.call("PUT", f"/devices/{DEVICE}/attachments/observes", {"asset": "hostile-hall"})
    issued = weft.call("POST", f"/devices/{DEVICE}/credentials", {"kind": "secret", "label": MARK})
    weft.call("PATCH", f"/devices/{DEVICE}/twin", {"desired": {"mode": HOSTILE}}, If_Match='"0"')
    weft.call("POST", f"/devices/{DEVICE}/commands", {"name": "say", "input": {"text": HOSTILE}})
    weft.call("POST", "/rules", RULE)
    _publish(weft, issued["token"])
    return weft


def _publish(weft: Server, token: str) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=DEVICE)
    client.username_pw_set(DEVICE, token)
    client.connect("127.0.0.1", weft.mqtt_port)
    client.loop_start()
    try:
        for topic, body in (
            ("telemetry", {"temperature": 1.5, "word": HOSTILE}),
            ("properties/reported", {"mode": HOSTILE, "nested": {MARK: SCRIPT}}),
            ("events/alert", {"text": HOSTILE, MARK: SCRIPT}),
            (f"events/{MARK}", {"text": HOSTILE}),
            (MARK, {"text": HOSTILE}),
        ):
            sent = client.publish(f"devices/me/{topic}", json.dumps(body), qos=1)
            sent.wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()


def _require_harmless(page: Page, watched: Any) -> None:
    page.wait_for_timeout(500)
    assert page.evaluate("window.ran") is None
    assert page.locator("img[src='x']").count() == 0
    watched.require_clean()


@pytest.mark.parametrize(
    "path",
    [
        "/overview",
        "/devices?search=hostile",
        *(
            f"/devices/{DEVICE}?tab={tab}"
            for tab in (
                "now",
                "charts",
                "twin",
                "commands",
                "events",
                "messages",
                "connection",
                "credentials",
                "about",
            )
        ),
    ],
)
def test_nothing_that_was_written_by_others_runs(
    browser: Browser, poisoned: Server, signed_in: object, path: str
) -> None:
    """Label, attribute, property, topic, payload, command, audit: shown as they are."""
    with opened(browser, poisoned, state=signed_in) as (page, watched):
        page.goto(path)
        page.get_by_role("heading", level=1).wait_for()
        _require_harmless(page, watched)


def test_a_tenants_name_is_shown_letter_by_letter(
    browser: Browser, poisoned: Server, signed_in: object
) -> None:
    """Where a page shows it, in what the API answers; the id cannot be an attack at all."""
    poisoned.call("PATCH", "/tenants/main", {"name": HOSTILE})
    with pytest.raises(urllib.error.HTTPError, match="422"):
        poisoned.call("POST", "/tenants", {"tenant_id": MARK})
    with opened(browser, poisoned, state=signed_in) as (page, watched):
        page.goto("/reference?operation=list_tenants")
        page.get_by_role("button", name="Send", exact=True).click()
        page.locator("pre[aria-label='Answer']").filter(has_text=MARK).wait_for()
        page.goto("/security?tab=audit")
        row = page.get_by_role("region", name="What was done").locator("tbody tr[data-at]")
        row.filter(has_text="tenant.update").first.click()
        _require_harmless(page, watched)


def test_a_tenants_label_beside_every_page_is_text(
    browser: Browser, poisoned: Server, signed_in: object
) -> None:
    """Should a server ever let such an id through, the navigation shows it and no more."""

    def answered(route: Route) -> None:
        told = route.fetch()
        route.fulfill(response=told, json={**told.json(), "tenant": HOSTILE, "name": HOSTILE})

    with opened(browser, poisoned, state=signed_in) as (page, watched):
        page.route("**/api/v1/sessions/browser", answered)
        for path in ("/overview", "/devices", "/security?tab=live"):
            page.goto(path)
            page.get_by_role("heading", level=1).wait_for()
            expect(page.locator("nav").get_by_text(MARK)).to_be_visible()
            expect(page.get_by_role("banner").get_by_text(MARK)).to_be_visible()
            _require_harmless(page, watched)


def test_the_label_is_shown_letter_by_letter(
    browser: Browser, poisoned: Server, signed_in: object
) -> None:
    """Not cut out, not decoded: one sees the attack."""
    with opened(browser, poisoned, state=signed_in) as (page, watched):
        page.goto(f"/devices/{DEVICE}")
        page.get_by_text(MARK).first.wait_for()
        page.goto(f"/devices/{DEVICE}?tab=messages")
        page.locator("code").filter(has_text=f"devices/me/{MARK}").first.wait_for()
        page.goto(f"/devices/{DEVICE}?tab=events")
        rows = page.get_by_role("region", name="Events", exact=True).locator("tr[data-at]")
        expect(rows).to_have_count(2)
        rows.filter(has=page.locator(".mono", has_text=MARK)).first.click()
        page.get_by_role("dialog").get_by_text(MARK).first.wait_for()
        page.keyboard.press("Escape")
        page.goto("/devices?search=" + DEVICE)
        page.get_by_text(MARK).first.wait_for()
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Go to a page").fill(DEVICE)
        page.get_by_role("option").filter(has_text=MARK).wait_for()
        _require_harmless(page, watched)


@pytest.fixture(scope="module")
def acted_on(poisoned: Server) -> dict[str, str]:
    """The path of what the hostile device has set off: an alarm, a work order and the rule.

    All that people can write on them is written.
    """
    deadline = time.monotonic() + START_S
    while not (orders := poisoned.call("GET", f"/work-orders?device={DEVICE}")["items"]):
        assert time.monotonic() < deadline, "There is no work order of the hostile device."
        time.sleep(0.2)
    order, alarm = orders[0], orders[0]["alarm_ids"][0]
    assert MARK in order["title"]
    poisoned.call("POST", f"/alarms/{alarm}/comments", {"comment": HOSTILE})
    poisoned.call("POST", f"/alarms/{alarm}/shelve", {"duration": "1h", "reason": HOSTILE})
    path = f"/work-orders/{order['work_order_id']}"
    poisoned.call("POST", f"{path}/comment", {"comment": HOSTILE})
    poisoned.call("POST", f"{path}/assign", {"to": MARK})
    return {
        "/alarms": f"/alarms?aside=shelved&device={DEVICE}",
        "/alarms/:id": f"/alarms/{alarm}",
        "/work-orders": f"/work-orders?device={DEVICE}",
        "/work-orders/:id": path,
        "/rules": "/rules",
        "/rules/:id": "/rules/hostile-rule",
    }


@pytest.mark.parametrize(
    ("page_path", "shown"),
    [
        ("/alarms", "row"),
        ("/alarms/:id", "heading"),
        ("/work-orders", "row"),
        ("/work-orders/:id", "heading"),
        ("/rules", "row"),
        ("/rules/:id", "form"),
    ],
)
def test_what_a_device_sets_off_is_text_on_every_page_of_operators(
    browser: Browser,
    poisoned: Server,
    signed_in: object,
    acted_on: dict[str, str],
    page_path: str,
    shown: str,
) -> None:
    """Message, title, instructions, comment, reason, assignee: one reads the attack (HT-3)."""
    with opened(browser, poisoned, state=signed_in) as (page, watched):
        page.goto(acted_on[page_path])
        page.get_by_role("heading", level=1).wait_for()
        if shown == "form":
            page.wait_for_function(
                "(text) => [...document.querySelectorAll('input, textarea')]"
                ".some((one) => one.value.includes(text))",
                arg=MARK,
            )
        else:
            page.get_by_role(shown).filter(has_text=MARK).first.wait_for()  # type: ignore[arg-type]  # a role
        _require_harmless(page, watched)


def test_words_of_people_are_shown_letter_by_letter_beside_an_alarm_and_an_order(
    browser: Browser, poisoned: Server, signed_in: object, acted_on: dict[str, str]
) -> None:
    """Neither cut nor decoded."""
    with opened(browser, poisoned, state=signed_in) as (page, watched):
        page.goto(acted_on["/alarms/:id"])
        history = page.get_by_role("region", name="What was done")
        expect(history.get_by_text(HOSTILE).first).to_be_visible()
        page.goto(acted_on["/work-orders/:id"])
        remarks = page.get_by_role("region", name="Remarks")
        expect(remarks.get_by_role("listitem").get_by_text(HOSTILE)).to_be_visible()
        expect(page.get_by_role("region", name="What is known")).to_contain_text(MARK)
        poisoned.call("POST", acted_on["/alarms/:id"] + "/comments", {"comment": "newest"})
        page.goto("/overview")
        changes = page.get_by_role("region", name="The last hour")
        changes.get_by_role("listitem").filter(has_text=MARK).first.wait_for()
        _require_harmless(page, watched)
