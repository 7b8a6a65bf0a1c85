"""The functions of places as a tenant's rules may call them: names are looked up on save."""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from weft.errors import Invalid
from weft.model.ids import TenantId
from weft.rules.feeds.base import Feed, Function, Origin, Settings
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.language.scope import suggest
from weft.rules.places.lookup import Places


def functions_of(places: Places | None, tenant: TenantId) -> Mapping[str, Function]:
    """Return all functions that remember; those of places refuse a name that the tenant has not."""
    if places is None:
        return FUNCTIONS
    held = places
    known: dict[str, Callable[[], list[str]]] = {
        "fence": lambda: held.fence_names(tenant),
        "stop": lambda: held.stop_names(tenant),
    }
    made = dict(FUNCTIONS)
    for function in FUNCTIONS.values():
        for parameter in function.parameters:
            if function.places and parameter.name in known:
                made[function.name] = _checked(function, parameter.name, known[parameter.name])
    return made


def _checked(function: Function, noun: str, names: Callable[[], list[str]]) -> Function:
    def make(settings: Settings, origin: Origin) -> Feed:
        name = settings.get(noun)
        if name is not None and name not in names():
            raise Invalid(f"there is no {noun} {name!r}.", remedy=_meant(name, noun, names()))
        return function.make(settings, origin)

    return replace(function, make=make)


def _meant(name: str, noun: str, names: list[str]) -> str:
    if names:
        return suggest(name, names)
    command = "weft geofence save" if noun == "fence" else "weft route save"
    return f"There is none yet: {command} {name} FILE.geojson"
