"""The table of functions that remember. To add one: a module beside this, and a line here."""

from collections.abc import Mapping
from functools import partial

from weft.rules.feeds.base import Function, Parameter, Takes
from weft.rules.feeds.windows import make_window, window_cost

_VALUE = Parameter("value", Takes.NUMBER)
_WINDOW = Parameter("window", Takes.WINDOW)


def _window(name: str, gives: str, doc: str) -> Function:
    return Function(
        name=name,
        parameters=(_VALUE, _WINDOW),
        gives=gives,
        make=partial(make_window, name),
        cost=window_cost,
        doc=doc,
        example=f"{name}(temperature, 5m)",
    )


_ALL = (
    _window("mean", "double", "The mean of the samples; each counts the same."),
    _window("min", "double", "The smallest sample."),
    _window("max", "double", "The largest sample."),
    _window("sum", "double", "The sum of the samples; 0 when the window has become empty."),
    _window("count", "int", "How many samples there are; 0 when the window has become empty."),
    _window("stddev", "double", "The standard deviation of a sample (n - 1), from two on."),
)

FUNCTIONS: Mapping[str, Function] = {function.name: function for function in _ALL}
