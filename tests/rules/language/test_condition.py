"""Conditions whole: the same answers as an independent CEL, from both of our compilers."""

import math
from typing import Any

import pytest
from cel_expr_python import cel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from weft.model.ids import RuleId, TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.rules.conditions import compile_rule
from weft.rules.language import Scope, compile_condition
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.syntax import Type
from weft.rules.language.values import AbsentError
from weft.rules.model import Rule, RuleDocument
from weft.rules.program import CLEAR, ERROR, TRUE, Program

SCOPE = Scope(
    telemetry={
        "d": Type.DOUBLE, "e": Type.DOUBLE, "i": Type.INT, "j": Type.INT, "s": Type.STRING,
        "t": Type.STRING, "b": Type.BOOL, "c": Type.BOOL, "m": Type.MAP, "x": Type.DYN,
    }
)  # fmt: skip

ORACLE = cel.NewEnv(
    variables={
        "d": cel.Type.DOUBLE, "e": cel.Type.DOUBLE, "i": cel.Type.INT, "j": cel.Type.INT,
        "s": cel.Type.STRING, "t": cel.Type.STRING, "b": cel.Type.BOOL, "c": cel.Type.BOOL,
        "m": cel.Type.Map(cel.Type.STRING, cel.Type.DYN), "x": cel.Type.DYN,
    }
)  # fmt: skip

DOUBLES = st.sampled_from([0.0, -0.0, 1.0, -1.5, 80.0, 2.5e3, 1e300, -1e300, 0.1])
INTS = st.sampled_from([0, 1, -1, 3, 7, -7, 100, 2**31, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1])
TEXTS = st.sampled_from(["", "a", "ab", "run", "é€", "7", "-12", "1.5"])
BOOLS = st.booleans()


def quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def binary(left: Any, operators: list[str], right: Any) -> Any:
    return st.builds(lambda a, o, b: f"({a} {o} {b})", left, st.sampled_from(operators), right)


def doubles(depth: int) -> Any:
    leaf = st.one_of(st.sampled_from(["d", "e"]), DOUBLES.map(repr))
    if not depth:
        return leaf
    inner = doubles(depth - 1)
    return st.one_of(
        leaf,
        binary(inner, ["+", "-", "*", "/"], inner),
        inner.map(lambda a: f"(-{a})" if not a.startswith("-") else f"(-({a}))"),
        ints(depth - 1).map(lambda a: f"double({a})"),
        st.builds(lambda c, a, b: f"({c} ? {a} : {b})", bools(depth - 1), inner, inner),
    )


def ints(depth: int) -> Any:
    leaf = st.one_of(st.sampled_from(["i", "j"]), INTS.map(lambda n: f"({n})"))
    if not depth:
        return leaf
    inner = ints(depth - 1)
    return st.one_of(
        leaf,
        binary(inner, ["+", "-", "*", "/", "%"], inner),
        inner.map(lambda a: f"(-({a}))"),
        doubles(depth - 1).map(lambda a: f"int({a})"),
        texts(depth - 1).map(lambda a: f"size({a})"),
        TEXTS.map(lambda a: f"int({quote(a)})"),
    )


def texts(depth: int) -> Any:
    leaf = st.one_of(st.sampled_from(["s", "t"]), TEXTS.map(quote))
    if not depth:
        return leaf
    inner = texts(depth - 1)
    return st.one_of(
        leaf,
        binary(inner, ["+"], inner),
        ints(depth - 1).map(lambda a: f"string({a})"),
        bools(depth - 1).map(lambda a: f"string({a})"),
    )


def bools(depth: int) -> Any:
    leaf = st.one_of(st.sampled_from(["b", "c", "true", "false"]))
    if not depth:
        return leaf
    order = ["<", "<=", ">", ">=", "==", "!="]
    inner, number, whole, text = (
        bools(depth - 1), doubles(depth - 1), ints(depth - 1), texts(depth - 1),
    )  # fmt: skip
    return st.one_of(
        leaf,
        binary(number, order, number),
        binary(whole, order, whole),
        binary(text, order, text),
        binary(inner, ["&&", "||"], inner),
        binary(inner, ["==", "!=", "<"], inner),
        inner.map(lambda a: f"(!{a})"),
        st.builds(lambda c, a, b: f"({c} ? {a} : {b})", inner, inner, inner),
        st.builds(
            lambda a, f, b: f"{a}.{f}({b})",
            text,
            st.sampled_from(["startsWith", "endsWith", "contains"]),
            text,
        ),
        st.builds(lambda a, b: f"({a} in [{', '.join(b)}])", whole, st.lists(whole, max_size=3)),
        st.builds(lambda a, b: f"({a} in [{', '.join(b)}])", text, st.lists(text, max_size=3)),
        st.builds(lambda o, n: f"(x {o} {n})", st.sampled_from(order), number),
        st.builds(lambda o, n: f"(m.k {o} {n})", st.sampled_from(order), number),
        st.builds(lambda n: f"(x == {n})", text),
        st.sampled_from(["has(m.k)", "('k' in m)", "x", "(x == null)", "(!x)"]),
    )


