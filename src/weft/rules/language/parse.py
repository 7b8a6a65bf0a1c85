"""The parser: tokens to a tree, by binding power, with a bound on nesting.

The grammar is CEL's without macros, maps and messages. A chain of `&&` or `||` is one
node; any other nesting deeper than MAX_DEPTH is refused, so no input exhausts a stack.
"""

from weft.rules.language.syntax import (
    Call,
    Index,
    ListOf,
    Literal,
    Name,
    Operate,
    Parsed,
    Select,
    Type,
)
from weft.rules.language.tokens import INT_MAX, Sort, Token, refuse, tokenize
from weft.rules.language.units import read_unit

MAX_DEPTH = 32  # RU-2
MAX_ITEMS = 256  # of a list, a call or a chain

# Operator -> binding power; all are left-associative (cel-spec, Syntax).
_POWER = {
    "||": 1, "&&": 2,
    "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 3, "!=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_CONSTANTS = {"true": (True, Type.BOOL), "false": (False, Type.BOOL), "null": (None, Type.NULL)}


def parse(text: str) -> Parsed:
    """Read a condition, or raise `Invalid` with the column of what is wrong."""
    parser = _Parser(tokenize(text))
    tree = parser.expression(0)
    parser.expect_end()
    _require_depth(tree, 0)
    return tree


def _children(tree: Parsed) -> tuple[Parsed, ...]:
    match tree:
        case Select():
            return (tree.of,)
        case Index():
            return (tree.of, tree.key)
        case Call():
            return tree.arguments if tree.target is None else (tree.target, *tree.arguments)
        case Operate():
            return tree.operands
        case ListOf():
            return tree.items
        case _:
            return ()


def _require_depth(tree: Parsed, depth: int) -> None:
    """Refuse what grew deep to the left (`a + a + ...`), where the parser only looped."""
    if depth > MAX_DEPTH:
        raise _too_deep(tree.column)
    for child in _children(tree):
        _require_depth(child, depth + 1)


def _too_deep(column: int) -> Exception:
    return refuse(
        column,
        f"the condition is nested deeper than {MAX_DEPTH} levels.",
        "Split it into several rules.",
    )


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._now
        if token.sort is not Sort.END:
            self._place += 1
        return token

    def _is(self, *marks: str) -> bool:
        return self._now.sort is Sort.MARK and self._now.text in marks

    def _require(self, mark: str, after: str) -> None:
        if not self._is(mark):
            raise refuse(
                self._now.column,
                f"{self._found()} stands where {mark!r} is expected.",
                f"Close {after} with {mark!r}.",
            )
        self._take()

    def _found(self) -> str:
        return "the end" if self._now.sort is Sort.END else repr(self._now.text)

    def expect_end(self) -> None:
        """Refuse anything behind the expression."""
        if self._now.sort is Sort.END:
            return
        instead = {"and": "Write &&.", "or": "Write ||.", "not": "Write !."}
        raise refuse(
            self._now.column,
            f"{self._found()} stands where an operator or the end is expected.",
            instead.get(self._now.text, "Join two conditions with && or ||."),
        )

    def expression(self, depth: int) -> Parsed:
        """Read `a ? b : c` or anything that binds tighter."""
        if depth > MAX_DEPTH:
            raise _too_deep(self._now.column)
        condition = self._binary(0, depth)
        if not self._is("?"):
            return condition
        column = self._take().column
        then = self._binary(0, depth + 1)
        self._require(":", "the first choice of '?'")
        otherwise = self.expression(depth + 1)
        return Operate("?:", (condition, then, otherwise), column)

    def _operator(self) -> str:
        token = self._now
        if token.sort is Sort.MARK or (token.sort is Sort.NAME and token.text == "in"):
            return token.text
        return ""

    def _binary(self, power: int, depth: int) -> Parsed:
        left = self._unary(depth)
        while _POWER.get(self._operator(), 0) > power:
            token = self._take()
            right = self._binary(_POWER[token.text], depth + 1)
            left = self._join(token, left, right)
        return left

    @staticmethod
    def _join(token: Token, left: Parsed, right: Parsed) -> Parsed:
        operator = token.text
        if (
            operator in {"&&", "||"}
            and isinstance(left, Operate)
            and left.operator == operator
            and len(left.operands) < MAX_ITEMS
        ):
            return Operate(operator, (*left.operands, right), left.column)
        return Operate(operator, (left, right), token.column)

    def _unary(self, depth: int) -> Parsed:
        if depth > MAX_DEPTH:
            raise _too_deep(self._now.column)
        if not self._is("!", "-"):
            return self._postfix(depth)
        token = self._take()
        following = self._tokens[self._place + 1 : self._place + 2]
        if token.text == "-" and following and following[0].sort is Sort.UNIT:
            return self._measured(self._take(), -1)
        if token.text == "-" and self._now.sort is Sort.INT:
            # The sign belongs to the number, or the smallest int could not be written.
            number = self._take()
            literal = Literal(-int(number.value), Type.INT, token.column)
            return self._suffixes(literal, depth)
        operand = self._unary(depth + 1)
        return Operate(token.text, (operand,), token.column)

    def _postfix(self, depth: int) -> Parsed:
        return self._suffixes(self._primary(depth), depth)

    def _suffixes(self, tree: Parsed, depth: int) -> Parsed:
        while True:
            if self._is("."):
                tree = self._member(tree, depth)
            elif self._is("["):
                column = self._take().column
                key = self.expression(depth + 1)
                self._require("]", "the index")
                tree = Index(tree, key, column)
            else:
                return tree

    def _member(self, tree: Parsed, depth: int) -> Parsed:
        column = self._take().column
        if self._now.sort is not Sort.NAME or self._now.text == "in":
            raise refuse(
                self._now.column,
                f"{self._found()} stands where a name is expected.",
                "Write a name behind the dot, or ['any text'] instead of it.",
            )
        name = self._take()
        if self._is("("):
            return Call(name.text, tree, self._arguments(depth), name.column)
        return Select(tree, name.text, column)

    def _arguments(self, depth: int) -> tuple[Parsed, ...]:
        self._take()
        return self._list_until(")", "the arguments", depth)

    def _list_until(self, end: str, what: str, depth: int) -> tuple[Parsed, ...]:
        items: list[Parsed] = []
        while not self._is(end):
            items.append(self.expression(depth + 1))
            if len(items) > MAX_ITEMS:
                raise refuse(
                    self._now.column,
                    f"more than {MAX_ITEMS} items stand in one list.",
                    "Keep such a list as an attribute of the device.",
                )
            if not self._is(","):
                break
            self._take()
        self._require(end, what)
        return tuple(items)

    def _primary(self, depth: int) -> Parsed:
        token = self._now
        if token.sort is Sort.INT:
            if int(token.value) > INT_MAX:
                raise refuse(token.column, "the number does not fit in 64 bits.", "Write 1e19.")
            self._take()
            if self._now.sort is Sort.UNIT:
                return self._measured(token, 1)
            counts = self._now.sort is Sort.NAME and self._now.text in {"samples", "sample"}
            if counts:
                self._take()
            return Literal(token.value, Type.SAMPLES if counts else Type.INT, token.column)
        if token.sort is Sort.DURATION:
            return Literal(self._take().value, Type.DURATION, token.column)
        if token.sort is Sort.DOUBLE:
            self._take()
            if self._now.sort is Sort.UNIT:
                return self._measured(token, 1)
            return Literal(token.value, Type.DOUBLE, token.column)
        if token.sort is Sort.STRING:
            return Literal(self._take().value, Type.STRING, token.column)
        if token.sort is Sort.NAME and token.text != "in":
            return self._named(self._take(), depth)
        if self._is("("):
            self._take()
            inner = self.expression(depth + 1)
            self._require(")", "the parenthesis")
            return inner
        if self._is("["):
            self._take()
            return ListOf(self._list_until("]", "the list", depth), token.column)
        raise refuse(
            token.column,
            f"{self._found()} stands where a value is expected.",
            "Write a telemetry key, a number, a text in quotes, or a condition in parentheses.",
        )

    def _measured(self, number: Token, sign: int) -> Literal:
        """Make the literal of a number and the unit behind it."""
        unit = self._take()
        value = sign * float(number.value)
        return Literal(value, Type.DOUBLE, number.column, read_unit(unit.text, unit.column))

    def _named(self, token: Token, depth: int) -> Parsed:
        if token.text in _CONSTANTS:
            value, kind = _CONSTANTS[token.text]
            return Literal(value, kind, token.column)
        if self._is("("):
            return Call(token.text, None, self._arguments(depth), token.column)
        return Name(token.text, token.column)
