"""The fleet map: what is seen, drawn and followed on it, by mouse and by keyboard alone."""

import json
import re
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect
from tests.web.plant import HOSTILE, TRUCKS, Plant
from tests.web.support import Server, hold, let_go, opened, sign_in, violations

LEIPZIG = "/map?at=51.35,12.40,9"
DRAWN_MS = 90_000  # every pixel is drawn by the processor here


def _ready(page: Page, path: str) -> None:
    page.goto(path)
    page.locator("canvas").wait_for(timeout=DRAWN_MS)
    page.get_by_role("button", name="Zoom in").wait_for(timeout=DRAWN_MS)


def _until(found: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _fence(plant: Plant, name: str) -> Any:
    return plant.server.call("GET", f"/geofences/{name}")["feature"]


def test_the_list_follows_the_view(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """Of four trucks two are near Leipzig; nobody is in the sea; one click shows all."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG)
        rows = page.get_by_role("region", name="Devices in view")
        expect(rows.get_by_text("truck-1")).to_be_visible()
        expect(rows.get_by_text("truck-4")).to_have_count(0)
        expect(page.get_by_text("Live · 2 in view")).to_be_visible()
        _ready(page, "/map?at=0,0,9")
        expect(page.get_by_text("No devices here")).to_be_visible()
        page.get_by_role("button", name="Show the whole fleet").last.click()
        for name in TRUCKS:
            expect(rows.get_by_text(name)).to_be_visible(timeout=DRAWN_MS)
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_the_keyboard_moves_the_map_and_its_list(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """The map is one stop of the Tab key; arrows and plus work there, and the address says it."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG)
        page.locator("canvas").focus()
        page.keyboard.press("+")
        _until(lambda: page.url.endswith("10.0"), page.url)
        before = page.url
        page.keyboard.press("ArrowLeft")
        _until(lambda: page.url != before, "the map did not move")
        watched.require_clean()


def test_a_device_is_chosen_on_the_map_and_its_trail_drawn(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """A click on its mark opens its card; the slider goes along its way; Tab gets there too."""
    latitude, longitude = TRUCKS["truck-3"]
    plant.stand("truck-3", latitude + 0.01, longitude + 0.01)
    plant.stand("truck-3", latitude, longitude)
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, f"/map?at={latitude},{longitude},13")
        expect(page.get_by_text("Live · 1 in view")).to_be_visible(timeout=DRAWN_MS)
        box = page.locator("canvas").bounding_box()
        assert box is not None
        card = page.get_by_role("region", name="Chosen device")

        def clicked() -> bool:
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            page.wait_for_timeout(500)
            return card.is_visible()

        _until(clicked, "the click chose nothing")
        expect(card).to_contain_text("truck-3")
        expect(card).to_contain_text("52.5")
        slider = card.get_by_label("Along the trail")
        slider.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        expect(card).to_contain_text("52.53000, 13.41000")
        page.keyboard.press("End")
        expect(card).to_contain_text("52.52000, 13.40000")
        assert "device=truck-3" in page.url
        watched.require_clean()


def test_a_fence_is_drawn_with_the_mouse(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """Three clicks, a name, and it is kept; a corner is dragged and it is kept anew."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG + "&tab=fences")
        page.get_by_role("button", name="Draw a fence").click()
        box = page.locator("canvas").bounding_box()
        assert box is not None
        corners = ((0.3, 0.3), (0.6, 0.3), (0.45, 0.7))
        for number, (x, y) in enumerate(corners, 1):
            page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
            expect(page.get_by_text(re.compile(f"{number} points?$"))).to_be_visible()
        page.get_by_label("Name").fill("clicked")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("clicked is saved")).to_be_visible()
        ring = _fence(plant, "clicked")["geometry"]["coordinates"][0]
        assert len(ring) == 4
        assert ring[0] == ring[3]

        page.get_by_role("button", name="Edit clicked").click()
        # What is clicked is what the map has drawn by now.
        page.wait_for_timeout(3_000)
        x, y = box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.7
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y + 20, steps=4)
        page.mouse.up()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("button", name="Draw a fence")).to_be_visible()
        moved = _fence(plant, "clicked")["geometry"]["coordinates"][0]
        assert moved[:2] == ring[:2]
        assert moved[2] != ring[2]
        watched.require_clean()


def test_a_fence_is_drawn_changed_and_deleted_by_keyboard(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """A circle whose middle is typed, then a corridor's points; no mouse is touched."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG + "&tab=fences")
        page.get_by_role("button", name="Draw a fence").press("Enter")
        page.get_by_role("radio", name="Area").press("ArrowRight")
        page.get_by_label("Name").press_sequentially("typed")
        page.get_by_label("Radius in metres").fill("750")
        page.get_by_label("Points").press_sequentially("51,5 12.4x")
        expect(page.get_by_text("Line 1 is not a place")).to_be_visible()
        page.get_by_label("Points").fill("51.5, 12.4")
        expect(page.get_by_role("button", name="Take the last point back")).to_be_enabled()
        page.wait_for_timeout(700)
        assert not violations(page), "\n".join(violations(page))
        page.get_by_label("Name").press("Enter")
        expect(page.get_by_text("typed is saved")).to_be_visible()
        feature = _fence(plant, "typed")
        assert feature["geometry"] == {"type": "Point", "coordinates": [12.4, 51.5]}
        assert feature["properties"]["radius_m"] == 750

        # Another makes it wider meanwhile: what is edited is what is kept now.
        wider = feature | {"properties": {"radius_m": 900}}
        plant.server.call("PUT", "/geofences/typed", wider)
        page.get_by_role("button", name="Edit typed").press("Enter")
        expect(page.get_by_label("Radius in metres")).to_have_value("900")
        page.get_by_label("Label").fill("A customer")
        page.get_by_label("Label").press("Enter")
        expect(page.get_by_role("list", name="Fences").get_by_text("A customer")).to_be_visible()
        assert _fence(plant, "typed")["properties"]["radius_m"] == 900
        page.get_by_role("button", name="Delete typed").press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Delete typed").press("Enter")
        expect(page.get_by_text("typed is deleted")).to_be_visible()
        expect(page.get_by_role("list", name="Fences").get_by_text("A customer")).to_have_count(0)
        watched.require_clean()


def test_the_middle_of_the_map_is_a_point_for_the_keyboard(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """Whoever has no coordinates at hand moves the map and takes what is under the cross."""
    with opened(browser, plant.server, state=at_plant) as (page, _):
        _ready(page, LEIPZIG + "&tab=fences")
        page.get_by_role("button", name="Draw a fence").press("Enter")
        page.get_by_role("button", name="Add the middle of the map").press("Enter")
        expect(page.get_by_label("Points")).to_have_value("51.35000, 12.40000")
        page.get_by_role("button", name="Take the last point back").press("Enter")
        expect(page.get_by_label("Points")).to_have_value("")
        page.get_by_label("Name").fill("few")
        page.get_by_label("Name").press("Enter")
        expect(page.get_by_role("alert").first).to_contain_text("It needs 3 points or more.")


def test_a_drawing_is_not_left_or_cancelled_unasked(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """A point that was set is not lost by a key; a form that nobody has touched is just closed."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG + "&tab=fences")
        page.get_by_role("button", name="Draw a fence").click()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Draw a fence").click()
        page.get_by_role("button", name="Add the middle of the map").click()
        question = page.get_by_role("dialog", name="Leave without saving?")
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Rules").click()
        question.get_by_role("button", name="Cancel").click()
        expect(page.get_by_label("Points")).to_have_value("51.35000, 12.40000")
        page.get_by_role("button", name="Cancel").click()
        question.get_by_role("button", name="Leave").click()
        expect(page.get_by_role("button", name="Draw a fence")).to_be_visible()
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Rules").click()
        page.get_by_role("heading", name="Rules", level=1).wait_for()
        watched.require_clean()


def test_routes_that_are_on_their_way_are_not_called_none(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """Progress until they are known; only then it is said that there are none."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        held = hold(page, "**/api/v1/routes?*")
        _ready(page, LEIPZIG + "&tab=routes")
        side = page.get_by_role("region", name="What the map shows")
        side.get_by_role("progressbar", name="Routes").wait_for()
        expect(page.get_by_text("No routes yet")).to_have_count(0)
        let_go(page, "**/api/v1/routes?*", held)
        page.get_by_text("No routes yet").wait_for()
        expect(side.get_by_role("progressbar")).to_have_count(0)
        watched.require_clean()


def test_a_route_with_stops_gets_a_trip(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """Points and stops are typed, a trip is made along it, and deleted before the route is."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG + "&tab=routes")
        page.get_by_role("button", name="Draw a route").click()
        page.get_by_label("Name").fill("tour")
        page.get_by_label("Points").fill("51.34, 12.37\n51.42, 12.24\n51.4969, 11.9688")
        page.get_by_role("button", name="Add a stop at the middle of the map").click()
        stop = page.get_by_role("group", name="Stop 1")
        stop.get_by_label("Name").fill("halle")
        stop.get_by_label("Latitude, longitude").fill("51.4969, 11.9688")
        stop.get_by_label("Arrives after (min)").fill("40")
        stop.get_by_label("Departs after (min)").fill("70")
        assert not violations(page), "\n".join(violations(page))
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("tour is saved")).to_be_visible()
        document = plant.server.call("GET", "/routes/tour")["document"]
        line, point = document["features"]
        assert line["geometry"]["coordinates"][2] == [11.9688, 51.4969]
        assert (
            point["properties"] | {"arrive_s": 2400, "depart_s": 4200, "name": "halle"}
            == (point["properties"])
        )

        page.get_by_role("button", name="Make a trip").click()
        page.get_by_label("Name of the trip").fill("today")
        page.get_by_role("combobox", name="Device").fill("truck-2")
        page.get_by_role("button", name="Make a trip").press("Enter")
        expect(page.get_by_text("The trip today is made")).to_be_visible()
        assert plant.server.call("GET", "/trips/today")["device_id"] == "truck-2"
        page.get_by_role("button", name="Delete the trip today").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete the trip today").click()
        expect(page.get_by_text("The trip today is deleted")).to_be_visible()
        page.get_by_role("button", name="Delete tour").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete tour").click()
        expect(page.get_by_text("tour is deleted")).to_be_visible()
        watched.require_clean()


def test_an_excursion_appears_as_it_happens(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """A truck leaves the depot while somebody looks: it is told, listed and drawn, then over."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG + "&tab=excursions")
        expect(page.get_by_text("Everything is where it should be")).to_be_visible()
        plant.stand("truck-1", 51.60, 12.37)
        found = page.get_by_role("list", name="Open alarms of rules that watch positions")
        expect(found).to_contain_text("truck-1 has left the depot")
        expect(
            page.locator("[aria-live=polite]", has_text="truck-1: truck-1 has left")
        ).to_have_count(1)
        found.get_by_role("button").press("Enter")
        expect(page.get_by_role("region", name="Chosen device")).to_contain_text("truck-1")
        assert not violations(page), "\n".join(violations(page))
        plant.stand("truck-1", *TRUCKS["truck-1"])
        expect(page.get_by_text("Everything is where it should be")).to_be_visible()
        watched.require_clean()


def test_what_devices_are_called_is_text(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """A label that is markup stands in the list as it was written, and nothing runs."""
    with opened(browser, plant.server, state=at_plant) as (page, watched):
        _ready(page, LEIPZIG)
        expect(page.get_by_text(HOSTILE)).to_be_visible()
        assert page.title() != "run"
        assert page.locator("img[src=x]").count() == 0
        watched.require_clean()


def test_a_browser_without_webgl_still_has_the_lists(
    browser: Browser, plant: Plant, at_plant: Any
) -> None:
    """It is told what is missing; devices, fences and routes are there as words."""
    with opened(browser, plant.server, state=at_plant) as (page, _):
        page.add_init_script(
            "const get = HTMLCanvasElement.prototype.getContext;"
            "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
            " return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"
        )
        page.goto("/map")
        expect(page.get_by_text("This browser does not draw maps")).to_be_visible()
        expect(
            page.get_by_role("region", name="Devices in view").get_by_text("truck-4")
        ).to_be_visible()


def test_an_empty_map_says_what_to_do(browser: Browser, plant: Plant, at_plant: Any) -> None:
    """Nobody has said where it is: the page says how a device does, and leads on."""
    nothing = '{"marks": [], "zoom": 0, "devices": 0, "items": [], "next": null}'
    frame = (
        'event: fleet\ndata: {"reset": true, "set": [], "gone": [], "zoom": 0, "devices": 0}\n\n'
    )
    with opened(browser, plant.server, state=at_plant) as (page, _):
        page.route(
            re.compile("/api/v1/fleet/(map|devices)"),
            lambda route: route.fulfill(body=nothing, content_type="application/json"),
        )
        page.route(
            re.compile("/api/v1/fleet/live"),
            lambda route: route.fulfill(body=frame, content_type="text/event-stream"),
        )
        _ready(page, "/map")
        expect(page.get_by_text("No device has said where it is")).to_be_visible()
        expect(page.get_by_role("link", name="Add a device")).to_have_attribute(
            "href", "/onboarding"
        )


def _archive() -> bytes:
    """Return a PMTiles archive (version 3) whose one tile is a picture of the world: all green."""
    row = b"\x00" + bytes((40, 160, 80)) * 4
    picture = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * 4)),
        (b"IEND", b""),
    ):
        picture += struct.pack(">I", len(data)) + kind + data
        picture += struct.pack(">I", zlib.crc32(kind + data))
    metadata = json.dumps({"attribution": "<b>Our own survey</b>"}).encode()
    # One entry: tile 0, once, so many bytes, at the beginning (offsets count from 1).
    assert len(picture) < 128
    root = bytes((1, 0, 1, len(picture), 1))
    data_at = 127 + len(root) + len(metadata)
    places = (127, len(root), 127 + len(root), len(metadata), 0, 0, data_at, len(picture), 1, 1, 1)
    head = b"PMTiles\x03" + struct.pack("<11Q", *places) + bytes((1, 1, 1, 2, 0, 0))
    head += struct.pack("<4iB2i", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000, 0, 0, 0)
    return head + root + metadata + picture


def test_a_map_of_ones_own_is_drawn(browser: Browser, tmp_path: Path) -> None:
    """`web.map_file` names an archive: its tiles and its attribution are shown, as text."""
    (tmp_path / "own.pmtiles").write_bytes(_archive())
    server = Server(tmp_path / "data", "--set", f"web.map_file={tmp_path / 'own.pmtiles'}")
    server.start()
    try:
        server.sign_up()
        with opened(browser, server) as (page, watched):
            sign_in(page)
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            _ready(page, "/map?at=0,0,1")
            expect(page.get_by_text("Our own survey")).to_be_visible()
            _until(lambda: asked.count(f"{server.url}/web/map.pmtiles") >= 3, "no tile was read")
            assert not [url for url in asked if "/land-" in url]
            watched.require_clean()
    finally:
        server.stop()
