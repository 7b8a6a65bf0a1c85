"""Live pages through restarts and lost networks: they say so, catch up, and double nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import Server, opened, sign_in

AGAIN_MS = 40_000  # the longest pause between two tries, and a machine that is busy
DRAWN_MS = 90_000  # every pixel of the map is drawn by the processor here
HOT = {
    "name": "hot",
    "when": "temperature > 190",
    "severity": "major",
    "message": "{device} is hot",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft with one rule; each test has devices of its own, which we are."""
    folder: Path = tmp_path_factory.mktemp("live") / "data"
    server = Server(folder)
    server.start()
    try:
        server.sign_up()
        server.call("POST", "/rules", HOT)
        yield server
    finally:
        server.stop()


def _add(server: Server, *names: str) -> None:
    for name in names:
        server.call("POST", "/devices", {"device_id": name})


def _say(server: Server, name: str, value: int) -> None:
    server.call("POST", f"/devices/{name}/telemetry", {"temperature": value})


def _live(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=AGAIN_MS)


def test_a_page_survives_a_killed_server(browser: Browser, plain: Server) -> None:
    """Nobody reloads; what was said meanwhile is shown with the rest, each message once."""
    _add(plain, "probe")
    with opened(browser, plain) as (page, _watched):
        asked: list[str | None] = []
        page.on(
            "request",
            lambda request: (
                asked.append(request.headers.get("last-event-id"))
                if "/api/v1/live" in request.url
                else None
            ),
        )
        sign_in(page)
        _live(page, "/devices/probe?tab=messages")
        shown = page.locator("code.payload")
        _say(plain, "probe", 101)
        expect(shown).to_contain_text(["101"], timeout=AGAIN_MS)
        page.evaluate("window.sameDocument = true")
        plain.stop(signal.SIGKILL)
        expect(page.get_by_text("Reconnecting")).to_be_visible(timeout=AGAIN_MS)
        plain.start()
        _say(plain, "probe", 102)
        expect(shown).to_contain_text(["102", "101"], timeout=AGAIN_MS)
        _say(plain, "probe", 103)
        expect(shown).to_contain_text(["103", "102", "101"], timeout=AGAIN_MS)
        page.get_by_role("tab", name="Now").click()
        expect(page.locator("dd.big")).to_have_text(["103"], timeout=AGAIN_MS)
        assert page.evaluate("window.sameDocument")
        assert asked[-1] is not None


def test_a_list_survives_a_killed_server(browser: Browser, plain: Server) -> None:
    """Alarms of before and after stand in it, each once and as it is now."""
    _add(plain, "oven-1", "oven-2")
    with opened(browser, plain) as (page, _watched):
        sign_in(page)
        _live(page, "/alarms")
        _say(plain, "oven-1", 195)
        rows = page.locator("tbody tr[data-at]").filter(has_text="oven-")
        expect(rows).to_contain_text(["oven-1 is hot"], timeout=AGAIN_MS)
        plain.stop(signal.SIGKILL)
        expect(page.get_by_text("Reconnecting")).to_be_visible(timeout=AGAIN_MS)
        plain.start()
        _say(plain, "oven-2", 195)
        _acknowledge(plain, "oven-1")
        expect(rows).to_have_count(2, timeout=AGAIN_MS)
        expect(rows.filter(has_text="oven-1 is hot")).to_contain_text(
            "acknowledged", timeout=AGAIN_MS
        )
        expect(rows.filter(has_text="oven-2 is hot")).to_contain_text("active", timeout=AGAIN_MS)


def test_a_page_without_a_network_says_so_and_catches_up(browser: Browser, plain: Server) -> None:
    """As on a train."""
    _add(plain, "train")
    with opened(browser, plain) as (page, _watched):
        sign_in(page)
        _live(page, "/devices/train")
        page.context.set_offline(True)
        expect(page.get_by_text("Offline")).to_be_visible(timeout=AGAIN_MS)
        _say(plain, "train", 41)
        page.context.set_offline(False)
        expect(page.locator("dd.big")).to_have_text("41", timeout=AGAIN_MS)


def test_what_was_done_meanwhile_is_shown_where_no_message_came(
    browser: Browser, plain: Server
) -> None:
    """A colleague acknowledges: nothing has gone through the journal that could be sent again."""
    _add(plain, "kiln")
    with opened(browser, plain) as (page, _watched):
        sign_in(page)
        _live(page, "/alarms")
        _say(plain, "kiln", 195)
        row = page.locator("tbody tr[data-at]").filter(has_text="kiln is hot")
        expect(row).to_contain_text("active", timeout=AGAIN_MS)
        page.context.set_offline(True)
        expect(page.get_by_text("Offline")).to_be_visible(timeout=AGAIN_MS)
        _acknowledge(plain, "kiln")
        page.context.set_offline(False)
        expect(row).to_contain_text("acknowledged", timeout=AGAIN_MS)


def test_the_map_survives_a_killed_server(browser: Browser, plain: Server) -> None:
    """Its own stream opens again, and what has moved since is on the map."""
    _add(plain, "van-1", "van-2")
    _stand(plain, "van-1", 51.34, 12.37)
    with opened(browser, plain) as (page, _watched):
        sign_in(page)
        page.goto("/map?at=51.35,12.40,9")
        expect(page.get_by_text("Live · 1 in view")).to_be_visible(timeout=DRAWN_MS)
        plain.stop(signal.SIGKILL)
        expect(page.get_by_text("Reconnecting · 1 in view")).to_be_visible(timeout=AGAIN_MS)
        plain.start()
        _stand(plain, "van-2", 51.36, 12.45)
        expect(page.get_by_text("Live · 2 in view")).to_be_visible(timeout=AGAIN_MS)


def _acknowledge(server: Server, device_id: str) -> None:
    (alarm,) = server.call("GET", f"/alarms?device={device_id}")["items"]
    server.call("POST", f"/alarms/{alarm['alarm_id']}/acknowledge", {})


def _stand(server: Server, name: str, latitude: float, longitude: float) -> None:
    place = {"latitude": latitude, "longitude": longitude}
    server.call("POST", f"/devices/{name}/telemetry", place)
