"""Formulas: the expression of a derivation, checked against a scope; errors name the column."""

from typing import Final

from msgspec import Struct

from weft.errors import Invalid
from weft.rules.derived.model import Derivation
from weft.rules.language.condition import Condition, value_of
from weft.rules.language.parse import parse
from weft.rules.language.scope import Scope
from weft.rules.language.syntax import Path, Type
from weft.rules.language.tokens import refuse

SENT: Final = frozenset({"telemetry", "reported"})
GIVES: Final = frozenset({Type.INT, Type.DOUBLE, Type.BOOL, Type.STRING, Type.DYN})


class Formula(Struct, frozen=True, eq=False):
    """A derivation with its expression for one scope."""

    derivation: Derivation
    value: Condition
    scope: Scope

    @property
    def sent(self) -> frozenset[Path]:
        """The inputs that devices send, through what is remembered as well."""
        return frozenset(path for path in self.value.paths if path[0] in SENT)

    @property
    def direct(self) -> frozenset[Path]:
        """The slots that it looks at itself, feeds' values among them."""
        return self.value.required | self.value.asked


def compile_formula(derivation: Derivation, scope: Scope) -> Formula:
    """Compile for one kind of device; raise `Invalid` where it does not fit."""
    return Formula(derivation, compile_value(derivation.document.value, scope), scope)


def compile_value(text: str, scope: Scope) -> Condition:
    """Read and check an expression; raise `Invalid` with the column, what and a remedy."""
    parsed = parse(text)
    made = value_of(parsed, text, scope)
    if made.tree.type not in GIVES:
        raise refuse(
            parsed.column,
            f"the expression gives {made.tree.type}, and telemetry is computed as a number, a text"
            " or true or false.",
            "Say which part of it is meant, as in gps.speed.",
        )
    if not any(path[0] in SENT for path in made.paths):
        raise refuse(
            parsed.column,
            "the expression reads nothing that a device sends, so it would never be computed.",
            "Name a telemetry key, as in voltage * current.",
        )
    return made


def telemetry_of(value: Condition) -> tuple[str, ...]:
    """Return the telemetry keys that an expression reads."""
    return tuple(sorted(key for source, key in value.paths if source == "telemetry"))


def require_key(key: str, reserved: frozenset[str]) -> str:
    """Return a telemetry key that can be given, or raise `Invalid`."""
    if not key or len(key) > 128 or key in reserved or not key.isprintable():
        raise Invalid(
            f"key: {key!r} cannot be a key of telemetry.",
            remedy=f"Write a plain name, as power_kw; not one of {', '.join(sorted(reserved))}.",
        )
    return key
