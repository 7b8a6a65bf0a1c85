"""What tenants may set up: the kinds that are offered, and what their settings may say.

A tenant's settings are those of the configuration file, without what only the operator of
the machine may say, and without a secret: secrets come beside them and are sealed. Nothing
in them reads a file, a variable or a socket of this machine.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.connectors.base import ConnectorSettings
from weft.connectors.described import OPERATORS, Setting, in_force, settings_of, table_of
from weft.connectors.email import TOTAL_MAX_S
from weft.connectors.own_places import require_plain
from weft.connectors.registry import KINDS, find_kind
from weft.errors import ConfigurationError, Invalid
from weft.observability.log import get_logger

log = get_logger(__name__)

SETTINGS_BYTES: Final = 32 * 1024
TIMEOUT_MIN_S: Final = 1.0  # less cuts off requests that the far side then carries out
TIMEOUT_MAX_S: Final = 10.0  # of one request: six of them fit into one attempt of the outbox
PAUSE_MAX_S: Final = 3_600.0
_REFERENCES: Final = ("file:", "env:", "sealed:")


class OwnSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[own_connectors]`: connectors that tenants set up themselves, while Weft runs."""

    allow: tuple[str, ...] = ()  # CIDRs of systems in your own network; no private ones else
    schemes: tuple[str, ...] = ("https",)  # http is always fine to an allowed loopback address
    ports: tuple[int, ...] = (443, 8443)  # of public addresses; any port of an allowed one
    plugins: tuple[str, ...] = ()  # kinds of other packages that tenants may set up as well
    connectors_max: int = 20  # of one tenant
    test_timeout_s: float = 30.0  # of one test of settings, with all its requests


class OfferedKind(Struct, frozen=True):
    """A kind of connector that tenants may set up."""

    kind: str
    page: str
    actions: tuple[str, ...]
    quality: str
    settings: tuple[Setting, ...]


class Offer:
    """The kinds that tenants may set up: ours, and those of other packages that are named."""

    def __init__(self, plugins: Sequence[str] = ()) -> None:
        """Import what is named. What cannot be is told and not offered: Weft starts without it."""
        self._kinds: dict[str, tuple[type[ConnectorSettings], Any]] = dict(KINDS)
        for kind in plugins:
            try:
                found = find_kind(kind)
            except ConfigurationError as error:
                log.error("own_connector_kind_missing", kind=kind, error=error.detail,
                          remedy=error.remedy)  # fmt: skip
                continue
            if found is None:
                log.error("own_connector_kind_missing", kind=kind,
                          error=f"[own_connectors] plugins: there is no kind {kind!r}.",
                          remedy="Install the package that brings it, or take it out.")  # fmt: skip
                continue
            self._kinds[kind] = found

    def kinds(self) -> list[OfferedKind]:
        """Return the kinds by name."""
        return [_offered(kind, *self._kinds[kind]) for kind in sorted(self._kinds)]

    def settings_type(self, kind: str) -> type[ConnectorSettings]:
        """Return the settings of a kind, or raise `Invalid`."""
        if kind not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise Invalid(f"There is no kind {kind!r} to set up.", remedy=f"Kinds are: {known}.")
        return self._kinds[kind][0]


def require_settings(settings: Sequence[Setting], given: Mapping[str, Any]) -> None:
    """Raise `Invalid` for settings that a tenant may not give, or that hold a secret."""
    for name in OPERATORS:
        if name in given:
            raise Invalid(
                f"{name!r} is not for a tenant to set: it opens networks or other tenants.",
                remedy="Leave it out. The operator sets such a connector up in the configuration "
                "file, as [connectors.NAME].",
            )
    for one in settings:
        if one.secret and one.name.rpartition(".")[2] in table_of(one.name, given):
            raise Invalid(
                f"{one.name!r} is a secret, and settings hold none.",
                remedy=f'Give it beside them: "secrets": {{"{one.name}": "…"}}.',
            )
    if len(msgspec.json.encode(given)) > SETTINGS_BYTES:
        raise Invalid(f"The settings have more than {SETTINGS_BYTES} bytes.")
    for name, value in _seconds(settings, given):
        least, most = _bounds_of(name)
        if not (least <= value <= most and value > 0):
            raise Invalid(
                f"{name!r} is {_shown(value)} s.",
                remedy=f"Give at least {least:g} and at most {most:g} s."
                if least
                else f"Give more than 0 and at most {most:g} s.",
            )
    require_plain(settings, given)


