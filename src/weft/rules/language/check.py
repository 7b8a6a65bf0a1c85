"""The checker: every name is an input, every operation fits its types, the cost is bounded.

What leaves here holds only the node types of `syntax`'s second kind, so nothing that was
not foreseen can reach the compiler.
"""

from collections.abc import Callable, Sequence

from weft.errors import Invalid
from weft.rules.language.functions import find_function, installed_functions
from weft.rules.language.scope import Names, suggest
from weft.rules.language.stateful import check_feed, is_stateful
from weft.rules.language.syntax import (
    NUMBERS,
    Apply,
    Call,
    Checked,
    Choose,
    Const,
    Has,
    Index,
    Input,
    Items,
    ListOf,
    Literal,
    Logic,
    Name,
    Operate,
    Parsed,
    Path,
    Select,
    Type,
)
from weft.rules.language.tokens import refuse
from weft.rules.language.units import ALIGNED, Units

_TEXT = {Type.STRING, Type.DYN}
_NUMBER = {Type.INT, Type.DOUBLE, Type.DYN}
_SIZED = {Type.STRING, Type.LIST, Type.MAP, Type.DYN}
_CONVERTS = {Type.INT, Type.DOUBLE, Type.STRING, Type.DYN}

# name -> (types of each argument, result); None: the type of the arguments.
_FUNCTIONS: dict[str, tuple[tuple[set[Type], ...], Type | None]] = {
    "abs": ((_NUMBER,), None),
    "size": ((_SIZED,), Type.INT),
    "int": ((_CONVERTS,), Type.INT),
    "double": ((_CONVERTS,), Type.DOUBLE),
    "string": ((_CONVERTS | {Type.BOOL},), Type.STRING),
}
_METHODS: dict[str, tuple[tuple[set[Type], ...], Type | None]] = {
    "startsWith": ((_TEXT, _TEXT), Type.BOOL),
    "endsWith": ((_TEXT, _TEXT), Type.BOOL),
    "contains": ((_TEXT, _TEXT), Type.BOOL),
    "size": ((_SIZED,), Type.INT),
}
# What an argument of a function of another package takes: an int is a double too.
_TAKES = {
    Type.DOUBLE: _NUMBER,
    Type.INT: {Type.INT, Type.DYN},
    Type.STRING: _TEXT,
    Type.BOOL: {Type.BOOL, Type.DYN},
}
_LEFT_OUT = {
    "all": "macros", "exists": "macros", "exists_one": "macros", "map": "macros",
    "filter": "macros", "matches": "regular expressions", "timestamp": "moments",
    "duration": "durations", "type": "type values", "dyn": "dyn", "uint": "unsigned numbers",
    "bytes": "bytes", "bool": "bool()",
}  # fmt: skip


def check(tree: Parsed, scope: Names) -> Checked:
    """Return the typed tree of a condition, or raise `Invalid` with the column."""
    checked = _Checker(scope).check(tree)
    if checked.type not in {Type.BOOL, Type.DYN}:
        raise refuse(
            tree.column,
            f"the condition gives {checked.type}, and a condition must give bool.",
            "Compare the value with something, as in temperature > 80.",
        )
    return checked


def check_value(tree: Parsed, scope: Names) -> Checked:
    """Return the typed tree of an expression of any type, or raise `Invalid` with the column."""
    return _Checker(scope).check(tree)


