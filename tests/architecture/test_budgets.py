"""Budgets: what one person can hold in mind at once, and what one install may depend on."""

import statistics
import tomllib

from tests.architecture.support import (
    ROOT,
    TESTS,
    Function,
    functions_of,
    modules,
    place,
)

FILE_LINES = 600
FILE_LINES_MEDIAN = 200
FUNCTION_LINES = 65
FUNCTION_LINES_OF_NINE_IN_TEN = 35
PARAMETERS = 6
DEPENDENCIES = 15  # promise 7


def test_no_file_is_too_long() -> None:
    """What is longer has two subjects."""
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in modules()}
    long = [f"{place(path)}: {size}" for path, size in sizes.items() if size > FILE_LINES]
    assert not long, f"at most {FILE_LINES} lines: {long}"
    assert statistics.median(sizes.values()) <= FILE_LINES_MEDIAN


def test_functions_fit_on_a_page() -> None:
    """All of them; and nine in ten at a glance."""
    sizes = [
        (lines_of(function), f"{place(path, function.lineno)} {function.name}")
        for path in modules()
        for function in functions_of(path)
    ]
    assert not [one for one in sizes if one[0] > FUNCTION_LINES]
    short = sum(size < FUNCTION_LINES_OF_NINE_IN_TEN for size, _ in sizes)
    assert short >= 0.9 * len(sizes)


def test_no_function_asks_for_too_much() -> None:
    """More parameters than this want a Struct, or are two functions."""
    greedy = [
        f"{place(path, function.lineno)} {function.name}: {parameters_of(function)}"
        for path in modules()
        for function in functions_of(path)
        if parameters_of(function) > PARAMETERS
    ]
    assert not greedy, greedy


def test_there_is_as_much_test_as_code() -> None:
    """Roughly, and in lines."""
    code = sum(len(path.read_text("utf-8").splitlines()) for path in modules())
    tests = sum(len(path.read_text("utf-8").splitlines()) for path in TESTS.rglob("*.py"))
    assert tests >= 0.8 * code, (tests, code)


def test_the_base_install_stays_small() -> None:
    """Every dependency is somebody else's release, licence and hole."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert len(project["dependencies"]) <= DEPENDENCIES


def lines_of(function: Function) -> int:
    """Return a function's length from `def` to its last line."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters_of(function: Function) -> int:
    """Count what a caller has to give; `self` and `cls` come by themselves."""
    given = function.args
    named = [*given.posonlyargs, *given.args]
    own = 1 if named and named[0].arg in {"self", "cls"} else 0
    return len(named) - own + len(given.kwonlyargs)
