"""What the signed-in overview costs before anything else is asked for, in bytes."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Response
from tests.web.support import DIST, Server, opened

BUDGET_BYTES = 150_000


def test_the_overview_is_small(browser: Browser, weft: Server, signed_in: object) -> None:
    """Counted as they are sent in gzip, from the files that the browser asked for."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        loaded: list[str] = []
        page.on("response", lambda response: loaded.append(_path(response)))
        page.goto("/overview")
        page.get_by_role("heading", name="Health by type").wait_for()
        page.wait_for_load_state("load")
        files = [
            DIST / PurePosixPath(path).relative_to("/") for path in loaded if "/assets/" in path
        ]
        files.append(DIST / "index.html")
        assert len(files) > 3
        total = sum(_gzip_bytes(file) for file in files)
        assert total < BUDGET_BYTES, f"{total} bytes: {[file.name for file in files]}"
        assert not any("maplibre" in file.name for file in files)
        watched.require_clean()


def _path(response: Response) -> str:
    return urlsplit(response.url).path


def _gzip_bytes(plain: Path) -> int:
    packed = plain.with_name(plain.name + ".gz")
    return (packed if packed.exists() else plain).stat().st_size
