"""`OPERATIONS.md` of the dashboard says which page asks what, and is held to the pages."""

import re

from tests.web.support import APP

# What is asked: a path as the first argument of a call, or one of two where it depends.
_ASKED = re.compile(
    r"(?:\b(?:get|post|put|patch|delete)\(\s*|\bcall\([^,()]+,\s*|\burlOf\(\s*)'(/[^']+)'"
    r"|[?:]\s'(/[^':]*\{[^']*)'"
)
_ROW = re.compile(r"^\| .*?\(((?:`[\w/-]+`(?:, )?)+)\) \| (.*) \|$", re.MULTILINE)


def _asked(folder: str) -> set[str]:
    files = [
        file
        for file in (APP / "src" / folder).rglob("*")
        if file.suffix in {".svelte", ".ts"} and file.name not in {"page.ts", "schema.d.ts"}
    ]
    assert files, f"{folder} is no folder of the dashboard."
    found = {
        one or other for file in files for one, other in _ASKED.findall(file.read_text("utf-8"))
    }
    return {path for path in found if not path.endswith("/")}


def test_each_page_asks_what_is_written_and_nothing_else() -> None:
    """A row's folders are read: what they ask for is what stands beside them."""
    text = (APP / "OPERATIONS.md").read_text("utf-8")
    rows = _ROW.findall(text)
    listed: set[str] = set()
    for folders, operations in rows:
        names = re.findall(r"`([\w/-]+)`", folders)
        listed |= set(names)
        asked = set().union(*(_asked(name) for name in names))
        assert set(re.findall(r"`(/[^`?]*)", operations)) == asked, names
    pages = {f"pages/{file.parent.name}" for file in (APP / "src/pages").glob("*/*.svelte")}
    # Who signs in asks through `api/session.svelte.ts` alone.
    assert pages <= listed | {"pages/sign-in"}
