"""The functions of places, for the table: fences, and the trip that a device is on."""

from functools import partial

from weft.rules.feeds.base import Function, Parameter, Takes
from weft.rules.feeds.fences import fence_cost, make_away, make_fenced
from weft.rules.feeds.journeys import journey_cost, make_journeying

_POSITION = (Parameter("latitude", Takes.NUMBER), Parameter("longitude", Takes.NUMBER))
_FENCE = Parameter("fence", Takes.TEXT)


def _fenced(name: str, doc: str) -> Function:
    margin = Parameter("margin", Takes.NUMBER, optional=True)
    return Function(
        name=name,
        parameters=(*_POSITION, _FENCE, margin, Parameter("time", Takes.TIME, optional=True)),
        gives="bool",
        make=partial(make_fenced, name),
        cost=fence_cost,
        doc=doc,
        example=f"{name}(latitude, longitude, 'depot')",
        places=True,
    )


def _journey(name: str, gives: str, unit: str, doc: str, *, stop: bool = True) -> Function:
    named = (Parameter("stop", Takes.TEXT, optional=True),) if stop else ()
    return Function(
        name=name,
        parameters=(*_POSITION, *named),
        gives=gives,
        make=partial(make_journeying, name),
        cost=journey_cost,
        doc=doc,
        example=f"{name}(latitude, longitude)",
        places=True,
        unit=unit,
    )


PLACES = (
    _fenced("inside", "Whether a position is in a geofence; nearer to its border than a margin in"
            " metres, or for less than a time, it is where it was."),
    _fenced("outside", "Whether it is not, likewise."),
    _fenced("enters", "Whether it is in a geofence and was outside one sample before."),
    _fenced("leaves", "Whether it is outside a geofence and was in it one sample before."),
    Function(
        name="distance",
        parameters=(*_POSITION, _FENCE),
        gives="double",
        make=make_away,
        cost=fence_cost,
        doc="The metres from a position to a geofence; 0 inside.",
        example="distance(latitude, longitude, 'depot')",
        places=True,
        unit="m",
    ),
    _journey("off_route", "double", "m", "The metres from a position to the planned route of the"
             " device's trip; 0 without a trip.", stop=False),
    _journey("eta", "double", "s", "The seconds until the next stop of the trip is reached, or"
             " the one that is named."),
    _journey("late_by", "double", "s", "How many seconds later than planned that will be; early"
             " below 0; 0 without a stop to come."),
    _journey("dwell", "double", "s", "For how many seconds it has been at a stop; 0 between"
             " stops."),
    _journey("overstays", "bool", "", "Whether it is at a stop for longer than that allows."),
    _journey("missed_stop", "bool", "", "Whether a stop of the trip was passed without a halt."),
    _journey("next_stop", "string", "", "The name of the next stop; empty without one.",
             stop=False),
)  # fmt: skip
