"""The mirror: who opens a module finds what it is for, and beside it what holds it to that."""

import ast
from pathlib import Path

from tests.architecture.support import SOURCE, TESTS, modules, place, tree_of

# Module: why it has no test file of its own. Empty is right; every line is a debt.
EXCEPTIONS: dict[str, str] = {
    "__main__.py": "three lines that call the command line; tests/app/test_serve.py runs it",
}


def test_every_module_says_what_it_is_for() -> None:
    """A docstring of its own, not only a name."""
    silent = [place(path) for path in modules() if not ast.get_docstring(tree_of(path))]
    assert not silent


def test_every_module_has_its_test_file() -> None:
    """`src/weft/a/b.py` is held by `tests/a/test_b.py`; packages' `__init__` need none."""
    missing = [
        f"{place(path)} wants {place(mirror_of(path))}"
        for path in modules()
        if path.name != "__init__.py"
        and str(path.relative_to(SOURCE)) not in EXCEPTIONS
        and not mirror_of(path).exists()
    ]
    assert not missing, "\n" + "\n".join(missing)


def test_every_test_file_tests() -> None:
    """A mirror without a test in it would be a lie."""
    empty = [
        place(path)
        for path in TESTS.rglob("test_*.py")
        if not any(
            (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and node.name.startswith(("test_", "Test"))
            )
            or (
                isinstance(node, ast.Assign)
                and any(getattr(target, "id", "").startswith("Test") for target in node.targets)
            )
            for node in ast.walk(tree_of(path))
        )
    ]
    assert not empty


def test_exceptions_are_needed() -> None:
    """A debt that was paid leaves the list."""
    for name in EXCEPTIONS:
        assert (SOURCE / name).exists(), name
        assert not mirror_of(SOURCE / name).exists(), name


def mirror_of(module: Path) -> Path:
    """Return where a module's test file belongs."""
    return TESTS / module.relative_to(SOURCE).with_name(f"test_{module.name}")
