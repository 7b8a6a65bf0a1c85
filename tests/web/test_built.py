"""The built dashboard: what is served of it, and how."""

from pathlib import Path

import pytest

from weft.web.built import Built, File


def built_in(folder: Path) -> Built:
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "index.html.gz").write_bytes(b"small")
    (folder / ".inputs").write_text("a hash")
    for name in ("a-1.js", "a-1.js.br", "a-1.js.gz", "a-1.js.map", "b-2.css"):
        (folder / "assets" / name).write_text(name)
    return Built.read(folder)


def test_what_is_named_with_its_media_type_is_served_and_nothing_else(tmp_path: Path) -> None:
    """Compressed files answer under the plain one's name; maps of sources stay at home."""
    built = built_in(tmp_path)
    assert set(built.assets) == {b"/assets/a-1.js", b"/assets/b-2.css"}
    assert built.assets[b"/assets/a-1.js"].media_type == b"text/javascript; charset=utf-8"
    assert built.document is not None
    assert built.document.encoded == ((b"gzip", b"small"),)


def test_a_folder_without_a_document_is_a_dashboard_not_built(tmp_path: Path) -> None:
    """Everything else is served all the same."""
    assert Built.read(tmp_path / "dist") == Built()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [(b"gzip, deflate, BR;q=1.0", b"br"), (b"gzip", b"gzip"), (b"", b""), (b"zstd", b"")],
)
def test_the_smallest_that_the_browser_takes_is_sent(accepted: bytes, coding: bytes) -> None:
    """As RFC 9110, 12.5.3 has it."""
    file = File(b"plain", b"text/css", ((b"br", b"b"), (b"gzip", b"g")))
    content, chosen = file.choose(accepted)
    assert chosen == coding
    assert content == {b"br": b"b", b"gzip": b"g", b"": b"plain"}[coding]
