"""The pages: their headers, their rules, and that nothing else is served."""

import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from tests.api.support import Answer, World, running, scope_of

import weft.web
from weft.security.passwords import LENGTH_MAX, LENGTH_MIN
from weft.web.built import Built, File
from weft.web.map_file import MapFile
from weft.web.routes import FILES, NOT_BUILT, POLICY, RESERVED, Pages

FOLDER = Path(weft.web.__file__).parent


BUILT = Built(
    File(b"the dashboard", b"text/html; charset=utf-8"),
    {b"/assets/a-1.js": File(b"plain", b"text/javascript", ((b"br", b"small"),))},
)


async def ask(pages: Pages, method: str, path: str, scheme: str = "http", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    scope = scope_of(method, "/x", sent)
    scope |= {"raw_path": path.encode(), "scheme": scheme}
    messages: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await pages(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Answer(messages[0]["status"], headers, body)


@pytest.fixture
async def pages(tmp_path: Path) -> Any:
    async with running(World(tmp_path)) as world:
        yield Pages(world.application, BUILT)


@pytest.mark.parametrize("path", [path.decode() for path in FILES])
async def test_a_page_runs_only_our_script_and_tells_nobody_where_it_is(
    pages: Pages, path: str
) -> None:
    """The token behind the # is worth an administrator's account."""
    answer = await ask(pages, "GET", path)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert policy == POLICY
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "strict-transport-security" not in answer.headers
    assert "set-cookie" not in answer.headers


async def test_head_answers_as_get_without_the_content(pages: Pages) -> None:
    """And over TLS a browser is told to stay there."""
    answer = await ask(pages, "HEAD", "/sign-up", scheme="https")
    assert (answer.status, answer.content) == (200, b"")
    assert "strict-transport-security" in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/web"),
        ("GET", "/web/"),
        ("GET", "/web/routes.py"),
        ("GET", "/web/sign_up.html"),
        ("GET", "/web/../sign-up"),
        ("GET", "/web/%2e%2e/routes.py"),
        ("GET", "/sign-up/"),
        ("GET", "/SIGN-UP"),
        ("GET", "/favicon.ico"),
        ("GET", "/metrics"),
        ("GET", "/devices"),
        ("GET", "/assets/a-2.js"),
        ("POST", "/sign-up"),
        ("DELETE", "/web/style.css"),
    ],
)
async def test_nothing_else_answers_outside_of_the_api(
    pages: Pages, method: str, path: str
) -> None:
    """Whoever is not known learns nothing, not even which paths exist (AU-1)."""
    assert (await ask(pages, method, path)).status == 401


@pytest.mark.parametrize("path", ["/", "/devices", "/devices/pump-7", "/no/such/page"])
async def test_a_browser_that_goes_anywhere_is_given_the_dashboard(pages: Pages, path: str) -> None:
    """One document for all addresses: it tells nobody which pages there are."""
    answer = await ask(pages, "GET", path, accept="text/html,*/*;q=0.8")
    assert (answer.status, answer.content) == (200, b"the dashboard")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("path", ["/api/v1/devices", "/assets/a-2.js", "/metrics", "/web/x"])
async def test_what_is_no_page_is_none_for_a_browser_either(pages: Pages, path: str) -> None:
    """A mistyped address of the API is not answered with a page that says 200."""
    assert (await ask(pages, "GET", path, accept="text/html")).status == 401


async def test_built_files_are_kept_by_browsers_and_sent_small(pages: Pages) -> None:
    """Their names change with their content."""
    answer = await ask(pages, "GET", "/assets/a-1.js", accept_encoding="gzip, br")
    assert (answer.content, answer.headers["content-encoding"]) == (b"small", "br")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "accept-encoding"
    plain = await ask(pages, "GET", "/assets/a-1.js")
    assert plain.content == b"plain"
    assert "content-encoding" not in plain.headers


async def test_a_dashboard_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    """And the API answers all the same."""
    async with running(World(tmp_path)) as world:
        pages = Pages(world.application, Built())
        answer = await ask(pages, "GET", "/", accept="text/html")
        assert b"scripts/dashboard build" in answer.content
        assert (await ask(pages, "GET", "/api/v1/health/live")).json == {"status": "ok"}


async def test_the_api_answers_as_without_pages(pages: Pages) -> None:
    """Pages stand in front and are not in the way."""
    assert (await ask(pages, "GET", "/api/v1/health/live")).json == {"status": "ok"}


def test_every_file_is_served_and_every_served_file_is_there() -> None:
    """A file that is forgotten in the list would be a dead link."""
    there = {
        path.name for path in FOLDER.iterdir() if path.suffix in {".html", ".js", ".css", ".svg"}
    }
    assert there == {name for name, _ in FILES.values()} | {NOT_BUILT}


def test_the_page_has_nothing_inline_and_asks_nobody_else() -> None:
    """The policy would stop it in the browser; here it is seen before."""
    html = (FOLDER / "sign_up.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)
    for name in ("sign_up.html", "sign_up.js", "style.css"):
        assert not re.search(r"https?://", (FOLDER / name).read_text()), name
    for link in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert link == "/" or link.encode() in FILES, link  # the dashboard


def test_the_page_says_the_rules_that_the_server_holds() -> None:
    """Two places that must not disagree."""
    html, script = (FOLDER / "sign_up.html").read_text(), (FOLDER / "sign_up.js").read_text()
    assert f"{LENGTH_MIN} to {LENGTH_MAX} characters" in html
    assert f"LENGTH_MIN = {LENGTH_MIN}" in script
    assert f"LENGTH_MAX = {LENGTH_MAX}" in script
    assert "innerHTML" not in script


def test_every_field_has_a_label() -> None:
    """By keyboard and with a screen reader."""
    html = (FOLDER / "sign_up.html").read_text()
    for name in re.findall(r'<input id="(\w+)"', html):
        assert f'for="{name}"' in html or re.search(rf'<label[^>]*><input id="{name}"', html), name
    script = (FOLDER / "sign_up.js").read_text()
    for name in re.findall(r'find\("([\w-]+)"\)', script):
        assert f'id="{name}"' in html, name


def test_no_page_of_the_dashboard_has_an_address_that_is_not_its_own() -> None:
    """Such a page would open by a click, and not when it is loaded again."""
    sources = sorted((FOLDER / "app/src/pages").glob("*/page.ts"))
    assert sources
    for source in sources:
        for path in re.findall(r"path: '/([^/']*)", source.read_text("utf-8")):
            assert path.encode() not in RESERVED, source


async def test_a_map_of_ones_own_is_served_in_parts(pages: Pages, tmp_path: Path) -> None:
    """Without one the answer is empty, and no error that a browser would complain of."""
    assert (await ask(pages, "HEAD", "/web/map.pmtiles")).status == 204
    archive = tmp_path / "world.pmtiles"
    archive.write_bytes(b"PMTiles\x03" + bytes(200))
    served = Pages(pages, BUILT, own_map=MapFile(archive))
    assert (await ask(served, "HEAD", "/web/map.pmtiles")).status == 200
    answer = await ask(served, "GET", "/web/map.pmtiles", range="bytes=0-6")
    assert (answer.status, answer.content) == (206, b"PMTiles")
    assert answer.headers["content-range"] == "bytes 0-6/208"
    assert answer.headers["content-security-policy"] == POLICY
