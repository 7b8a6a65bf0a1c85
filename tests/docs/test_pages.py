"""Every page does what it says: its commands are typed, its documents are read."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.docs.support import (
    PAGES,
    ROOT,
    Reader,
    blocks_of,
    code_of,
    links_of,
    require_weft_command,
)

# A page may name a file as it stands below the station that it speaks of.
PLACES = (
    "",
    "src/weft",
    *(
        f"src/weft/{station}"
        for station in (
            "backends/sqlite",
            "backends/duckdb",
            "rules",
            "rules/language",
            "ingest/dialects",
        )
    ),
)


@pytest.mark.timeout(300)  # the longest page has some thirty commands
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, warm_weft: Path) -> None:
    """A newcomer types a page from top to bottom; nothing on it fails."""
    Reader(tmp_path, None if page.name == "README.md" else warm_weft).follow(page)


def _written_pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = filter(None, listed.stdout.split("\0"))
    return [ROOT / name for name in names if (ROOT / name).exists()]


def test_every_link_between_pages_leads_somewhere() -> None:
    """A page is moved; every page that named it is found here."""
    lost = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in _written_pages()
        for target in links_of(page)
        if not (page.parent / target).exists()
    ]
    assert not lost


def test_every_file_that_a_page_names_is_there() -> None:
    """A module is renamed; the pages that tell where things are must follow."""
    lost = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in _written_pages()
        for name in code_of(page)
        if re.fullmatch(r"[a-z_/0-9]+\.(py|sql)", name)
        and page.parent.name != "reference"
        and not name.endswith(("a/b.py", "test_b.py"))  # any module, in the rule of mirrors
        and not any((ROOT / place / name).exists() for place in PLACES)
        and not (page.parent / name).exists()
    ]
    assert not lost


def test_every_command_that_a_page_names_exists() -> None:
    """Commands within the text are not typed, so they are looked up."""
    for page in _written_pages():
        for text in code_of(page):
            if re.match(r"weft [a-z-]+\b", text) and page.parent.name != "reference":
                words = [word for word in text.split()[1:] if word not in ("NOUN", "VERB", "…")]
                if words and words[0] not in ("NOUN", "device|type|asset"):
                    require_weft_command(words, str(page.relative_to(ROOT)))


def test_every_script_is_executable() -> None:
    """The commands that pages name can be typed."""
    named = {path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix}
    assert named
    assert all(os.access(path, os.X_OK) for path in named)


def test_every_page_has_something_to_type_or_read() -> None:
    """A how-to without a block is prose that nobody has tried."""
    assert [page.name for page in PAGES if not list(blocks_of(page))] == []
