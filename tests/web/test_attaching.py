"""Devices at facilities: attached, moved and taken off from either page; both changed in forms."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.web.plant import HOSTILE, Plant, plant_at
from tests.web.support import START_S, Server, opened, violations, without

from weft.model.asset import KNOWN_KINDS

OVERFLOW = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A plant of our own: what is added here would stand in the way of other tests."""
    with plant_at(tmp_path_factory.mktemp("workshop") / "data") as made:
        yield made


@pytest.fixture(scope="module")
def workshop(plant: Plant) -> Plant:
    """A bench and a lathe without devices, beside the plant; one is called by an attack."""
    call = plant.server.call
    call("POST", "/assets", {"asset_id": "shop", "kind": "site", "label": "Workshop"})
    bench = {"asset_id": "bench", "kind": "machine", "label": "Bench", "parent": "shop"}
    call("POST", "/assets", bench)
    lathe = {"asset_id": "lathe", "kind": "machine", "label": HOSTILE, "parent": "shop"}
    call("POST", "/assets", {**lathe, "attributes": {"note": HOSTILE, HOSTILE: 1}, "tags": ["old"]})
    return plant


def _device(plant: Plant, name: str, **more: Any) -> str:
    plant.server.call("POST", "/devices", {"device_id": name, **more})
    return name


def _attached(plant: Plant, device: str) -> dict[str, str]:
    found = plant.server.call("GET", f"/devices/{device}/attachments")["items"]
    return {one["role"]: one["asset_id"] for one in found if one["until_at"] is None}


