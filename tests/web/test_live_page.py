"""Live pages through restarts and lost networks: they say so, catch up, and double nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import Server, opened, sign_in

# Beside the page, read what its stream brings.
LISTEN = """
window.heard = [];
const real = window.fetch;
window.fetch = async (...asked) => {
  const response = await real(...asked);
  if (!String(asked[0]).includes('/api/v1/live') || !response.body) return response;
  const [theirs, ours] = response.body.tee();
  (async () => {
    const text = ours.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await text.read().catch(() => ({ done: true }));
      if (done) return;
      const frames = (rest + value).split('\\n\\n');
      rest = frames.pop();
      for (const frame of frames) {
        const id = /^id: (\\d+)\\nevent: telemetry/m.exec(frame);
        if (id) window.heard.push(Number(id[1]));
      }
    }
  })();
  return new Response(theirs, { status: response.status, headers: response.headers });
};
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft with one device, which we are."""
    folder: Path = tmp_path_factory.mktemp("live") / "data"
    server = Server(folder)
    server.start()
    try:
        server.sign_up()
        server.call("POST", "/devices", {"device_id": "probe"})
        yield server
    finally:
        server.stop()


def _say(server: Server, value: int) -> None:
    server.call("POST", "/devices/probe/telemetry", {"temperature": value})


def _value(page: Page) -> Any:
    return page.locator("dd.big").first


def test_a_page_survives_a_killed_server(browser: Browser, plain: Server) -> None:
    """Nobody reloads; what was said meanwhile is there, and came once."""
    with opened(browser, plain) as (page, _watched):
        page.add_init_script(LISTEN)
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
        page.goto("/devices/probe")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        _say(plain, 1)
        expect(_value(page)).to_have_text("1")
        page.evaluate("window.sameDocument = true")
        plain.stop(signal.SIGKILL)
        expect(page.get_by_text("Reconnecting")).to_be_visible()
        plain.start()
        _say(plain, 2)
        expect(_value(page)).to_have_text("2", timeout=40_000)
        _say(plain, 3)
        expect(_value(page)).to_have_text("3")
        assert page.evaluate("window.sameDocument")
        heard = page.evaluate("window.heard")
        assert len(heard) == len(set(heard)) == 3, heard
        assert asked[-1] is not None


def test_a_page_without_a_network_says_so_and_catches_up(browser: Browser, plain: Server) -> None:
    """As on a train."""
    with opened(browser, plain) as (page, _watched):
        sign_in(page)
        page.goto("/devices/probe")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.context.set_offline(True)
        expect(page.get_by_text("Offline")).to_be_visible()
        _say(plain, 41)
        page.context.set_offline(False)
        expect(_value(page)).to_have_text("41", timeout=40_000)
