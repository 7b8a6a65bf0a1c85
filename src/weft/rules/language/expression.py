"""An expression of any type, compiled: what a mapping or a label is made of.

It differs from a condition in one thing: it gives a value, not only true or false. A value
that is absent leaves it without one (`AbsentError`), as it leaves a condition unknown.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Struct

from weft.errors import Invalid
from weft.rules.language.check import check_value
from weft.rules.language.cost import require_affordable
from weft.rules.language.evaluate import evaluator
from weft.rules.language.parse import parse
from weft.rules.language.scope import Names
from weft.rules.language.syntax import Path, Type
from weft.rules.language.trees import asked_of, feeds_of, inputs_of


class Expression(Struct, frozen=True, eq=False):
    """A checked expression; call `value` with what its paths hold."""

    text: str
    type: Type
    paths: tuple[Path, ...]
    value: Callable[[Mapping[Path, Any]], Any]  # raises what evaluate.FAILURES lists


def compile_expression(text: str, scope: Names) -> Expression:
    """Read and check an expression; raise `Invalid` with the column, what and a remedy."""
    tree = check_value(parse(text), scope)
    require_affordable(tree)
    for feed in feeds_of(tree):
        raise Invalid(
            f"{feed.name}() remembers samples, and this is made of one moment.",
            remedy="Put it into the condition of the rule.",
        )
    paths = tuple(sorted(set(inputs_of(tree)) | set(asked_of(tree))))
    evaluate = evaluator(tree, {path: place for place, path in enumerate(paths)})

    def value(held: Mapping[Path, Any]) -> Any:
        return evaluate([held.get(path, UNSET) for path in paths])

    return Expression(text, tree.type, paths, value)
