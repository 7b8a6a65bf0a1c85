"""Rule functions by plug-in: pure functions that other packages bring, by entry point.

A package names `weft.functions` among its entry points: the name that rules write, and a
`RuleFunction` (see docs/howto/write-a-rule-function.md). It is imported when a rule that
names it is saved or taken up, so an installed package that nobody uses runs no code. Its
types and cost are checked as those of Weft's own functions; whatever it raises, and whatever
it gives that it did not declare, is a failed evaluation and never more. A name of ours cannot
be taken.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from msgspec import Struct

from weft.errors import Invalid
from weft.rules.language.syntax import Type
from weft.rules.language.values import MAX_TEXT, EvaluationError, fit, mismatch

GROUP: Final = "weft.functions"
ARGUMENTS_MAX: Final = 8
COST_MAX_NS: Final = 1_000_000  # a condition may cost five times as much in all
_UNIT_NS: Final = 50  # of the bound on a condition (`cost`)
_CLASSES: Final[Mapping[Type, type]] = {
    Type.DOUBLE: float, Type.INT: int, Type.STRING: str, Type.BOOL: bool,
}  # fmt: skip


class RuleFunction(Struct, frozen=True, kw_only=True):
    """A pure function for rules: the same answer for the same arguments, and no effect.

    It runs where messages are looked at: it must not wait, read a file, ask a network or keep
    anything. `cost_ns` is its worst time for one call in nanoseconds.
    """

    arguments: tuple[str, ...]  # each one of double, int, string, bool
    gives: str
    cost_ns: int
    work: Callable[..., Any]


class Plugged(Struct, frozen=True, eq=False):
    """A function as the checker and the evaluator know it."""

    name: str
    arguments: tuple[Type, ...]
    gives: Type
    units: int  # of the bound on a condition
    package: str
    call: Callable[..., Any]  # raises `EvaluationError` for whatever goes wrong in it


def installed_functions() -> list[str]:
    """Return the names that installed packages bring; nothing of them is imported."""
    return sorted({one.name for one in _entries()})


def find_function(name: str) -> Plugged | None:
    """Return a function of another package, or None where no package brings it.

    Raises `Invalid` where it cannot be imported or does not fit.
    """
    return _find(name, tuple(one for one in _entries() if one.name == name))


def get_call(name: str) -> Callable[..., Any]:
    """Return what is called for a function that a checked condition names."""
    found = find_function(name)
    if found is None:  # uninstalled under a running Weft: what was checked goes on failing
        return _missing(name)
    return found.call


@cache  # an installed package stays as it is while Weft runs, as all code does
def _find(name: str, entries: tuple[EntryPoint, ...]) -> Plugged | None:
    if not entries:
        return None
    packages = ", ".join(sorted(_package_of(one) for one in entries))
    if len(entries) > 1:
        raise Invalid(
            f"several packages bring {name}(): {packages}.", remedy="Uninstall all but one."
        )
    try:
        made: Any = entries[0].load()
    except Exception as error:  # foreign code: whatever it raises, Weft says which
        raise Invalid(
            f"{name}() of {packages} cannot be imported ({type(error).__name__}: {error}).",
            remedy="Update or uninstall that package.",
        ) from error
    problem = _problem(made)
    if problem:
        raise Invalid(
            f"{name}() of {packages} {problem}.",
            remedy="See docs/howto/write-a-rule-function.md.",
        )
    return Plugged(
        name=name,
        arguments=tuple(Type(one) for one in made.arguments),
        gives=Type(made.gives),
        units=max(1, -(-made.cost_ns // _UNIT_NS)),
        package=packages,
        call=_guarded(f"{name}()", packages, made),
    )


def _problem(made: Any) -> str:
    if not isinstance(made, RuleFunction):
        return "is no RuleFunction"
    known = sorted(str(one) for one in _CLASSES)
    if not 0 < len(made.arguments) <= ARGUMENTS_MAX:
        return f"takes {len(made.arguments)} arguments, and 1 to {ARGUMENTS_MAX} are possible"
    if not {*made.arguments, made.gives} <= set(known):
        return f"has a type that is none of {', '.join(known)}"
    if not 0 < made.cost_ns <= COST_MAX_NS:
        return f"costs {made.cost_ns} ns, and 1 to {COST_MAX_NS} are possible"
    work: Any = made.work
    return "" if callable(work) else "has no work that could be called"


def _guarded(name: str, package: str, made: RuleFunction) -> Callable[..., Any]:
    """Return what is called: it takes and gives what was declared, and fails alone.

    Classes are compared as they are, bool is no int: 0.9 µs beside the function's own time.
    """
    classes = tuple(_CLASSES[Type(one)] for one in made.arguments)
    gives, work = Type(made.gives), made.work
    result_class: Any = _CLASSES[gives]

    def call(*given: Any) -> Any:
        values = given
        for value, wanted in zip(given, classes, strict=True):
            if value.__class__ is not wanted:
                values = _taken(name, given, classes)
                break
        try:
            result = work(*values)
        except Exception as error:  # foreign code on the path of messages: it fails alone
            raise EvaluationError(f"{name} of {package} failed ({type(error).__name__})") from error
        if gives is Type.DOUBLE and result.__class__ is int:
            return float(fit(result))
        if result.__class__ is not result_class:
            raise EvaluationError(f"{name} of {package} gave no {gives}, as it had declared")
        if gives is Type.INT:
            return fit(result)
        if gives is Type.STRING and len(result) > MAX_TEXT:
            raise EvaluationError(f"a text would be longer than {MAX_TEXT} characters")
        return result

    return call


def _taken(name: str, given: tuple[Any, ...], classes: tuple[type, ...]) -> tuple[Any, ...]:
    """Return the arguments with ints as doubles where those are wanted."""
    taken: list[Any] = []
    for value, wanted in zip(given, classes, strict=True):
        widened = wanted is float and type(value) is int
        if not widened and type(value) is not wanted:
            raise mismatch(name, value)
        taken.append(float(value) if widened else value)
    return tuple(taken)


def _missing(name: str) -> Callable[..., Any]:
    def fail(*_given: Any) -> Any:
        raise EvaluationError(f"there is no {name}() any more: its package was uninstalled")

    return fail


def _entries() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


def _package_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