def _bounds_of(name: str) -> tuple[float, float]:
    """Return between which seconds a setting may be."""
    if name == "total_timeout_s":
        return TIMEOUT_MIN_S, TOTAL_MAX_S
    if name.endswith("timeout_s"):
        return TIMEOUT_MIN_S, TIMEOUT_MAX_S
    return 0.0, PAUSE_MAX_S


def _shown(value: float) -> str:
    """Return a number in few characters; a whole number may be larger than any float."""
    try:
        return f"{value:g}"
    except OverflowError:
        return "10**308 or more"


def require_secrets(
    settings: Sequence[Setting], given: Mapping[str, Any], secrets: Mapping[str, str | None]
) -> None:
    """Raise `Invalid` for a secret that has no place in these settings, or is a reference."""
    known = secrets_of(settings, given)
    for name, text in secrets.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise Invalid(
                f"{name!r} is no secret of these settings.", remedy=f"Secrets are: {names}."
            )
        if text is not None and text.strip().startswith(_REFERENCES):
            raise Invalid(
                f"The secret {name!r} names where a secret stands, and is none.",
                remedy="Give the secret itself. file:, env: and sealed: are for the operator's "
                "configuration file.",
            )
        if text is not None and not text.strip():
            raise Invalid(f"The secret {name!r} is empty.", remedy="Give it, or leave it out.")


def secrets_of(settings: Sequence[Setting], given: Mapping[str, Any]) -> list[str]:
    """Return the names of the secrets that have a place in these settings."""
    return [one.name for one in in_force(settings, given) if one.secret]


def with_tables(given: Mapping[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """Return settings with the tables of these secrets, though nothing else stands in them.

    Who reads settings and saves them again so keeps the secrets; who leaves a table out
    forgets those in it.
    """
    table: dict[str, Any] = msgspec.to_builtins(given)
    for name in secrets:
        place = table
        for part in name.split(".")[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Invalid(f"settings: {part!r} is no table.")
    return table


def table_with(
    settings: Sequence[Setting], given: Mapping[str, Any], secrets: Sequence[str]
) -> dict[str, Any]:
    """Return settings in which a reference stands for each secret that is set.

    Raise `Invalid` where one is needed and not set.
    """
    table = with_tables(given, secrets)
    for name in secrets:
        *above, last = name.split(".")
        place = table
        for part in above:
            place = place[part]
        place[last] = f"sealed:{name}"
    for one in in_force(settings, table):
        if not one.secret or not one.required or one.name in secrets:
            continue
        if "." not in one.name or table_of(one.name, table):
            raise Invalid(
                f"The secret {one.name!r} is missing.",
                remedy=f'Give it: "secrets": {{"{one.name}": "…"}}.',
            )
    return table


def _seconds(settings: Sequence[Setting], given: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in _given(settings, given):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and name.endswith("_s"):
            yield name, value


def _given(settings: Sequence[Setting], given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for one in settings:
        table, last = table_of(one.name, given), one.name.rpartition(".")[2]
        if last in table:
            yield last, table[last]


def _offered(kind: str, type_: type[ConnectorSettings], made: Any) -> OfferedKind:
    return OfferedKind(
        kind=kind,
        page=f"docs/howto/{made.page}.md",
        actions=tuple(sorted(made.actions)),
        quality=str(made.quality),
        settings=settings_of(type_),
    )
