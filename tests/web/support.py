"""A Weft with its dashboard, a browser in front of it, and what the browser complained of."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Route

ROOT = Path(__file__).parents[2]
APP = ROOT / "src/weft/web/app"
DIST = ROOT / "src/weft/web/dist"
AXE = APP / "node_modules/axe-core/axe.min.js"
NAME, PASSWORD = "alice", "mauve teapot orbits quietly"
START_S = 60
UNAUTHORIZED = 401
# As root in a container, and without a word to anybody else's server.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
    "--use-gl=angle",  # the map draws with WebGL, and no card is needed for it
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def find_chromium() -> str | None:
    """Return where Chromium is, or None; the one without windows takes half the processor."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    return next(filter(None, map(shutil.which, names)), None)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`weft up` in a process of its own, with a person who has signed up."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.mqtt_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.access = ""
        self._options = options
        self._log = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self._log.read_text("utf-8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "weft",
            "up",
            "--data",
            str(self.folder),
            "--set",
            f"api.listen=127.0.0.1:{self.port}",
            "--set",
            f"transports.mqtt.listen=127.0.0.1:{self.mqtt_port}",
            "--set",
            "transports.coap.listen=",
            *self._options,
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=_environment()
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError(f"Weft did not start:\n{self.log}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def sign_up_link(self) -> str:
        """Return the path of the one-time link that it printed."""
        deadline = time.monotonic() + START_S
        while (found := re.search(r"/sign-up#(\S+)", self.log)) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"There is no sign-up link:\n{self.log}")
            time.sleep(0.05)
        return found[0]

    def sign_up(self) -> None:
        """Use that link."""
        token = self.sign_up_link().partition("#")[2]
        body = {"token": token, "name": NAME, "password": PASSWORD}
        self.access = self.call("POST", "/sign-up", body)["access_token"]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Ask the API as the person who has signed up; signs in again where that has run out."""
        try:
            return self._call(method, path, body, headers)
        except urllib.error.HTTPError as error:
            if error.code != UNAUTHORIZED or not self.access:
                raise
        self.access = ""
        self.access = self._call("POST", "/sessions", {"name": NAME, "password": PASSWORD}, {})[
            "access_token"
        ]
        return self._call(method, path, body, headers)

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(f"{self.url}/api/v1{path}", method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if self.access:
            request.add_header("Authorization", f"Bearer {self.access}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def _answers(self) -> bool:
        try:
            return self.call("GET", "/health/live") == {"status": "ok"}
        except OSError:
            return False


def _environment() -> dict[str, str]:
    more = {"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "PYTHONPATH": str(ROOT / "src")}
    return {"PATH": "/usr/bin:/bin"} | more


class Watched:
    """What went wrong in a page, while it was used."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.faults: list[str] = []
        self._url = url
        context.on("console", self._said)
        context.on("weberror", lambda error: self.faults.append(f"error: {error.error}"))
        context.on("request", self._asked)
        # The event itself, as a report would need an address to go to.
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => console.error("
            "'policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))"
        )

    def require_clean(self) -> None:
        """Fail if the browser complained of anything."""
        assert not self.faults, "\n".join(self.faults)

    def _said(self, message: Any) -> None:
        # What a driver says of its own speed: here the processor draws.
        drawn = "GL Driver Message (OpenGL, Performance" in message.text
        if message.type in {"error", "warning"} and not drawn:
            self.faults.append(f"{message.type}: {message.text} ({message.location})")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self._url + "/", "data:", "blob:" + self._url)):
            self.faults.append(f"off-origin request: {request.url}")


@contextmanager
def opened(
    browser: Browser,
    server: Server,
    *,
    state: Any = None,
    phone: bool = False,
    dark: bool = False,
    url: str = "",
) -> Iterator[tuple[Page, Watched]]:
    """Open a page of a server, or of the way to it; with `state` as somebody signed in."""
    url = url or server.url
    context = browser.new_context(
        base_url=url,
        viewport=PHONE if phone else DESKTOP,
        has_touch=phone,
        color_scheme="dark" if dark else "light",
        storage_state=state,
        locale="en-GB",
        reduced_motion="reduce",
    )
    context.set_default_timeout(15_000)
    watched = Watched(context, url)
    try:
        yield context.new_page(), watched
    finally:
        context.close()


def without(page: Page, *actions: str) -> None:
    """Let a page see what somebody sees whom the policy does not allow these actions."""

    def answer(route: Route) -> None:
        told = route.fetch()
        who = told.json()
        assert set(actions) <= set(who["actions"])
        who["actions"] = [one for one in who["actions"] if one not in actions]
        route.fulfill(response=told, json=who)

    page.route("**/api/v1/whoami", answer)


def hold(page: Page, url: str) -> list[Route]:
    """Keep what is asked of a URL from now on, until the test lets it continue."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(url, keep)
    return held


def let_go(page: Page, url: str, held: list[Route]) -> None:
    """Let go on what was kept, and keep nothing more."""
    for one in held:
        one.continue_()
    page.unroute(url)


def settle(page: Page) -> None:
    """Wait until what the page was told by now is shown: two frames."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def sign_in(page: Page) -> None:
    """Sign in at the page for it, as a person does."""
    page.goto("/overview")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()


# A button that has just become usable is on its way from one colour to the other.
SETTLED = """async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const moving = () => document.getAnimations().filter(
        (one) => one.effect.getComputedTiming().iterations !== Infinity);
    do { await frame(); await frame(); } while (moving().length > 0);
}"""


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page as it stands."""
    page.evaluate(AXE.read_text("utf-8"))
    page.evaluate(SETTLED)
    found = page.evaluate(
        "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a',"
        " 'wcag21aa', 'wcag22aa', 'best-practice']})).violations.map((one) => one.id + ': ' +"
        " one.help + ' ' + one.nodes.map((node) => node.html.slice(0, 160) + ' '"
        " + (node.any[0]?.message ?? '')).join(' | '))"
    )
    return list(found)