def _panel(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def test_a_machine_gets_its_device_by_clicking_and_loses_it_again(
    browser: Browser, workshop: Plant, at_plant: Any
) -> None:
    """The empty panel offers it; it is asked before the device is taken off."""
    device = _device(workshop, "probe-1", label="Bench probe")
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto("/facilities?asset=bench")
        panel = _panel(page, "Devices")
        expect(panel).to_contain_text("No device is attached to it")
        panel.get_by_role("button", name="Attach a device").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Attach", exact=True)).to_be_disabled()
        dialog.get_by_role("combobox", name="Device", exact=True).fill("Bench pr")
        dialog.get_by_role("option", name=device).click()
        assert not violations(page), "\n".join(violations(page))
        dialog.get_by_role("button", name="Attach", exact=True).click()
        expect(panel.get_by_role("link", name=device)).to_be_visible()
        assert _attached(workshop, device) == {"observes": "bench"}
        panel.get_by_role("button", name=f"Detach {device}, which observes it").click()
        assert _attached(workshop, device) == {"observes": "bench"}
        page.get_by_role("dialog").get_by_role("button", name="Detach").click()
        expect(panel.get_by_role("link", name=device)).to_have_count(0)
        assert _attached(workshop, device) == {}
        watched.require_clean()


def test_a_device_is_attached_by_keyboard_since_a_moment_that_has_been(
    browser: Browser, workshop: Plant, at_plant: Any
) -> None:
    """Typed, taken with Enter before the list has followed, sent with Enter: the right one."""
    device = _device(workshop, "probe-2")
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto("/facilities?asset=bench")
        _panel(page, "Devices").get_by_role("button", name="Attach a device").press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("option").first.wait_for()
        dialog.get_by_label("What it is to it").select_option("steers")
        dialog.get_by_label("Since when").fill("2026-01-02T03:04")
        field = dialog.get_by_role("combobox", name="Device", exact=True)
        field.fill("robe-2")
        field.press("Enter")
        offered = dialog.get_by_role("listbox").get_by_role("option", selected=True)
        expect(offered).to_contain_text(device)
        expect(field).to_have_value(device)
        field.press("Enter")
        expect(_panel(page, "Devices").get_by_role("link", name=device)).to_be_visible()
        (kept,) = workshop.server.call("GET", f"/devices/{device}/attachments")["items"]
        moment = page.evaluate("new Date('2026-01-02T03:04').toISOString()")
        assert (kept["role"], kept["asset_id"]) == ("steers", "bench")
        assert kept["from_at"][:19] == moment[:19]
        watched.require_clean()


def test_who_takes_a_device_from_elsewhere_is_told(
    browser: Browser, workshop: Plant, at_plant: Any
) -> None:
    """The device that is at another machine moves, and the form says which it leaves."""
    device = _device(workshop, "probe-3")
    path = f"/devices/{device}/attachments/observes"
    workshop.server.call("PUT", path, {"asset": "a-filler"})
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto("/facilities?asset=lathe")
        page.get_by_role("button", name="Attach a device").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Device", exact=True).fill(device)
        expect(dialog.get_by_role("status")).to_contain_text(f"{device} is at a-filler now")
        dialog.get_by_role("button", name="Move it here").click()
        expect(_panel(page, "Devices").get_by_role("link", name=device)).to_be_visible()
        assert _attached(workshop, device) == {"observes": "lathe"}
        assert page.title() != "run"
        watched.require_clean()


def test_a_device_is_attached_moved_and_detached_on_its_own_page(
    browser: Browser, workshop: Plant, at_plant: Any
) -> None:
    """Each is kept, with who and when; what is called by an attack is text in the list."""
    device = _device(workshop, "probe-4")
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto(f"/devices/{device}?tab=about")
        panel = _panel(page, "Where it is")
        panel.get_by_role("button", name="Attach it").press("Enter")
        dialog = page.get_by_role("dialog")
        field = dialog.get_by_role("combobox", name="Facility", exact=True)
        field.fill("Ben")
        expect(dialog.get_by_role("listbox").get_by_role("option")).to_have_count(1)
        field.press("Enter")
        field.press("Enter")
        expect(panel.get_by_role("link", name="bench")).to_be_visible()
        panel.get_by_role("button", name="Move it: it observes bench").click()
        expect(dialog).to_contain_text("It leaves bench at that moment")
        dialog.get_by_role("combobox", name="Facility", exact=True).fill("lathe")
        dialog.get_by_role("option", name=HOSTILE).filter(has_text="lathe").click()
        assert not violations(page), "\n".join(violations(page))
        dialog.get_by_role("button", name="Move").click()
        expect(panel.get_by_role("link", name="lathe")).to_be_visible()
        past = panel.get_by_role("list", name="Where it has been")
        expect(past.get_by_role("listitem")).to_have_count(1)
        expect(past).to_contain_text(re.compile("bench.*by .*until .*by ", re.DOTALL))
        assert not violations(page), "\n".join(violations(page))
        panel.get_by_role("button", name="Detach it: it observes lathe").click()
        dialog.get_by_role("button", name="Detach").click()
        expect(past.get_by_role("listitem")).to_have_count(2)
        assert _attached(workshop, device) == {}
        assert page.title() != "run"
        assert page.locator("img[src=x]").count() == 0
        watched.require_clean()


def test_a_long_history_is_read_in_pages(browser: Browser, workshop: Plant, at_plant: Any) -> None:
    """Ten at first, older ones when they are asked for; what lasts is seen however old it is."""
    device = _device(workshop, "probe-5")
    put = f"/devices/{device}/attachments"
    workshop.server.call("PUT", f"{put}/steers", {"asset": "shop"})
    for number in range(13):
        asset = ("bench", "lathe")[number % 2]
        workshop.server.call("PUT", f"{put}/observes", {"asset": asset})
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto(f"/devices/{device}?tab=about")
        panel = _panel(page, "Where it is")
        expect(panel.get_by_role("link", name="shop")).to_be_visible()
        past = panel.get_by_role("list", name="Where it has been").get_by_role("listitem")
        expect(past).to_have_count(9)
        panel.get_by_role("button", name="Show older ones").click()
        expect(past).to_have_count(12)
        expect(panel.get_by_role("button", name="Show older ones")).to_have_count(0)
        watched.require_clean()


def test_a_facility_is_changed_and_moved(browser: Browser, workshop: Plant, at_plant: Any) -> None:
    """Label, kind, place, tags and facts; what is not touched stays; not below itself."""
    call = workshop.server.call
    asset = {"asset_id": "press", "kind": "machine", "label": "Press", "parent": "shop"}
    call("POST", "/assets", {**asset, "attributes": {"built": 2019, "made": {"by": "A"}}})
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto("/facilities?asset=press")
        page.get_by_role("button", name="Change Press").press("Enter")
        dialog = page.get_by_role("dialog")
        offered = dialog.locator("datalist option").evaluate_all("all => all.map(o => o.value)")
        assert set(KNOWN_KINDS) <= set(offered)
        below = dialog.get_by_label("Below")
        assert "press" not in below.locator("option").evaluate_all("all => all.map(o => o.value)")
        below.select_option("a-line-1")
        dialog.get_by_label("Label").fill("Great press")
        dialog.get_by_label("Tags").fill("heavy, old")
        facts = dialog.get_by_label("Attributes")
        facts.fill('{"built": null}')
        expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
        facts.fill('{"made": {"by": "A", "in": 1}}')
        assert not violations(page), "\n".join(violations(page))
        dialog.get_by_label("Label").press("Enter")
        expect(page.get_by_role("heading", name="Great press")).to_be_visible()
        kept = call("GET", "/assets/press")
        assert (kept["label"], kept["kind"], kept["parent"]) == (
            "Great press",
            "machine",
            "a-line-1",
        )
        assert (kept["tags"], kept["attributes"]) == (
            ["heavy", "old"],
            {"made": {"by": "A", "in": 1}},
        )
        watched.require_clean()
    call("DELETE", "/assets/press")


def test_nobody_is_overruled_unseen_where_two_change_a_facility(
    browser: Browser, workshop: Plant, at_plant: Any
) -> None:
    """The slower one is told, sees both changes in the form, and saves on top of the other's."""
    call = workshop.server.call
    call("POST", "/assets", {"asset_id": "oven", "kind": "machine", "label": "Oven"})
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto("/facilities?asset=oven")
        page.get_by_role("button", name="Change Oven").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Label").fill("Oven of ours")
        call("PATCH", "/assets/oven", {"tags": ["hot"], "attributes": {"by": "another"}})
        save = dialog.get_by_role("button", name="Save")
        save.click()
        expect(dialog.get_by_role("alert").first).to_contain_text("Somebody else has changed it")
        expect(dialog.get_by_label("Tags")).to_have_value("hot")
        expect(dialog.get_by_label("Attributes")).to_have_value(re.compile("another"))
        expect(dialog.get_by_label("Label")).to_have_value("Oven of ours")
        save.click()
        expect(dialog).to_be_hidden()
        kept = call("GET", "/assets/oven")
        assert (kept["label"], kept["tags"]) == ("Oven of ours", ["hot"])
        assert kept["attributes"] == {"by": "another"}
    refused = "412 (Precondition Failed)"  # what the browser says of any such answer
    assert [one for one in watched.faults if refused not in one] == []
    call("DELETE", "/assets/oven")


def test_a_device_is_changed_in_a_form(browser: Browser, workshop: Plant, at_plant: Any) -> None:
    """Label, type, tags and facts, by keyboard; the slower of two is told here too."""
    device = _device(workshop, "probe-6", label="Old", attributes={"room": "3", "note": HOSTILE})
    call = workshop.server.call
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto(f"/devices/{device}?tab=about")
        page.get_by_role("button", name="Change", exact=True).press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Type").select_option("filling-machine")
        dialog.get_by_label("Tags").fill("test,bench")
        dialog.get_by_label("Attributes").fill(json.dumps({"room": "4", "note": HOSTILE}))
        assert not violations(page), "\n".join(violations(page))
        call("PATCH", f"/devices/{device}", {"label": "Theirs"})
        dialog.get_by_label("Tags").press("Enter")
        expect(dialog.get_by_role("alert").first).to_contain_text("Somebody else has changed it")
        expect(dialog.get_by_label("Label")).to_have_value("Theirs")
        dialog.get_by_label("Tags").press("Enter")
        expect(dialog).to_be_hidden()
        kept = call("GET", f"/devices/{device}")
        assert (kept["label"], kept["type_name"]) == ("Theirs", "filling-machine")
        assert (kept["tags"], kept["attributes"]["room"]) == (["test", "bench"], "4")
        expect(page.get_by_role("region", name="Facts")).to_contain_text("test, bench")
        assert page.title() != "run"
    assert [one for one in watched.faults if "412 (Precondition Failed)" not in one] == []


def test_a_device_is_on_its_page_where_the_map_has_it(
    browser: Browser, workshop: Plant, at_plant: Any
) -> None:
    """By lat and lng, which the map knows as well."""
    workshop.add("probe-7")
    workshop.say("probe-7", {"lat": 51.25, "lng": 12.5})
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        page.goto("/devices/probe-7?tab=about")
        facts = page.get_by_role("region", name="Facts")
        expect(facts).to_contain_text(re.compile(r"51\.25000, 12\.50000.*measured", re.DOTALL))
        expect(facts.get_by_role("link", name="On the map")).to_be_visible()
        watched.require_clean()


def test_what_came_of_a_device_is_its_lineage(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Sample, rule, alarm, work order of a machine that broke; a new one has nothing to tell."""
    deadline = time.monotonic() + START_S
    while not (raised := weft.call("GET", "/alarms")["items"]):
        assert time.monotonic() < deadline, "There is no alarm."
        time.sleep(0.5)
    device = raised[0]["device_id"]
    weft.call("POST", "/devices", {"device_id": "spotless"})
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto(f"/devices/{device}?tab=about")
        chain = page.get_by_role("region", name="Samples, rules, alarms and work orders of it")
        expect(chain.locator(".badge", has_text="alarm").first).to_be_visible()
        expect(chain.locator("a[href^='/rules/']").first).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        page.goto("/devices/spotless?tab=about")
        page.get_by_text("No alarm has been raised for it yet").wait_for()
        watched.require_clean()
    weft.call("DELETE", "/devices/spotless")


def test_who_may_only_read_is_offered_nothing(
    browser: Browser, workshop: Plant, at_plant: Any
) -> None:
    """A viewer sees what is where, and no button that the policy would refuse."""
    with opened(browser, workshop.server, state=at_plant) as (page, watched):
        without(page, "asset.write", "asset.delete", "device.update")
        page.goto("/facilities?asset=a-filler")
        panel = _panel(page, "Devices")
        expect(panel.get_by_role("link", name="filler-1")).to_be_visible()
        expect(panel.get_by_role("button")).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("^(Change|Delete)"))).to_have_count(0)
        page.goto("/devices/filler-1?tab=about")
        place = _panel(page, "Where it is")
        expect(place.get_by_role("link", name="a-filler")).to_be_visible()
        expect(place.get_by_role("button")).to_have_count(0)
        expect(page.get_by_role("button", name="Change", exact=True)).to_have_count(0)
        watched.require_clean()


@pytest.mark.parametrize(
    ("path", "button"),
    [
        ("/facilities?asset=lathe", "Attach a device"),
        ("/facilities?asset=lathe", re.compile("^Change ")),
        ("/devices/truck-2?tab=about", "Attach it"),
        ("/devices/truck-2?tab=about", "Change"),
    ],
)
def test_each_form_fits_a_phone(
    browser: Browser, workshop: Plant, at_plant: Any, path: str, button: Any
) -> None:
    """In the dark as well: nothing stands out to the side, with names that are attacks."""
    with opened(browser, workshop.server, state=at_plant, phone=True, dark=True) as (page, watched):
        page.goto(path)
        page.get_by_role("button", name=button).first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").or_(dialog.get_by_role("combobox")).first.wait_for()
        page.wait_for_timeout(400)
        assert page.evaluate(OVERFLOW) <= 0
        inside = dialog.locator(".body")
        assert inside.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
        assert not violations(page), "\n".join(violations(page))
        assert page.title() != "run"
        watched.require_clean()