class _Checker:
    def __init__(self, scope: Names) -> None:
        self._scope = scope
        self._units = Units(scope.unit_of, scope.remembers.get)

    def check(self, tree: Parsed) -> Checked:
        match tree:
            case Literal():
                return _constant(tree)
            case Name() | Select() | Index():
                return self._member(tree)
            case Call():
                return self._call(tree)
            case Operate():
                return self._operate(tree)
            case ListOf():
                return Items(tuple(self.check(item) for item in tree.items))

    # --- names ----------------------------------------------------------------------------

    def _member(self, tree: Name | Select | Index) -> Checked:
        path = self._path(tree)
        if path is not None:
            return Input(path, self._input_type(path, tree.column))
        if isinstance(tree, Name):
            raise self._not_a_value(tree)
        of = self.check(tree.of)
        key = Const(tree.name, Type.STRING) if isinstance(tree, Select) else self.check(tree.key)
        self._require_container(of, key, tree.column)
        return Apply("index", (of, key), Type.DYN)

    @staticmethod
    def _require_container(of: Checked, key: Checked, column: int) -> None:
        if of.type not in {Type.LIST, Type.MAP, Type.DYN}:
            raise refuse(
                column, f"a {of.type} has no members.", "Only objects and lists are looked into."
            )
        fits = {Type.LIST: {Type.INT, Type.DYN}, Type.MAP: {Type.STRING, Type.DYN}}
        if key.type not in fits.get(of.type, {Type.INT, Type.STRING, Type.DYN}):
            raise refuse(
                column,
                f"a {of.type} is not indexed by {key.type}.",
                "Index a list by an int and an object by a text.",
            )

    def _path(self, tree: Parsed) -> Path | None:
        """Return which input a name is, or None when it is none by itself."""
        chain = _chain(tree)
        return None if chain is None else self._scope.path_of(chain)

    def _input_type(self, path: Path, column: int) -> Type:
        kind = self._scope.type_of(path)
        if kind is None:
            raise refuse(column, *self._scope.unknown(path))
        return kind

    def _not_a_value(self, tree: Name) -> Invalid:
        example = self._scope.example(tree.name)
        return refuse(tree.column, f"{tree.name!r} by itself is no value.", example)

    # --- operators ------------------------------------------------------------------------

    def _operate(self, tree: Operate) -> Checked:
        operator, column = tree.operator, tree.column
        operands = tuple(self.check(operand) for operand in tree.operands)
        operands = self._aligned(operator, operands, tree.operands)
        types = tuple(operand.type for operand in operands)
        if operator in {"&&", "||", "!"}:
            self._require_bools(operator, operands, tree.operands)
            if operator == "!":
                return Apply("!", operands, Type.BOOL)
            return Logic(operator == "&&", operands)
        if operator == "?:":
            self._require_bools("?", operands[:1], tree.operands[:1])
            condition, then, otherwise = operands
            return Choose(condition, then, otherwise, _same((then, otherwise), column))
        if len(operands) == 1:
            if types[0] not in _NUMBER:
                raise refuse(column, f"{types[0]} has no sign.", "Only numbers are negated.")
            return Apply("negate", operands, types[0])
        rule = _BINARY.get(operator, _arithmetic)
        return Apply(operator, operands, rule(operator, types[0], types[1], column))

    def _aligned(
        self, operator: str, operands: tuple[Checked, ...], parts: tuple[Parsed, ...]
    ) -> tuple[Checked, ...]:
        """Return operands that are compared or added in one unit."""
        if operator in ALIGNED and len(operands) == 2:
            return self._units.align(operator, operands, parts)
        if operator == "?:":
            _then, other = self._units.align("?:", operands[1:], parts[1:])
            return (*operands[:2], other) if _then is operands[1] else operands
        if operator == "in" and isinstance(operands[1], Items):
            return operands[0], self._aligned_items(operands[0], operands[1], parts[0])
        return operands

    def _aligned_items(self, value: Checked, items: Items, part: Parsed) -> Items:
        return Items(
            tuple(self._units.align("==", (value, item), (part, part))[1] for item in items.items)
        )

    @staticmethod
    def _require_bools(operator: str, operands: Sequence[Checked], trees: Sequence[Parsed]) -> None:
        for operand, tree in zip(operands, trees, strict=True):
            if operand.type not in {Type.BOOL, Type.DYN}:
                raise refuse(
                    tree.column,
                    f"{operator} takes bool, and this gives {operand.type}.",
                    "Compare the value with something, as in rpm > 0.",
                )

    # --- calls ----------------------------------------------------------------------------

    def _call(self, tree: Call) -> Checked:
        if tree.name == "has" and tree.target is None:
            return self._has(tree)
        if tree.name in _LEFT_OUT:
            raise refuse(
                tree.column,
                f"{tree.name}() is not part of this language.",
                f"There are no {_LEFT_OUT[tree.name]}; use comparisons and {_names()}.",
            )
        function = self._scope.remembers.get(tree.name)
        if function is not None and is_stateful(tree, function):
            return check_feed(tree, function, self.check, self._units)
        trees = tree.arguments if tree.target is None else (tree.target, *tree.arguments)
        if tree.name in {"min", "max"} and tree.target is None:
            return self._extreme(tree)
        wanted, result = self._signature(tree)
        if len(trees) != len(wanted):
            raise refuse(
                tree.column,
                f"{tree.name}() takes {len(wanted)} and was given {len(trees)}.",
                "Count the arguments (the value in front of the dot is one).",
            )
        arguments = tuple(self.check(argument) for argument in trees)
        for argument, part, types in zip(arguments, trees, wanted, strict=True):
            if argument.type not in types:
                known = " or ".join(sorted(types - {Type.DYN}))
                raise refuse(
                    part.column,
                    f"{tree.name}() takes {known}, and this gives {argument.type}.",
                    "Convert the value with int(), double() or string().",
                )
        return Apply(tree.name, arguments, result or arguments[0].type)

    def _signature(self, tree: Call) -> tuple[tuple[set[Type], ...], Type | None]:
        """Return what a function takes and gives: one of ours, or of another package."""
        table = _FUNCTIONS if tree.target is None else _METHODS
        signature = table.get(tree.name)
        if signature is not None:
            return signature
        if tree.target is not None or tree.name in _METHODS:
            raise self._unknown_function(tree)
        try:
            plugged = find_function(tree.name)
        except Invalid as error:
            raise refuse(tree.column, error.detail, error.remedy) from error
        if plugged is None:
            raise self._unknown_function(tree)
        return tuple(_TAKES[kind] for kind in plugged.arguments), plugged.gives

    def _unknown_function(self, tree: Call) -> Invalid:
        if tree.target is None and tree.name in _METHODS:
            return refuse(
                tree.column, f"{tree.name}() stands behind a text.", f"Write key.{tree.name}('x')."
            )
        if tree.target is not None and tree.name in {
            *_FUNCTIONS,
            "min",
            "max",
            "has",
            *self._scope.remembers,
        }:
            return refuse(
                tree.column,
                f"{tree.name}() does not stand behind a value.",
                f"Write {tree.name}(key).",
            )
        known = [*_FUNCTIONS, *_METHODS, "min", "max", "has", *self._scope.remembers]
        known += installed_functions()
        return refuse(
            tree.column, f"there is no function {tree.name}().", suggest(tree.name, known)
        )

    def _extreme(self, tree: Call) -> Checked:
        arguments = tuple(self.check(argument) for argument in tree.arguments)
        if len(arguments) < 2:
            raise refuse(tree.column, f"{tree.name}() takes at least 2.", "Give two numbers.")
        for argument, part in zip(arguments, tree.arguments, strict=True):
            if argument.type not in _NUMBER:
                raise refuse(
                    part.column,
                    f"{tree.name}() takes numbers, and this gives {argument.type}.",
                    "Convert the value with int() or double().",
                )
        first, part = arguments[0], tree.arguments[0]
        rest = [self._units.align("==", (first, one), (part, part))[1] for one in arguments[1:]]
        arguments = (first, *rest)
        types = {argument.type for argument in arguments}
        return Apply(tree.name, arguments, types.pop() if len(types) == 1 else Type.DYN)

    def _has(self, tree: Call) -> Checked:
        keys: list[str] = []
        part: Parsed = tree.arguments[0] if len(tree.arguments) == 1 else tree
        while (path := self._path(part)) is None and isinstance(part, Select):
            keys.append(part.name)
            part = part.of
        if path is None:
            raise refuse(
                tree.column,
                "has() takes one input.",
                "Write has(temperature) or has(twin.reported.x).",
            )
        self._input_type(path, part.column)
        return Has(path, tuple(reversed(keys)))


