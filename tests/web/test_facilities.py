"""Facilities: the tree, the plant from above and the figures, by mouse and by keyboard alone."""

import re
from typing import Any

from playwright.sync_api import Browser, Page, expect
from tests.web.plant import HOSTILE, Plant
from tests.web.support import opened, violations


def _ready(page: Page, path: str = "/facilities?hours=8") -> None:
    page.goto(path)
    page.get_by_role("tab", name="Tree").wait_for()


def test_a_machine_is_reached_by_arrow_keys(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """Site, line, machine: opened, entered, taken; what it did stands beside it."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page)
        tree = page.get_by_role("tree", name="Facilities")
        site = tree.get_by_role("treeitem", name="Plant Bremen, site")
        site.focus()
        page.keyboard.press("ArrowLeft")
        expect(site).to_have_attribute("aria-expanded", "false")
        expect(tree.get_by_role("treeitem", name="Filler")).to_have_count(0)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        expect(tree.get_by_role("treeitem", name="Line 1")).to_be_focused()
        page.keyboard.press("f")
        expect(tree.get_by_role("treeitem", name="Filler")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Filler")).to_be_visible()
        expect(page.get_by_role("term").filter(has_text="OEE")).to_be_visible()
        bar = page.get_by_role("img", name=re.compile("States of Filler: .*running .*fault"))
        expect(bar).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_figures_are_those_of_the_api(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """What the page says of quality is what the server worked out: two of a hundred are bad."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, "/facilities?hours=8&asset=plant-a")
        quality = page.locator(".tile", has_text="Good pieces of all")
        expect(quality).to_contain_text(re.compile(r"98\.\d %"))
        expect(page.locator(".tile", has_text="Ideal time")).to_contain_text(
            re.compile(r"\d\d\.\d %")
        )
        watched.require_clean()


def test_the_plant_is_seen_from_above(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """Tiles say their state in words; a click, or Enter, opens the machine."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page)
        page.get_by_role("tab", name="Plant").click()
        tile = page.get_by_role("button", name="Filler: running")
        expect(tile).to_be_visible()
        page.get_by_label("Colour by").select_option("oee")
        expect(page.get_by_role("button", name=re.compile(r"Filler: OEE \d"))).to_be_visible()
        page.get_by_label("Colour by").select_option("alarms")
        tile = page.get_by_role("button", name="Filler: 0 open alarms")
        assert not violations(page), "\n".join(violations(page))
        tile.press("Enter")
        expect(page.get_by_role("heading", name="Filler")).to_be_visible()
        assert "asset=a-filler" in page.url
        watched.require_clean()


def test_facilities_stand_side_by_side(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """Both plants at first; a line is added by keyboard; the address keeps the choice."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page)
        page.get_by_role("tab", name="Tree").press("End")
        table = page.get_by_role("region", name="How well facilities were used")
        expect(table.get_by_role("row")).to_have_count(3)
        page.get_by_role("checkbox", name="Plant Bremen › Line 1").press("Space")
        expect(table.get_by_role("row")).to_have_count(4)
        expect(table).to_contain_text(re.compile(r"\d\.\d %.*best", re.DOTALL))
        assert "a-line-1" in page.url
        assert not violations(page), "\n".join(violations(page))
        page.reload()
        expect(table.get_by_role("row")).to_have_count(4)
        watched.require_clean()


def test_a_facility_is_added_and_deleted(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """A machine below the line, by keyboard; it is asked before it is deleted."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, "/facilities?asset=a-line-1")
        page.get_by_role("treeitem", name="Line 1").wait_for()
        page.get_by_role("button", name="Add a facility").press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Kind").fill("machine")
        dialog.get_by_label("Label").fill("Capper")
        dialog.get_by_label("Name").fill("a-capper")
        expect(dialog.get_by_label("Below")).to_have_value("a-line-1")
        assert not violations(page), "\n".join(violations(page))
        dialog.get_by_label("Name").press("Enter")
        expect(page.get_by_role("treeitem", name="Capper")).to_be_visible()
        assert plant.server.call("GET", "/assets/a-capper")["parent"] == "a-line-1"
        page.get_by_role("button", name="Delete Capper").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete Capper").click()
        expect(page.get_by_role("treeitem", name="Capper")).to_have_count(0)
        watched.require_clean()


def test_what_facilities_are_called_is_text(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """A site whose label is markup stands in the tree as it was written."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page)
        page.get_by_role("treeitem", name=HOSTILE).click()
        expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
        assert page.title() != "run"
        assert page.locator("img[src=x]").count() == 0
        watched.require_clean()


def test_a_weft_without_facilities_says_what_to_do(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """The first one is made here, or comes with a pack."""
    with opened(browser, plant.server, state=at_plant) as (page, _):
        page.route(
            re.compile(r"/api/v1/assets\?"),
            lambda route: route.fulfill(
                body='{"items": [], "next": null}', content_type="application/json"
            ),
        )
        page.goto("/facilities")
        expect(page.get_by_text("No facilities yet")).to_be_visible()
        page.get_by_role("button", name="Add a facility").click()
        expect(page.get_by_role("dialog").get_by_label("Kind")).to_have_value("site")
