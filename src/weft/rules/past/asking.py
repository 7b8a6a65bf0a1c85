"""Asking: what a replay of a document needs, worked out from the document itself."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from weft.errors import Invalid
from weft.model.device import DeviceType
from weft.model.ids import TenantId
from weft.rules.conditions import Compiled, compile_rule
from weft.rules.language import ANY, scope_of
from weft.rules.model import Rule
from weft.rules.past.run import warm_up_of, watched_by
from weft.rules.replay import trial_rule
from weft.rules.surroundings import Surroundings


def warm_up_for(document: Mapping[str, Any], tenant: TenantId, around: Surroundings) -> int:
    """Return how long before its start a replay must read (ns)."""
    rule = trial_rule(document, tenant, around)
    kinds = {one.type.name: one.type for one in watched_by([rule], around) if one.type}
    return max((warm_up_of(one) for one in _compiled(rule, kinds.values())), default=0)


def _compiled(rule: Rule, kinds: Iterable[DeviceType]) -> Iterator[Compiled]:
    """Yield the rule as it is for each kind of device that it fits."""
    for scope in (ANY, *map(scope_of, kinds)):
        try:
            yield compile_rule(rule, scope)
        except Invalid:
            continue  # this kind of device is not watched by it
