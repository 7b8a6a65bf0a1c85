"""A vector map of one's own: an archive that the configuration names is read and drawn."""

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import Server, opened, sign_in
from tests.web.vector_tiles import archive, world

HOSTILE = "<img src=x onerror=window.ran=1>"
LAND, WATER = (0xF6, 0xF4, 0xEF), (0xD5, 0xE3, 0xEC)  # of the light palette
DARK_LAND, DARK_WATER = (0x22, 0x2B, 0x35), (0x10, 0x17, 0x1F)
DRAWN_S = 90  # every pixel is drawn by the processor here
PICTURE_TAKEN = "GPU stall due to ReadPixels"
Colour = tuple[int, int, int]


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft whose map is ours: water in the east, land in the west."""
    folder = tmp_path_factory.mktemp("mapped")
    tile, layers = world(HOSTILE)
    own: Path = folder / "own.pmtiles"
    own.write_bytes(archive(tile, layers, f"<b>Our own survey</b> {HOSTILE}"))
    server = Server(folder / "data", "--set", f"web.map_file={own}")
    server.start()
    try:
        server.sign_up()
        yield server
    finally:
        server.stop()


def _colours(browser: Browser, page: Page) -> tuple[Colour, Colour]:
    """Return what is drawn west and east of the middle of the map, as it is on the screen."""
    picture = base64.b64encode(page.locator("canvas.maplibregl-canvas").screenshot()).decode()
    blank = browser.new_page()  # where no policy keeps a picture from being looked at
    try:
        found: list[list[int]] = blank.evaluate(
            """async (picture) => {
              const bytes = Uint8Array.from(atob(picture), (one) => one.charCodeAt(0));
              const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
              const canvas = new OffscreenCanvas(image.width, image.height);
              const context = canvas.getContext('2d');
              context.drawImage(image, 0, 0);
              const at = (x) => [...context.getImageData(x, image.height / 2, 1, 1).data];
              return [at(image.width / 2 - 70), at(image.width / 2 + 70)];
            }""",
            picture,
        )
    finally:
        blank.close()
    west, east = ((one[0], one[1], one[2]) for one in found)
    return west, east


def _is(found: Colour, wanted: Colour) -> bool:
    return all(abs(a - b) <= 3 for a, b in zip(found, wanted, strict=True))


def _until(holds: Callable[[], Any], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + DRAWN_S
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.3)


@pytest.mark.parametrize("dark", [False, True])
def test_a_vector_map_of_ones_own_is_drawn(browser: Browser, mapped: Server, dark: bool) -> None:
    """Land and water in the palette of the theme; what others wrote in it is text."""
    land, water = (DARK_LAND, DARK_WATER) if dark else (LAND, WATER)
    with opened(browser, mapped, dark=dark) as (page, watched):
        sign_in(page)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto("/map?at=0,0,1")
        page.get_by_role("button", name="Zoom in").wait_for(timeout=DRAWN_S * 1000)
        expect(page.get_by_text("Our own survey")).to_be_visible()

        def is_drawn() -> bool:
            west, east = _colours(browser, page)
            return _is(west, land) and _is(east, water)

        _until(is_drawn, lambda: f"west and east are {_colours(browser, page)}")
        page.get_by_role("button", name="Zoom in").click()  # beyond its zoom 0: drawn larger
        _until(is_drawn, lambda: f"west and east are {_colours(browser, page)}")
        assert f"{mapped.url}/web/map.pmtiles" in asked
        assert not [url for url in asked if "/land-" in url]
        assert page.evaluate("window.ran") is None
        # A picture of the canvas is read back from where it is drawn, which our browser remarks.
        others = [one for one in watched.faults if PICTURE_TAKEN not in one]
        assert not others, "\n".join(others)
