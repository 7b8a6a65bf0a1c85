"""The table of functions that remember. To add one: a module beside this, and a line here."""

from collections.abc import Mapping
from functools import partial

from weft.rules.feeds.absence import make_silent, silent_cost
from weft.rules.feeds.anomaly import ANOMALIES
from weft.rules.feeds.base import Function, Parameter, Takes
from weft.rules.feeds.consumption import consumed_cost, make_consumed
from weft.rules.feeds.durations import lasted_cost, make_lasted, make_time_in, time_in_cost
from weft.rules.feeds.edges import edge_cost, make_held, make_hysteresis, make_pair
from weft.rules.feeds.places import PLACES
from weft.rules.feeds.ranks import make_ranks, ranks_cost
from weft.rules.feeds.schedule import during_cost, make_during
from weft.rules.feeds.windows import make_window, window_cost

_VALUE = Parameter("value", Takes.NUMBER)
_ANY = Parameter("value", Takes.ANYTHING)
_CONDITION = Parameter("condition", Takes.TRUTH)
_WINDOW = Parameter("window", Takes.WINDOW)
_TIME = Parameter("time", Takes.TIME)


def _window(name: str, gives: str, unit: str, doc: str, *, takes: Parameter = _VALUE) -> Function:
    return Function(
        name=name,
        parameters=(takes, _WINDOW),
        gives=gives,
        make=partial(make_window, name),
        cost=partial(window_cost, name),
        doc=doc,
        example=f"{name}(temperature, 5m)",
        unit=unit,
    )


def _pair(name: str, takes: Parameter, gives: str, example: str, doc: str) -> Function:
    return Function(
        name=name,
        parameters=(takes,),
        gives=gives,
        make=partial(make_pair, name),
        cost=edge_cost,
        doc=doc,
        example=example,
        unit="same" if gives == "same" else "",
    )


_WINDOWS = (
    _window("mean", "double", "same", "The mean of the samples; each counts the same."),
    _window("min", "double", "same", "The smallest sample."),
    _window("max", "double", "same", "The largest sample."),
    _window("sum", "double", "same", "The sum of the samples; 0 once the window is empty."),
    _window("count", "int", "", "How many samples there are; 0 once the window is empty."),
    _window("stddev", "double", "apart", "The standard deviation (n - 1), from two samples on."),
    Function(
        name="percentile",
        parameters=(_VALUE, Parameter("percent", Takes.CONSTANT), _WINDOW),
        gives="double",
        make=make_ranks,
        cost=ranks_cost,
        doc="The value that so many percent of the samples do not exceed, interpolated.",
        example="percentile(temperature, 95, 10m)",
        unit="same",
    ),
    _window("delta", "double", "apart", "The newest sample less the oldest, from two on."),
    _window("rate", "double", "/s", "That difference a second, by the samples' own moments."),
    _window("slope", "double", "/s", "The slope a second of the line that fits the samples best."),
    _window(
        "increase", "double", "apart",
        "How far a counter went up; one that is lower than before began anew at 0.",
    ),
)  # fmt: skip

_EDGES = (
    _pair("changed", _ANY, "bool", "changed(mode)",
          "Whether the newest sample differs from the one before it."),
    _pair("previous", _ANY, "same", "previous(temperature)", "The sample before the newest."),
    _pair("rising", _CONDITION, "bool", "rising(temperature > 80)",
          "Whether a condition is true and was false one sample before."),
    _pair("falling", _CONDITION, "bool", "falling(temperature > 80)",
          "Whether a condition is false and was true one sample before."),
    Function(
        name="held",
        parameters=(_CONDITION, _TIME),
        gives="bool",
        make=make_held,
        cost=edge_cost,
        doc="Whether a condition has held for so long, by the samples' moments or by the clock.",
        example="held(temperature > 80, 30s)",
    ),
    Function(
        name="hysteresis",
        parameters=(_VALUE, Parameter("on", Takes.CONSTANT), Parameter("off", Takes.CONSTANT)),
        gives="bool",
        make=make_hysteresis,
        cost=edge_cost,
        doc="True once the value has reached `on`, until it has reached `off`.",
        example="hysteresis(temperature, 80, 75)",
    ),
)  # fmt: skip

_DERIVED = (
    Function(
        name="consumed",
        parameters=(_VALUE, Parameter("interval", Takes.TIME, optional=True)),
        gives="double",
        make=make_consumed,
        cost=consumed_cost,
        doc="How far a counter went up since the sample before, or since the interval began by the"
        " clock (UTC); one that is lower than before began anew at 0.",
        example="consumed(energy, 15m)",
        unit="apart",
    ),
    Function(
        name="lasted",
        parameters=(_CONDITION,),
        gives="double",
        make=make_lasted,
        cost=lasted_cost,
        doc="For how many seconds a condition has been true at the newest sample; 0 while it is"
        " not.",
        example="lasted(mode == 'run')",
        unit="s",
    ),
    Function(
        name="time_in",
        parameters=(_CONDITION, _TIME),
        gives="double",
        make=partial(make_time_in, is_share=False),
        cost=time_in_cost,
        doc="For how many seconds of the time before the newest sample a condition was true; what"
        " a sample says holds until the next.",
        example="time_in(mode == 'run', 8h)",
        unit="s",
    ),
    Function(
        name="utilisation",
        parameters=(_CONDITION, _TIME),
        gives="double",
        make=partial(make_time_in, is_share=True),
        cost=time_in_cost,
        doc="For which share of that time it was true, from 0 to 1; before the time is full, of"
        " what is known.",
        example="utilisation(mode == 'run', 8h)",
    ),
)

_CLOCKS = (
    Function(
        name="silent",
        parameters=(_ANY, _TIME),
        gives="bool",
        make=make_silent,
        cost=silent_cost,
        doc="Whether no sample was received for so long; of a device never heard, since it was"
        " made or the rule was saved.",
        example="silent(temperature, 10m)",
        unprompted=True,
    ),
    Function(
        name="during",
        parameters=(
            Parameter("times", Takes.TEXT),
            Parameter("zone", Takes.TEXT),
            Parameter("holidays", Takes.LIST, optional=True),
        ),
        gives="bool",
        make=make_during,
        cost=during_cost,
        doc="Whether it is within times of the week on the wall clock of a place.",
        example="during('Mon-Fri 06:00-22:00', 'Europe/Berlin')",
        clocked=True,
        unprompted=True,
    ),
)

FUNCTIONS: Mapping[str, Function] = {
    function.name: function
    for function in (*_WINDOWS, *_EDGES, *_DERIVED, *_CLOCKS, *ANOMALIES, *PLACES)
}
