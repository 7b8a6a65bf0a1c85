"""Charts: a lone sample is seen, all is reached by keyboard, bands say what they are."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.web.business import Business, business_at
from tests.web.plant import Plant
from tests.web.support import START_S, Server, hold, let_go, opened, settle, sign_in, violations

MINUTES = 40
HOT = range(15, 20)  # minutes ago
TYPE = {
    "telemetry": {
        "mode": {"type": "string"},
        "pressure": {"type": "number", "unit": "bar"},
        "temperature": {"type": "number", "unit": "Cel"},
    }
}
RULE = {
    "name": "boiler-hot",
    "selector": {"type": "boiler"},
    "when": "temperature > 80",
    "severity": "critical",
    "message": "{device} boils over",
    "actions": [{"work_order": {"connector": "alerts", "title": "Cool {device}"}}],
}
# How many dots of the picture have the colour of the first line, which the mark below it has.
INKED = """(figure) => {
    const canvas = figure.querySelector('canvas');
    const mark = getComputedStyle(figure.querySelector('[data-read] .mark'));
    const [r, g, b] = mark.borderTopColor.match(/[0-9]+/g).map(Number);
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
        const off = [r, g, b].map((one, index) => Math.abs(data[at + index] - one));
        if (data[at + 3] > 200 && Math.max(...off) < 12) found += 1;
    }
    return found;
}"""


@pytest.fixture(scope="module")
def boilers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """One that was hot for five minutes, and one that has said a single thing: that it is."""
    with business_at(tmp_path_factory.mktemp("boilers")) as made:
        plant = Plant(made.server)
        made.server.call("PUT", "/types/boiler", TYPE)
        made.server.call("DELETE", "/rules/too-warm")  # that of the ovens
        made.server.call("POST", "/rules", RULE)
        for name in ("boiler-1", "boiler-2"):
            plant.add(name, type_name="boiler")
        now = time.time_ns() // 1_000_000
        readings: list[dict[str, Any]] = []
        for ago in range(MINUTES, 0, -1):
            values = {"temperature": 95.0 if ago in HOT else 20.0 + ago / 10, "mode": "on"}
            readings.append({"ts": now - ago * 60_000, "values": values})
            # At moments of its own.
            readings.append({"ts": now - ago * 60_000 + 7_000, "values": {"pressure": 2.5}})
        plant.say("boiler-1", *readings)
        plant.say("boiler-2", {"temperature": 95, "mode": "on", "pressure": 3})
        deadline = time.monotonic() + START_S
        while len(made.server.call("GET", "/work-orders")["items"]) < 2:
            assert time.monotonic() < deadline, "There are no work orders."
            time.sleep(0.1)
        yield made


@pytest.fixture(scope="module")
def server(boilers: Business) -> Server:
    """Theirs."""
    return boilers.server


@pytest.fixture(scope="module")
def inside(browser: Browser, server: Server) -> Any:
    """The cookie of somebody who has signed in there."""
    with opened(browser, server) as (page, _):
        sign_in(page)
        return page.context.storage_state()


def _alarm(server: Server, device: str) -> dict[str, Any]:
    (found,) = server.call("GET", f"/alarms?device={device}")["items"]
    return dict(found)


def _cursor(page: Page, chart: str) -> Locator:
    return page.get_by_role("slider", name=f"Values of {chart}")


def _span(figure: Locator) -> float:
    """How many seconds uPlot has drawn."""
    ends = (figure.get_attribute("data-to"), figure.get_attribute("data-from"))
    return float(ends[0] or 0) - float(ends[1] or 0)


def _is_drawn(page: Page, figure: Locator, least_s: float, most_s: float) -> None:
    """Wait until so much is drawn."""
    for _ in range(200):
        if least_s <= _span(figure) <= most_s:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{_span(figure)} s are drawn, not {least_s} to {most_s}.")


def test_a_sample_that_stands_alone_is_seen(
    browser: Browser, server: Server, inside: object
) -> None:
    """Of who has sent one message there is a point, at the device and at its alarm."""
    alarm = _alarm(server, "boiler-2")
    pages = (
        ("/devices/boiler-2?tab=charts", "temperature over time"),
        (f"/alarms/{alarm['alarm_id']}", "Around the moment"),
    )
    with opened(browser, server, state=inside) as (page, watched):
        for path, name in pages:
            page.goto(path)
            figure = page.get_by_role("figure", name=name)
            expect(figure.locator("canvas")).to_be_visible()
            expect(figure).to_have_attribute("data-from", re.compile(r"\d"))
            settle(page)
            assert figure.evaluate(INKED) > 0, f"{path}: nothing is drawn"
        watched.require_clean()


def test_words_are_not_drawn_until_somebody_wants_them(
    browser: Browser, server: Server, inside: object
) -> None:
    """And then it is said why there is no line."""
    with opened(browser, server, state=inside) as (page, watched):
        page.goto("/devices/boiler-1?tab=charts")
        page.get_by_role("figure", name="temperature over time").wait_for()
        expect(page.get_by_role("checkbox", name="pressure")).to_be_checked()
        mode = page.get_by_role("checkbox", name="mode")
        expect(mode).not_to_be_checked()
        mode.check()
        expect(page.get_by_text("These values are words")).to_be_visible()
        watched.require_clean()


def test_a_chart_is_read_and_zoomed_by_keyboard_and_by_buttons(
    browser: Browser, server: Server, inside: object
) -> None:
    """Sample after sample with its unit and its alarm; closer, later, and back to all."""
    with opened(browser, server, state=inside) as (page, watched):
        page.goto("/devices/boiler-1?tab=charts")
        name = "temperature over time"
        figure, cursor = page.get_by_role("figure", name=name), _cursor(page, name)
        _is_drawn(page, figure, 3590, 3610)
        cursor.focus()
        page.keyboard.press("Home")
        first = re.compile(r"temperature 24 °C$")
        expect(cursor).to_have_attribute("aria-valuetext", first)
        expect(figure.locator("[data-read]")).to_contain_text("24 °C")
        page.keyboard.press("ArrowRight")
        expect(cursor).to_have_attribute("aria-valuetext", re.compile(r"23\.9 °C$"))
        for _ in range(MINUTES):
            if "boils over" in (cursor.get_attribute("aria-valuetext") or ""):
                break
            page.keyboard.press("ArrowRight")
            settle(page)
        expect(cursor).to_have_attribute("aria-valuetext", re.compile("95 °C, boiler-1 boils over"))
        expect(figure.get_by_text("boiler-1 boils over")).to_be_visible()
        page.keyboard.press("+")
        _is_drawn(page, figure, 1790, 1810)
        # All charts of the page show the same time, closer ones are read anew, and the place stays.
        _is_drawn(page, page.get_by_role("figure", name="pressure over time"), 1790, 1810)
        expect(cursor).to_have_attribute("aria-valuetext", re.compile("boils over"))
        page.keyboard.press("Escape")
        _is_drawn(page, figure, 3590, 3610)
        expect(figure.get_by_role("button", name="Show all")).to_have_count(0)
        figure.get_by_role("button", name="Look closer").click()
        _is_drawn(page, figure, 1790, 1810)
        before = float(figure.get_attribute("data-from") or 0)
        figure.get_by_role("button", name="Later").click()
        expect(figure).not_to_have_attribute("data-from", str(before))
        figure.get_by_role("button", name="Look wider").click()
        _is_drawn(page, figure, 3590, 3610)
        assert not violations(page)
        watched.require_clean()


def test_the_time_before_is_laid_over_and_taken_away(
    browser: Browser, server: Server, inside: object
) -> None:
    """Both lines have their value at the cursor, and one is hidden by its name."""
    with opened(browser, server, state=inside) as (page, watched):
        page.goto("/devices/boiler-1?tab=charts")
        page.get_by_label("Time", exact=True).select_option("15m")
        page.get_by_label("Compare with").select_option("before")
        figure = page.get_by_role("figure", name="temperature over time")
        older = figure.get_by_role("button", name="temperature (before)")
        expect(older).to_have_attribute("aria-pressed", "true")
        _is_drawn(page, figure, 890, 910)
        cursor = _cursor(page, "temperature over time")
        cursor.focus()
        page.keyboard.press("End")
        both = re.compile(r"temperature [\d.]+ °C, temperature \(before\) [\d.]+ °C")
        expect(cursor).to_have_attribute("aria-valuetext", both)
        older.click()
        expect(older).to_have_attribute("aria-pressed", "false")
        watched.require_clean()


def test_a_chart_is_zoomed_by_dragging_where_nobody_reads_it_anew(
    browser: Browser, server: Server, inside: object
) -> None:
    """That of an alarm: closer within its samples, and back; its span says what it is."""
    alarm = _alarm(server, "boiler-1")
    with opened(browser, server, state=inside) as (page, watched):
        page.goto(f"/alarms/{alarm['alarm_id']}")
        figure = page.get_by_role("figure", name="Around the moment")
        expect(figure).to_have_attribute("data-from", re.compile(r"\d"))
        whole = _span(figure)
        over = figure.locator(".u-over")
        over.scroll_into_view_if_needed()
        box = over.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.25, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, middle, steps=4)
        page.mouse.up()
        _is_drawn(page, figure, whole * 0.45, whole * 0.55)
        figure.get_by_role("button", name="Show all").click()
        _is_drawn(page, figure, whole * 0.99, whole * 1.01)
        share = (
            _moment(alarm["raised_at"]) - float(figure.get_attribute("data-from") or 0)
        ) / whole
        page.mouse.move(box["x"] + box["width"] * share + 3, middle)
        expect(figure.locator("[data-read]")).to_contain_text("boiler-1 boils over")
        expect(figure.locator("[data-read]")).to_contain_text("°C")
        watched.require_clean()


def _moment(at: str) -> float:
    """Seconds since 1970."""
    return time.mktime(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def test_values_at_an_alarm_and_at_its_order_have_their_unit(
    browser: Browser, server: Server, inside: object
) -> None:
    """In the trace, in the evidence, and in the order's; the order's chart shows the alarm."""
    alarm = _alarm(server, "boiler-1")
    order = server.call("GET", f"/work-orders?alarm={alarm['alarm_id']}")["items"][0]
    with opened(browser, server, state=inside) as (page, watched):
        page.goto(f"/alarms/{alarm['alarm_id']}")
        why = page.get_by_role("region", name="Why it was raised")
        expect(why.get_by_role("row", name="temperature 95")).to_contain_text("95 °C")
        expect(page.get_by_role("region", name="Around the moment")).to_contain_text("95 °C")
        page.goto(f"/work-orders/{order['work_order_id']}")
        expect(page.get_by_text("temperature 95 °C")).to_be_visible()
        figure = page.get_by_role("figure")
        expect(figure).to_have_attribute("data-from", re.compile(r"\d"))
        cursor = page.get_by_role("slider")
        cursor.focus()
        page.keyboard.press("Home")
        for _ in range(MINUTES):
            if "boils over" in (cursor.get_attribute("aria-valuetext") or ""):
                break
            page.keyboard.press("ArrowRight")
            settle(page)
        expect(cursor).to_have_attribute("aria-valuetext", re.compile("95 °C, boiler-1 boils over"))
        watched.require_clean()


def test_an_order_that_opens_later_appears_at_its_alarm(
    browser: Browser, server: Server, inside: object
) -> None:
    """The page is told of it while it is looked at."""
    alarm = _alarm(server, "boiler-2")
    order = server.call("GET", f"/work-orders?alarm={alarm['alarm_id']}")["items"][0]
    url = re.compile(r"/api/v1/work-orders\?alarm=")
    with opened(browser, server, state=inside) as (page, watched):
        page.route(url, lambda route: route.fulfill(json={"items": [], "next": None}))
        page.goto(f"/alarms/{alarm['alarm_id']}")
        orders = page.get_by_role("region", name="Work orders")
        expect(orders).to_contain_text("No work order is part of it.")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.unroute(url)
        path = f"/work-orders/{order['work_order_id']}/comment"
        server.call("POST", path, {"comment": "it is made"})
        expect(orders.get_by_role("link", name="Cool boiler-2")).to_be_visible()
        watched.require_clean()


def test_a_count_has_no_unit_and_a_rate_is_by_the_second(
    browser: Browser, server: Server, inside: object
) -> None:
    """As the server says it; and while another is asked for, what is drawn stays, and says so."""
    with opened(browser, server, state=inside) as (page, watched):
        page.goto("/explore?devices=boiler-1&keys=temperature&span=1h&aggregate=max")
        page.get_by_role("figure", name="Values in °C", exact=True).wait_for()
        held = hold(page, "**/api/v1/chart?*")
        page.get_by_label("Of each step").select_option("rate")
        figure = page.get_by_role("figure")
        expect(figure).to_have_attribute("aria-busy", "true")
        expect(figure).to_have_accessible_name("Values in °C")
        let_go(page, "**/api/v1/chart?*", held)
        page.get_by_role("figure", name="Values in °C/s", exact=True).wait_for()
        expect(figure).not_to_have_attribute("aria-busy", "true")
        page.get_by_label("Of each step").select_option("count")
        page.get_by_role("figure", name="Values", exact=True).wait_for()
        watched.require_clean()


@pytest.mark.parametrize("phone", [False, True])
def test_an_alarm_its_order_and_its_rule_are_clean_and_accessible(
    browser: Browser, server: Server, inside: object, phone: bool
) -> None:
    """Light on a desk and dark on a phone, with the chart drawn."""
    alarm = _alarm(server, "boiler-1")
    order = server.call("GET", f"/work-orders?alarm={alarm['alarm_id']}")["items"][0]
    paths = (
        f"/alarms/{alarm['alarm_id']}",
        f"/work-orders/{order['work_order_id']}",
        f"/rules/{alarm['rule_id']}",
    )
    with opened(browser, server, state=inside, phone=phone, dark=phone) as (page, watched):
        for path in paths:
            page.goto(path)
            figure = page.get_by_role("figure").first
            expect(figure).to_have_attribute("data-from", re.compile(r"\d"))
            found = violations(page)
            assert not found, f"{path}: " + "\n".join(found)
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{path}: {overflow} px to the side"
        watched.require_clean()
