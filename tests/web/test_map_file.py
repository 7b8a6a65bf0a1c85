"""The map file: it is read in parts, and what is no map is refused at the start."""

from pathlib import Path

import pytest

from weft.errors import ConfigurationError
from weft.web.map_file import RANGE_MAX_BYTES, MapFile, WebSettings, open_map

ARCHIVE = b"PMTiles\x03" + bytes(range(200))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "world.pmtiles"
    path.write_bytes(ARCHIVE)
    return path


def test_without_one_the_map_that_comes_with_us_is_drawn() -> None:
    """An empty setting is no file."""
    assert open_map(WebSettings()) is None


def test_what_is_no_map_stops_the_start(tmp_path: Path) -> None:
    """A wrong path or a wrong file is told, with what to do."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_map(WebSettings(map_file=str(tmp_path / "none.pmtiles")))
    other = tmp_path / "other.pmtiles"
    other.write_bytes(b"GIF89a" + bytes(200))
    with pytest.raises(ConfigurationError, match="no PMTiles archive"):
        open_map(WebSettings(map_file=str(other)))


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        (b"bytes=0-6", ARCHIVE[:7]),
        (b"bytes=7-7", ARCHIVE[7:8]),
        (b"bytes=200-999", ARCHIVE[200:]),
        (b"bytes=200-", ARCHIVE[200:]),
    ],
)
async def test_a_range_is_answered_with_its_bytes(
    archive: Path, wanted: bytes, part: bytes
) -> None:
    """Also one that goes beyond the end (RFC 9110, 14.1.2)."""
    answer = await MapFile(archive).read(wanted)
    assert answer.status == 206
    assert answer.content == part
    first = ARCHIVE.index(part)
    said = f"bytes {first}-{first + len(part) - 1}/{len(ARCHIVE)}".encode()
    assert dict(answer.headers)[b"content-range"] == said


@pytest.mark.parametrize(
    "wanted",
    [None, b"", b"bytes=", b"bytes=-5", b"bytes=5-2", b"bytes=208-", b"bytes=0-1,4-5", b"x"],
)
async def test_what_is_no_range_of_it_is_refused(archive: Path, wanted: bytes | None) -> None:
    """The whole is sent to nobody: it may be a hundred gigabytes."""
    answer = await MapFile(archive).read(wanted)
    assert answer.status == 416
    assert answer.content == b""


async def test_one_answer_has_a_bound(archive: Path) -> None:
    """Whoever asks for more is sent the first of it, and asks again."""
    with archive.open("ab") as file:
        file.truncate(RANGE_MAX_BYTES * 2)
    answer = await MapFile(archive).read(b"bytes=0-")
    assert len(answer.content) == RANGE_MAX_BYTES


async def test_one_may_ask_whether_there_is_one(archive: Path) -> None:
    """HEAD says that ranges are taken; a file that was taken away since is not found."""
    found = MapFile(archive)
    answer = await found.read(None, head=True)
    assert answer.status == 200
    assert (b"accept-ranges", b"bytes") in answer.headers
    archive.unlink()  # noqa: ASYNC240
    assert (await found.read(b"bytes=0-6")).status == 404


async def test_another_version_has_another_tag(archive: Path) -> None:
    """A reader that kept parts of the old file notices."""
    found = MapFile(archive)
    before = dict((await found.read(b"bytes=0-6")).headers)[b"etag"]
    archive.write_bytes(ARCHIVE + b"more")  # noqa: ASYNC240
    assert dict((await found.read(b"bytes=0-6")).headers)[b"etag"] != before
