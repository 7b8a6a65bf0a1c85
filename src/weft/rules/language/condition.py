"""A condition, compiled: text and scope in, a checked tree with its inputs out."""

from msgspec import Struct

from weft.rules.language.check import check
from weft.rules.language.cost import require_affordable
from weft.rules.language.generate import asked_of, inputs_of
from weft.rules.language.parse import parse
from weft.rules.language.scope import Names
from weft.rules.language.syntax import Checked, Path


class Condition(Struct, frozen=True):
    """A condition that has been checked against what a device can say."""

    text: str
    tree: Checked
    required: frozenset[Path]  # inputs whose value it reads
    asked: frozenset[Path]  # inputs that it only asks has() for
    cost: int

    @property
    def paths(self) -> frozenset[Path]:
        """All inputs that it touches."""
        return self.required | self.asked


def compile_condition(text: str, scope: Names) -> Condition:
    """Read and check a condition; raise `Invalid` with the column, what and a remedy."""
    tree = check(parse(text), scope)
    return Condition(
        text=text,
        tree=tree,
        required=frozenset(inputs_of(tree)),
        asked=frozenset(asked_of(tree)),
        cost=require_affordable(tree),
    )
