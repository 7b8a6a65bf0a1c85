"""Production: what a device type says of the machine that it watches.

In its document stands which key is the state and in which states it produces, which keys count
what, and how fast it could be. Utilisation and effectiveness are worked out of it (ISO 22400-2).

    production:
      state: state              # a telemetry key
      producing: [running]      # in these states it produces
      not_planned: [changeover] # in these nobody expects it to; left out of the planned time
      count: parts              # what was made, good or not
      rejects: rejects          # or `good:` the good ones
      counts: total             # counters that run on; `each` where a sample counts by itself
      ideal_per_hour: 1800
      silent: 15m               # after which nobody knows the state any more
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from weft.errors import Invalid
from weft.model.device import DeviceType, Field
from weft.model.moments import NS_PER_S
from weft.registry.fields import require_known, require_mapping

SHORT: Final = "production"
LONG: Final = "weft:production"  # in a W3C Thing Model
_WORDS: Final = frozenset(
    {
        "state", "producing", "not_planned", "count", "rejects", "good", "counts",
        "ideal_per_hour", "silent",
    }
)  # fmt: skip
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME: Final = re.compile(r"([0-9]{1,6})([smhd])")
_STATES_MAX: Final = 50


class Production(Struct, frozen=True):
    """How a machine's telemetry is read."""

    state: str
    producing: frozenset[str]
    not_planned: frozenset[str] = frozenset()
    count: str | None = None
    rejects: str | None = None
    good: str | None = None
    counts_total: bool = True
    ideal_per_hour: float | None = None
    silent_ns: int = 900 * NS_PER_S

    @property
    def keys(self) -> tuple[str, ...]:
        """The telemetry keys that are read."""
        found = (self.state, self.count, self.rejects, self.good)
        return tuple(dict.fromkeys(key for key in found if key is not None))


def production_of(kind: DeviceType | None) -> Production | None:
    """Return what a type says of production; None where it says nothing."""
    if kind is None:
        return None
    section = kind.document.get(SHORT, kind.document.get(LONG))
    return None if section is None else read_production(section, kind.telemetry)


def require_production(document: Mapping[str, Any], telemetry: Mapping[str, Field]) -> None:
    """Raise `Invalid`, with the place, for a section that cannot be read."""
    section = document.get(SHORT, document.get(LONG))
    if section is not None:
        read_production(section, telemetry)


def read_production(section: Any, telemetry: Mapping[str, Field]) -> Production:
    """Read the section, or raise `Invalid` with the place."""
    said = require_mapping(section, SHORT)
    require_known(said, _WORDS, SHORT)
    if "state" not in said or "producing" not in said:
        raise Invalid(
            f"{SHORT} does not say when the machine produces.",
            remedy="Write state: KEY and producing: [STATE, ...].",
        )
    if "rejects" in said and "good" in said:
        raise Invalid(
            f"{SHORT} has both rejects and good.", remedy="One follows from the other: leave one."
        )
    return Production(
        state=_key(said, "state", telemetry) or "",
        producing=_states(said, "producing"),
        not_planned=_states(said, "not_planned"),
        count=_key(said, "count", telemetry),
        rejects=_key(said, "rejects", telemetry),
        good=_key(said, "good", telemetry),
        counts_total=_counts(said),
        ideal_per_hour=_rate(said),
        silent_ns=_silent(said),
    )


def _key(said: Mapping[str, Any], word: str, telemetry: Mapping[str, Field]) -> str | None:
    key = said.get(word)
    if key is None:
        return None
    if key not in telemetry:
        raise Invalid(
            f"{SHORT}.{word} is {key!r}, which is no telemetry of this type.",
            remedy=f"Name one of {', '.join(sorted(telemetry)) or 'its telemetry'}.",
        )
    if word != "state" and telemetry[key].type not in {"number", "integer"}:
        raise Invalid(
            f"{SHORT}.{word}: {key!r} is a {telemetry[key].type}, not a number.",
            remedy="Name a key that counts.",
        )
    return str(key)


def _states(said: Mapping[str, Any], word: str) -> frozenset[str]:
    found = said.get(word, [])
    if (
        not isinstance(found, list)
        or len(found) > _STATES_MAX
        or (word == "producing" and not found)
        or not all(isinstance(one, str | bool | int) for one in found)
    ):
        raise Invalid(
            f"{SHORT}.{word} is no list of states.",
            remedy=f"Write 1 to {_STATES_MAX} of them, as [running].",
        )
    return frozenset(one if isinstance(one, str) else str(one).lower() for one in found)


def _counts(said: Mapping[str, Any]) -> bool:
    word = said.get("counts", "total")
    if word not in {"total", "each"}:
        raise Invalid(f"{SHORT}.counts is {word!r}.", remedy="Write total or each.")
    return bool(word == "total")


def _rate(said: Mapping[str, Any]) -> float | None:
    rate = said.get("ideal_per_hour")
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e12:
        raise Invalid(
            f"{SHORT}.ideal_per_hour is {rate!r}.",
            remedy="Write how many an hour at best, as 1800.",
        )
    return float(rate)


def _silent(said: Mapping[str, Any]) -> int:
    text = said.get("silent", "15m")
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is not None:
        seconds = int(match[1]) * _UNITS_S[match[2]]
        if 0 < seconds <= 7 * 86_400:
            return seconds * NS_PER_S
    raise Invalid(f"{SHORT}.silent is {text!r}.", remedy="Write a time up to a week, as 15m or 2h.")