VALUES = st.fixed_dictionaries(
    {
        "d": DOUBLES, "e": DOUBLES, "i": INTS, "j": INTS, "s": TEXTS, "t": TEXTS,
        "b": BOOLS, "c": BOOLS,
        "m": st.sampled_from([{}, {"k": 1.0}, {"k": "a"}]),
        "x": st.sampled_from([1.0, 80.0, "a", True, False, None]),
    }
)  # fmt: skip


def oracle(text: str, values: dict[str, Any]) -> bool | str:
    value = ORACLE.compile(text).eval(data=values)
    # A condition must give bool; another value of a dyn input is a failure of the rule.
    return bool(value.plain_value()) if value.type() == cel.Type.BOOL else "error"


def closures(text: str, values: dict[str, Any]) -> bool | str:
    condition = compile_condition(text, SCOPE)
    paths = sorted(condition.paths)
    row = [values.get(path[1], UNSET) for path in paths]
    try:
        answer = evaluator(condition.tree, {path: n for n, path in enumerate(paths)})(row)
    except FAILURES:
        return "error"
    return answer if answer.__class__ is bool else "error"


def generated(text: str, values: dict[str, Any], scope: Scope = SCOPE) -> int:
    rule = Rule(
        rule_id=RuleId("r"), uid="u", tenant=TenantId("main"), version=1,
        owner=Principal(TenantId("main"), PrincipalKind.USER, "a", "u"),
        document=RuleDocument(name="r", when=text), source={}, created_at=0, updated_at=0,
        enabled=True,
    )  # fmt: skip
    program = Program([compile_rule(rule, scope)])
    return program.function(dict)(values, [UNSET] * len(program.paths))


def compare(text: str, values: dict[str, Any]) -> None:
    """Ask the independent CEL, the closures and the generated code."""
    expected = oracle(text, values)
    assert closures(text, values) == expected
    bits = generated(text, values)
    if expected == "error":
        assert not bits & (TRUE | CLEAR)
    else:
        assert bits == (TRUE if expected else CLEAR)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_answers_are_those_of_an_independent_cel(depth: int) -> None:
    """Overflow, division by zero, absorption, mixed types: all as the reference says."""
    many = settings(max_examples=1_700, deadline=None, suppress_health_check=list(HealthCheck))
    many(given(text=bools(depth), values=VALUES)(compare))()


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=bools(3), values=VALUES, gone=st.sets(st.sampled_from("deijstbcmx")))
def test_with_absent_values_the_generated_code_agrees_with_the_closures(
    text: str, values: dict[str, Any], gone: set[str]
) -> None:
    """Whatever a device has not sent yet, both compilers give one answer."""
    there = {key: value for key, value in values.items() if key not in gone}
    expected = closures(text, there)
    bits = generated(text, there)
    if expected == "error":
        assert not bits & (TRUE | CLEAR)
    else:
        assert bits == (TRUE if expected else CLEAR)


@pytest.mark.parametrize(
    ("text", "values", "bits"),
    [
        ("d > 1.0", {}, 0),
        ("d > 1.0 || b", {"b": True}, TRUE),
        ("d > 1.0 && b", {"b": False}, CLEAR),
        ("b && 1 / i > 0", {"b": False, "i": 0}, CLEAR),
        ("1 / i > 0 && b", {"b": False, "i": 0}, CLEAR),
        ("1 / i > 0 && b", {"b": True, "i": 0}, ERROR),
        ("1 / i > 0 || d > 1.0", {"i": 0}, 0),  # absence wins over failure
        ("has(d) && d > 1.0", {}, CLEAR),
        ("has(m.k.z)", {"m": {"k": {"z": 1}}}, TRUE),
        ("has(m.k.z)", {"m": {"k": 3}}, CLEAR),
        ("m.k > 1.0", {"m": {}}, 0),
        ("i + 1 > 0", {"i": 2**63 - 1}, ERROR),
        ("x > 80", {"x": 81}, TRUE),  # a free number is a double
        ("x > 80", {"x": True}, ERROR),
        ("x", {"x": 1.0}, ERROR),
        ("x == 1", {"x": True}, CLEAR),
        ("d * 2 > i", {"d": 2.0, "i": 3}, TRUE),  # an int meets a double
        ("abs(i) == 7 && min(i, 3) == -7 && max(d, 3) == 3.0", {"i": -7, "d": 1.0}, TRUE),
        ("d / 0.0 > 1e308", {"d": 1.0}, TRUE),
        ("d % 2 == 0", None, None),
    ],
)
def test_the_words_of_the_documentation_hold(
    text: str, values: dict[str, Any] | None, bits: int | None
) -> None:
    """Each line of the semantics as a case."""
    if values is None:
        with pytest.raises(Exception, match="% cannot take double and int"):
            compile_condition(text, SCOPE)
    else:
        assert generated(text, values) == bits


def test_no_value_makes_the_generated_code_raise() -> None:
    """Numbers beyond any double, nothing, and not a number are all answered."""
    for value in (10**400, -(10**400), math.nan, None, [], {}, "x" * 100_000):
        assert generated("x > 1.0 && x + x > 2.0", {"x": value}) in {0, TRUE, CLEAR, ERROR}


def test_an_absent_value_is_told_by_name() -> None:
    """The status says which key the device never sent."""
    condition = compile_condition("d > 1.0", SCOPE)
    with pytest.raises(AbsentError, match="'d' has not been seen yet"):
        evaluator(condition.tree, {("telemetry", "d"): 0})([UNSET])
