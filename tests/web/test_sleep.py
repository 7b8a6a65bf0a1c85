"""A laptop sleeps, and its connections are lost meanwhile: open pages say so and catch up.

The whole browser is stopped for longer than a page takes for a pause, as by the lid, and the way
to Weft forgets what it carried: no page is told of either.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.web.road import Road, road_to
from tests.web.support import Server, opened, sign_in

LIVE_MS = 40_000
DRAWN_MS = 90_000  # every pixel of the map is drawn by the processor here
SLEEP_S = 22  # a pause of more than twenty between two looks is a sleep
# A stream that only falls silent is opened again 18 s after the sleep: that would be too late.
AGAIN_MS = 16_000
HOT = {
    "name": "hot",
    "when": "temperature > 190",
    "severity": "major",
    "message": "{device} is hot",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft with one rule and some devices."""
    folder: Path = tmp_path_factory.mktemp("sleep") / "data"
    server = Server(folder)
    server.start()
    try:
        server.sign_up()
        server.call("POST", "/rules", HOT)
        for name in ("probe", "kiln", "oven", "van-1", "van-2", "van-3"):
            server.call("POST", "/devices", {"device_id": name})
        yield server
    finally:
        server.stop()


def test_open_pages_catch_up_after_a_sleep(browser: Browser, plain: Server) -> None:
    """Messages, records and the map, each page on its own streams, each thing shown once."""
    _say(plain, "van-1", latitude=51.34, longitude=12.37)
    with road_to(plain.port) as road, opened(browser, plain, url=road.url) as (page, _watched):
        sign_in(page)
        alarms, fleet = page.context.new_page(), page.context.new_page()
        page.goto("/devices/probe?tab=messages")
        alarms.goto("/alarms")
        fleet.goto("/map?at=51.35,12.40,9")
        for one in (page, alarms):
            expect(one.get_by_text("Live", exact=True)).to_be_visible(timeout=LIVE_MS)
        expect(fleet.get_by_text("Live · 1 in view")).to_be_visible(timeout=DRAWN_MS)
        for one in (page, alarms, fleet):
            one.evaluate("window.sameDocument = true")
        _say(plain, "probe", temperature=101)
        _say(plain, "kiln", temperature=195)
        _say(plain, "van-2", latitude=51.35, longitude=12.38)
        messages, rows = page.locator("code.payload"), alarms.locator("tbody tr[data-at]")
        expect(messages).to_contain_text(["101"], timeout=LIVE_MS)
        expect(rows).to_contain_text(["kiln is hot"], timeout=LIVE_MS)
        expect(fleet.get_by_text("Live · 2 in view")).to_be_visible(timeout=LIVE_MS)
        _sleep_through(browser, road, plain)
        expect(messages).to_contain_text(["102", "101"], timeout=AGAIN_MS)
        expect(rows).to_contain_text(["oven is hot", "kiln is hot"], timeout=AGAIN_MS)
        expect(fleet.get_by_text("Live · 3 in view")).to_be_visible(timeout=AGAIN_MS)
        _say(plain, "probe", temperature=103)
        expect(messages).to_contain_text(["103", "102", "101"])
        assert all(one.evaluate("window.sameDocument") for one in (page, alarms, fleet))


def _say(server: Server, name: str, **values: float) -> None:
    server.call("POST", f"/devices/{name}/telemetry", values)


def _sleep_through(browser: Browser, road: Road, server: Server) -> None:
    """Stop every process of the browser, let much happen, and let them go on."""
    session = browser.new_browser_cdp_session()
    told = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    processes = [int(one["id"]) for one in told]
    assert len(processes) > 1
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        road.lose_all()
        _say(server, "probe", temperature=102)
        _say(server, "oven", temperature=195)
        _say(server, "van-1", latitude=51.33, longitude=12.36)
        _say(server, "van-3", latitude=51.36, longitude=12.45)
        time.sleep(SLEEP_S)
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
