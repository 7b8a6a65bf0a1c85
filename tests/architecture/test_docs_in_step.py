"""Docs in step: what a user can set, meet, measure, request or type stands in docs/reference.

The pages are written from the code by `scripts/reference`. The first test holds them to the
code as it is; the others do not trust the writer, and look for every name themselves.
"""

from pathlib import Path

import pytest
from scripts.reference_pages import FOLDER, commands, errors, metrics, pages, settings

from weft.api.operations.table import TABLE
from weft.connectors.registry import KINDS
from weft.rules.feeds.table import FUNCTIONS


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize(
    "name",
    ["settings.md", "errors.md", "metrics.md", "rest.md", "commands.md", "rule-language.md"],
)
def test_a_reference_page_is_what_the_code_says(name: str, written: dict[str, str]) -> None:
    """If this fails, run `scripts/reference` and commit what it wrote."""
    assert page(name) == written[name], f"docs/reference/{name} is old: run scripts/reference"


def test_every_function_that_remembers_is_documented() -> None:
    """With its example."""
    text = page("rule-language.md")
    for function in FUNCTIONS.values():
        assert f"`{function.example}`" in text


def test_every_setting_is_documented(written: dict[str, str]) -> None:
    """Below the heading of its table, with its default."""
    text = page("settings.md")
    known = list(settings())
    assert len(known) > 50
    for path in known:
        table, _, name = path.rpartition(".")
        section = text.split(f"\n## `[{table}]`\n")[1].split("\n## ")[0]
        assert f"\n| `{name}` |" in section, path
    for kind, (struct, _) in KINDS.items():
        section = text.split(f'### `kind = "{kind}"`')[1].split("\n### ")[0]
        for name in struct.__struct_fields__:
            assert f"\n| `{name}` |" in section, f"{kind}.{name}"


def test_every_error_code_is_documented(written: dict[str, str]) -> None:
    """And means one thing: two classes share a code only where it says the same."""
    text = page("errors.md")
    for code, kinds in errors().items():
        assert f"| `{code}` |" in text, code
        assert len(kinds) == 1, (code, kinds)


def test_every_metric_is_documented(written: dict[str, str]) -> None:
    """By the name that an operator types, and no metric counts devices by name (SS-1)."""
    text = page("metrics.md")
    for name, metric in metrics().items():
        assert f"| `{name}` |" in text, name
        assert not {"device", "device_id", "client_id", "topic", "tenant"} & {
            *metric._labelnames
        }, name


def test_every_path_is_documented() -> None:
    """With its method."""
    text = page("rest.md")
    for operation in TABLE:
        assert f"| `{operation.method} {operation.full_path}` |" in text, operation.name


def test_every_command_is_documented() -> None:
    """Those made from the table and those written by hand."""
    text = page("commands.md")
    names = [name for name, _ in commands()]
    assert "weft up" in names
    assert "weft device add" in names
    for name in names:
        assert f"# `{name}`\n" in text, name


def page(name: str) -> str:
    """Return a page as it is committed."""
    path: Path = FOLDER / name
    assert path.exists(), f"docs/reference/{name} is missing: run scripts/reference"
    return path.read_text("utf-8")
