"""Derivation documents: the plain form that files and packs have, and back.

    key: power
    unit: kW
    selector: {type: press}              # or devices: [...], attributes: {hall: 3}
    value: voltage * current / 1000.0

One that is rolled up has `scope: {asset: NAME}` or `{group: NAME}`, with `stale_after: 10m`, and
the `device` that stands for the members. Only the form is judged here; `checking` judges the rest.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from weft.errors import Invalid
from weft.model.moments import NS_PER_S
from weft.rules.derived.model import DerivationDocument
from weft.rules.durations import read_duration
from weft.rules.model import RuleScope, Selector


class _Selector(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    type: str | None = None
    devices: tuple[str, ...] = ()
    attributes: dict[str, Any] = {}


class _Scope(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    group: str = ""
    asset: str = ""
    stale_after: str = ""


class _Document(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    key: str
    value: str
    selector: _Selector = _Selector()
    unit: str = ""
    description: str = ""
    scope: _Scope | None = None
    device: str = ""


def read_derivation(values: Mapping[str, Any]) -> DerivationDocument:
    """Return a derivation's document; raise `Invalid` naming the field that is wrong."""
    try:
        given = msgspec.convert(values, _Document)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"The derivation cannot be read: {error}.",
            remedy="Write key and value; see weft derived save --help.",
        ) from error
    selector = Selector(given.selector.type, given.selector.devices, given.selector.attributes)
    return DerivationDocument(
        key=given.key,
        value=given.value,
        selector=selector,
        unit=given.unit,
        description=given.description,
        scope=None if given.scope is None else _read_scope(given.scope),
        device=given.device,
    )


def _read_scope(given: _Scope) -> RuleScope:
    if bool(given.group) == bool(given.asset):
        raise Invalid(
            "scope: it names either a group or an asset.", remedy="Write scope: {asset: line-1}."
        )
    stale_after_ns = read_duration(given.stale_after) if given.stale_after else 0
    return RuleScope(group=given.group, asset=given.asset.strip("/"), stale_after_ns=stale_after_ns)


def document_of(document: DerivationDocument) -> dict[str, Any]:
    """Return its plain form, without what is as if it were not said; it can be read again."""
    scope = document.scope
    selector = document.selector
    given = _Document(
        key=document.key,
        value=document.value,
        selector=_Selector(selector.type_name, selector.devices, selector.attributes),
        unit=document.unit,
        description=document.description,
        scope=None
        if scope is None
        else _Scope(scope.group, scope.asset, _duration(scope.stale_after_ns)),
        device=document.device,
    )
    found: dict[str, Any] = msgspec.to_builtins(given)
    return {key: value for key, value in found.items() if value != {}}


def _duration(duration_ns: int) -> str:
    seconds = f"{duration_ns / NS_PER_S:.6f}".rstrip("0").rstrip(".")
    return f"{seconds}s" if duration_ns else ""