def _constant(tree: Literal) -> Const:
    if tree.type in {Type.DURATION, Type.SAMPLES}:
        raise refuse(
            tree.column,
            f"{tree.type} is no value by itself.",
            "It stands in a function that remembers, as in mean(temperature, 5m).",
        )
    return Const(tree.value, tree.type, tree.unit)


def _chain(tree: Parsed) -> tuple[str, ...] | None:
    """Return `a.b["c"]` as its names, or None for what is no chain of names."""
    match tree:
        case Name():
            return (tree.name,)
        case Select():
            of, key = _chain(tree.of), tree.name
        case Index(key=Literal(type=Type.STRING)) if isinstance(tree.key, Literal):
            of, key = _chain(tree.of), str(tree.key.value)
        case _:
            return None
    return None if of is None else (*of, key)


def _names() -> str:
    return ", ".join(f"{name}()" for name in sorted({*_FUNCTIONS, *_METHODS, "min", "max", "has"}))


def _same(operands: Sequence[Checked], column: int) -> Type:
    types = {operand.type for operand in operands}
    if len(types) == 1:
        return types.pop()
    if Type.DYN in types or types <= NUMBERS:
        return Type.DYN
    raise refuse(
        column,
        f"the two choices of '?' give {' and '.join(sorted(types))}.",
        "Make both of one type.",
    )


