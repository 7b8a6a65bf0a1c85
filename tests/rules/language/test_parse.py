"""The parser: precedence as in CEL, bounded in depth."""

import pytest
from msgspec import Struct

from weft.errors import Invalid
from weft.rules.language.parse import MAX_DEPTH, parse
from weft.rules.language.syntax import Call, Index, ListOf, Literal, Name, Operate, Select


def shown(tree: Struct) -> str:
    match tree:
        case Literal():
            return repr(tree.value)
        case Name():
            return tree.name
        case Select():
            return f"{shown(tree.of)}.{tree.name}"
        case Index():
            return f"{shown(tree.of)}[{shown(tree.key)}]"
        case ListOf():
            return f"[{', '.join(map(shown, tree.items))}]"
        case Call():
            front = f"{shown(tree.target)}." if tree.target else ""
            return f"{front}{tree.name}({', '.join(map(shown, tree.arguments))})"
        case Operate():
            return f"({tree.operator} {' '.join(map(shown, tree.operands))})"
    raise AssertionError(tree)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c", "(+ a (* b c))"),
        ("a - b - c", "(- (- a b) c)"),
        ("a || b && c || d", "(|| a (&& b c) d)"),
        ("!a == b", "(== (! a) b)"),
        ("-a.b", "(- a.b)"),
        ("-5 - -3", "(- -5 -3)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("a ? b : c ? d : e", "(?: a b (?: c d e))"),
        ("a in [1, 'x',] && b", "(&& (in a [1, 'x']) b)"),
        ("a.b['c'][0].size() > 1", "(> a.b['c'][0].size() 1)"),
        ("(a || b) && true", "(&& (|| a b) True)"),
        ("min(a, 1.5)", "min(a, 1.5)"),
    ],
)
def test_operators_bind_as_in_cel(text: str, tree: str) -> None:
    """The specification's table of precedence."""
    assert shown(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a", r"Column 3: the end stands where '\)' is expected"),
        ("[1, 2", r"Column 6: the end stands where '\]'"),
        ("a ? b", "Column 6: the end stands where ':'"),
        ("a.", "Column 3: the end stands where a name"),
        ("a b", "Column 3: 'b' stands where an operator"),
        ("a && || b", "Column 6: '\\|\\|' stands where a value"),
        ("in a", "Column 1: 'in' stands where a value"),
        ("a and b", "Column 3: 'and'"),
    ],
)
def test_mistakes_say_what_was_expected(text: str, message: str) -> None:
    """At the place where reading stopped."""
    with pytest.raises(Invalid, match=message):
        parse(text)


def test_the_bound_on_depth_is_exact_enough() -> None:
    """A long chain of one operator is flat; what nests is bounded."""
    parse(" || ".join(["a"] * 250))
    parse("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH)
    with pytest.raises(Invalid, match="deeper than 32"):
        parse("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1))
