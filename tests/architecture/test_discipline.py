"""What never happens: a task without a group, an error without a trace, a machine's own path."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.support import ROOT, modules, place, tracked_files, tree_of

GROUPS = {"tasks", "_tasks", "group", "_group"}  # what a TaskGroup is called here
LOOSE = {"ensure_future", "gather", "create_eager_task_factory", "run_coroutine_threadsafe"}
BROAD = {"Exception", "BaseException"}

# Where a broad `except` is right, and what it does with what it met.
PARKED: dict[str, str] = {}


def test_tasks_start_in_a_task_group_only() -> None:
    """A task belongs to a group whose opener sees its failure; none is started and forgotten."""
    loose = [
        place(path, call.lineno)
        for path in modules()
        for call in calls_of(path)
        if starts_loosely(call)
    ]
    assert not loose, loose


def test_no_error_is_swallowed() -> None:
    """No `except` whose body does nothing, and no `suppress` of everything."""
    swallowed = [
        place(path, node.lineno)
        for path in modules()
        for node in ast.walk(tree_of(path))
        if (
            isinstance(node, ast.ExceptHandler)
            and all(is_nothing(statement) for statement in node.body)
        )
        or (
            isinstance(node, ast.Call)
            and name_of(node.func) == "suppress"
            and BROAD & {name_of(argument) for argument in node.args}
        )
    ]
    assert not swallowed, swallowed


def test_who_catches_everything_says_so() -> None:
    """A broad `except` raises again, or hands on or logs what it met: it uses the error."""
    quiet = [
        place(path, node.lineno)
        for path in modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and not uses_error(node)
    ]
    assert not quiet, quiet


def test_nothing_is_left_for_later() -> None:
    """No marks of unfinished work: what is not built is not pretended."""
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    found = [
        place(path, number)
        for path in modules()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not found, found


def test_lock_files_name_no_index_and_hash_every_file() -> None:
    """Whoever installs decides where from; what is installed is what was locked."""
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert locks
    for lock in locks:
        text = lock.read_text("utf-8")
        assert "://" not in text, lock.name
        assert "index-url" not in text, lock.name
        for requirement in text.replace("\\\n", " ").splitlines():
            if requirement and not requirement.startswith("#"):
                assert "==" in requirement, requirement[:80]
                assert "--hash=sha256:" in requirement, requirement[:80]


def test_no_file_knows_one_machine() -> None:
    """A path of the machine that something was written on works nowhere else."""
    paths = re.compile(rb"(?<![\w.$}~-])/(?:work|root|home/\w+)/")
    found = [
        f"{place(path)}: {match[0].decode()}"
        for path in tracked_files()
        if (match := paths.search(path.read_bytes()))
    ]
    assert not found, found


def test_scripts_say_what_they_do_and_stop_at_the_first_error() -> None:
    """Each begins with a comment, works from any directory, and can be run."""
    scripts = [path for path in tracked_files() if is_script(path)]
    assert {"setup", "run", "test", "check", "bench"} <= {path.name for path in scripts}
    for path in scripts:
        lines = path.read_text("utf-8").splitlines()
        assert path.stat().st_mode & 0o111, f"{place(path)} cannot be run"
        assert lines[1].startswith("# "), f"{place(path)} says nothing of itself"
        if "bash" in lines[0]:
            assert "set -euo pipefail" in lines, place(path)


def calls_of(path: Path) -> Iterator[ast.Call]:
    """Yield every call in a file."""
    yield from (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def starts_loosely(call: ast.Call) -> bool:
    """Whether a call starts a task that no group sees."""
    if not isinstance(call.func, ast.Attribute):
        return name_of(call.func) in LOOSE | {"create_task"}
    owner = name_of(call.func.value)
    if call.func.attr == "create_task":
        return owner not in GROUPS
    return owner == "asyncio" and call.func.attr in LOOSE


def name_of(node: ast.AST) -> str:
    """Return the last name of an expression: `b` of `a.b`."""
    return getattr(node, "attr", "") or getattr(node, "id", "")


def is_nothing(statement: ast.stmt) -> bool:
    """Whether a statement does nothing."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes errors that nobody expected."""
    return handler.type is None or name_of(handler.type) in BROAD


def uses_error(handler: ast.ExceptHandler) -> bool:
    """Whether a handler raises, or does something with what it met."""
    names = [node.id for node in ast.walk(handler) if isinstance(node, ast.Name)]
    logs = [
        node
        for node in ast.walk(handler)
        if isinstance(node, ast.Attribute) and node.attr == "exception"
    ]
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return raises or bool(logs) or handler.name in names


def is_script(path: Path) -> bool:
    """Whether a file is a script to be run by its name."""
    return path.parent in (ROOT / "scripts", ROOT / ".ci") and not path.suffix