def _arithmetic(operator: str, left: Type, right: Type, column: int) -> Type:
    if operator == "+" and left in _TEXT and right in _TEXT:
        return Type.STRING if left is right is Type.STRING else Type.DYN
    if left in _NUMBER and right in _NUMBER and operator != "%":
        if left is right is Type.INT:
            return Type.INT
        return Type.DYN if Type.DYN in {left, right} else Type.DOUBLE
    if operator == "%" and {left, right} <= {Type.INT, Type.DYN}:
        return Type.INT
    raise refuse(
        column,
        f"{operator} cannot take {left} and {right}.",
        "% takes ints; int(x) cuts decimals off."
        if operator == "%"
        else "Convert one side with double(), int() or string().",
    )


def _order(operator: str, left: Type, right: Type, column: int) -> Type:
    ordered = {Type.INT, Type.DOUBLE, Type.STRING, Type.BOOL, Type.DYN}
    fits = left is right or Type.DYN in {left, right} or {left, right} <= NUMBERS
    if fits and {left, right} <= ordered:
        return Type.BOOL
    raise refuse(
        column, f"{operator} cannot compare {left} with {right}.", "Compare values of one type."
    )


def _equality(operator: str, left: Type, right: Type, column: int) -> Type:
    if left is right or Type.DYN in {left, right} or {left, right} <= NUMBERS:
        return Type.BOOL
    raise refuse(
        column,
        f"{operator} compares {left} with {right}, which are never equal.",
        "Write has(key) to ask whether a value is there."
        if Type.NULL in {left, right}
        else "Compare values of one type.",
    )


def _membership(_operator: str, _left: Type, right: Type, column: int) -> Type:
    if right in {Type.LIST, Type.MAP, Type.DYN}:
        return Type.BOOL
    raise refuse(
        column, f"in looks into a list or object, and this is {right}.", "Write x in ['a', 'b']."
    )


_BINARY: dict[str, Callable[[str, Type, Type, int], Type]] = {
    "<": _order, "<=": _order, ">": _order, ">=": _order,
    "==": _equality, "!=": _equality, "in": _membership,
}  # fmt: skip
