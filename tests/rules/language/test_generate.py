"""Generated code: from the whitelist, without builtins, exact where it does not raise."""

import ast

import pytest

from weft.rules.language.check import check
from weft.rules.language.generate import (
    NAMESPACE,
    compile_function,
    expression,
    name,
)  # fmt: skip
from weft.rules.language.parse import parse
from weft.rules.language.scope import ANY, Scope
from weft.rules.language.syntax import Type
from weft.rules.language.trees import asked_of, inputs_of

SCOPE = Scope(telemetry={"d": Type.DOUBLE, "i": Type.INT, "s": Type.STRING, "b": Type.BOOL})


def code(text: str, scope: Scope = SCOPE) -> str:
    tree = check(parse(text), scope)
    names = {path: path[1] for path in inputs_of(tree) | asked_of(tree)}
    return ast.unparse(expression(tree, names))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("d > 80", "d > 80"),
        ("d > 80 && !b", "d > 80 and (not b)"),
        ("i + 1 > 3", "fit(i + 1) > 3"),
        ("d + 1 > 3", "d + 1 > 3"),
        ("s in ['a', 'b']", "s in ('a', 'b')"),
        ("s.startsWith('a')", "s.startswith('a')"),
        ("has(d) || b", "d is not UNSET or b"),
        ("b ? d > 1 : d < 1", "d > 1 if b else d < 1"),
        ("min(d, 1.0) == abs(d)", "least(d, 1.0) == absolute(d)"),
        ("size(s) > 1", "length(s) > 1"),
    ],
)
def test_what_python_says_alike_is_plain_python(text: str, made: str) -> None:
    """No call where an operator will do."""
    assert code(text) == made


def test_untyped_numbers_are_looked_at_first() -> None:
    """True is no number, whatever Python says."""
    assert code("x > 80", ANY).startswith("x > 80 if x.__class__ in NUMBERS else operation_")


def test_generated_code_has_no_builtins() -> None:
    """Even if a name slipped through, there is nothing to reach."""
    assert NAMESPACE["__builtins__"] == {}
    function = ast.FunctionDef(
        name="reach",
        args=ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]),
        body=[ast.Return(value=name("open"))],
        decorator_list=[],
    )
    with pytest.raises(NameError):
        compile_function(function, {})()


def test_inputs_that_are_only_asked_for_need_not_be_there() -> None:
    """has(a) is no use of a."""
    tree = check(parse("has(a) && b > 1 || (c ? [d] == e : !f)"), ANY)
    assert {path[1] for path in inputs_of(tree)} == {"b", "c", "d", "e", "f"}
    assert asked_of(tree) == {("telemetry", "a")}
