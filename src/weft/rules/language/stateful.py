"""Calls of functions that remember: taken out of the tree, with canonical text and settings.

Their expressions are checked like any other. A constant that sets one up (a window, a
text) must be written out, for it decides how much is kept.
"""

from collections.abc import Callable
from typing import Any

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import FED, Count, Function, Origin, Parameter, Span, Takes
from weft.rules.language.render import call_text, constant, render
from weft.rules.language.syntax import (
    NUMBERS,
    Call,
    Checked,
    Feed,
    ListOf,
    Literal,
    Operate,
    Parsed,
    Path,
    Type,
)
from weft.rules.language.tokens import refuse
from weft.rules.language.trees import feeds_of, paths_of
from weft.rules.language.units import Units

NESTED_MAX = 3  # a mean of rates of sums
_FITS = {
    Takes.NUMBER: NUMBERS | {Type.DYN},
    Takes.TRUTH: frozenset({Type.BOOL, Type.DYN}),
    Takes.ANYTHING: frozenset(Type) - {Type.DURATION, Type.SAMPLES},
}
_WRITE = {
    Takes.NUMBER: "Write a key that is a number, as in temperature.",
    Takes.TRUTH: "Write a condition, as in temperature > 80.",
    Takes.ANYTHING: "Write a key, as in temperature.",
    Takes.WINDOW: "Write 5m, 1h30m or 10 samples.",
    Takes.TIME: "Write 30s, 5m or 1h30m.",
    Takes.CONSTANT: "Write the number itself, as in 95.",
    Takes.TEXT: "Write the text itself, in quotes.",
    Takes.LIST: "Write the list itself, as in [[52.1, 13.2], [52.3, 13.4]].",
}
_NOWHERE = Origin(tenant=TenantId(""), device_id=DeviceId(""), began_at=0)


def is_stateful(tree: Call, function: Function | None) -> bool:
    """Return whether a call is one that remembers: min(a, b) is not, min(a, 5m) is."""
    if function is None or tree.target is not None:
        return False
    if tree.name not in {"min", "max"}:
        return True
    last = tree.arguments[-1] if tree.arguments else tree
    return isinstance(last, Literal) and last.type in {Type.DURATION, Type.SAMPLES}


def check_feed(
    tree: Call, function: Function, check: Callable[[Parsed], Checked], units: Units
) -> Feed:
    """Return the node of a call, or raise `Invalid` with the column."""
    least = sum(not parameter.optional for parameter in function.parameters)
    if not least <= len(tree.arguments) <= len(function.parameters):
        names = ", ".join(one.name for one in function.parameters)
        raise refuse(
            tree.column,
            f"{tree.name}() takes ({names}) and was given {len(tree.arguments)}.",
            f"Write {function.example}.",
        )
    samples: list[Checked] = []
    settings: list[tuple[str, Any]] = []
    texts: list[str] = []
    for parameter, part in zip(function.parameters, tree.arguments, strict=False):
        if parameter.takes in FED:
            sample = _sample(tree, parameter, part, check(part))
            if function.gives == "same" and sample.type in {Type.LIST, Type.MAP}:
                raise refuse(
                    part.column,
                    f"{tree.name}() takes one value, not {sample.type}.",
                    "Write which part of it is meant, as in gps.speed.",
                )
            samples.append(sample)
            texts.append(render(sample))
        else:
            setting = _setting(tree, parameter, part)
            if isinstance(part, Literal) and part.unit:
                setting = units.number(setting, part.unit, samples[0], part.column)
            settings.append((parameter.name, setting))
            texts.append(constant(setting))
    made = Feed(
        name=tree.name,
        samples=tuple(samples),
        settings=tuple(settings),
        text=call_text(tree.name, texts),
        type=_gives(function, samples),
    )
    _require_fed(tree, made, function)
    _require_makeable(tree, made, function)
    return made


def _gives(function: Function, samples: list[Checked]) -> Type:
    if function.gives == "same":
        return samples[0].type
    return Type(function.gives)


def _sample(tree: Call, parameter: Parameter, part: Parsed, sample: Checked) -> Checked:
    fits = _FITS[parameter.takes]
    if sample.type not in fits:
        raise refuse(
            part.column,
            f"{tree.name}() takes {parameter.takes} as {parameter.name}, not {sample.type}.",
            _WRITE[parameter.takes],
        )
    return sample


def _setting(tree: Call, parameter: Parameter, part: Parsed) -> Any:
    value = _written(part, parameter.takes)
    if value is None:
        raise refuse(
            part.column,
            f"{tree.name}() takes {parameter.takes} as {parameter.name}.",
            _WRITE[parameter.takes],
        )
    return value


def _written(part: Parsed, takes: Takes) -> Any:
    """Return a constant as its maker gets it, or None when it is no such constant."""
    if takes is Takes.LIST:
        return _list(part) if isinstance(part, ListOf) else None
    if takes is Takes.CONSTANT:
        return _number(part)
    if not isinstance(part, Literal):
        return None
    match part.type, takes:
        case Type.DURATION, Takes.WINDOW if part.value > 0:
            return Span(part.value)
        case Type.DURATION, Takes.TIME if part.value > 0:
            return part.value
        case Type.SAMPLES, Takes.WINDOW:
            return Count(part.value)
        case Type.STRING, Takes.TEXT:
            return part.value
        case _:
            return None


def _number(part: Parsed) -> float | None:
    if isinstance(part, Operate) and part.operator == "-" and len(part.operands) == 1:
        inner = _number(part.operands[0])
        return None if inner is None else -inner
    if isinstance(part, Literal) and part.type in NUMBERS:
        return float(part.value)
    return None


def _list(part: ListOf) -> tuple[Any, ...] | None:
    items: list[Any] = []
    for item in part.items:
        if isinstance(item, ListOf):
            value: Any = _list(item)
        elif isinstance(item, Literal) and item.type is Type.STRING:
            value = item.value
        else:
            value = _number(item)
        if value is None:
            return None
        items.append(value)
    return tuple(items)


def _require_fed(tree: Call, made: Feed, function: Function) -> None:
    """Refuse what no message would ever feed, and what is nested too deep."""
    depth = _depth(made)
    if depth > NESTED_MAX:
        raise refuse(
            tree.column,
            f"functions that remember are nested {depth} deep; at most {NESTED_MAX} are.",
            "Split the condition into two rules, or leave one function out.",
        )
    fed: set[Path] = {path for sample in made.samples for path in paths_of(sample)}
    inner = any(feeds_of(sample) for sample in made.samples)
    if not function.clocked and not inner and not any(one[0] in FEEDING for one in fed):
        raise refuse(
            tree.column,
            f"no message feeds {tree.name}(): it names nothing that a device sends.",
            f"Write {function.example}.",
        )


FEEDING = frozenset({"telemetry", "reported"})


def _depth(tree: Checked) -> int:
    inner = (
        [_depth(one) for sample in tree.samples for one in feeds_of(sample)]
        if isinstance(tree, Feed)
        else []
    )
    return 1 + max(inner, default=0)


def _require_makeable(tree: Call, made: Feed, function: Function) -> None:
    try:
        function.make(dict(made.settings), _NOWHERE)
    except Invalid as error:
        raise refuse(tree.column, f"{tree.name}(): {error.detail}", error.remedy) from error
