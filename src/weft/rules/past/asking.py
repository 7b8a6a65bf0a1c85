"""Asking: what a replay of a document needs, worked out from the document itself."""

from collections.abc import Mapping
from typing import Any

from weft.model.ids import TenantId
from weft.rules.language import ANY
from weft.rules.past.run import parts_of, warm_up_of, watched_by
from weft.rules.replay import trial_rule
from weft.rules.surroundings import Surroundings


def warm_up_for(document: Mapping[str, Any], tenant: TenantId, around: Surroundings) -> int:
    """Return how long before its start a replay must read (ns)."""
    rule = trial_rule(document, tenant, around)
    kinds = {one.type.name: one.type for one in watched_by([rule], around) if one.type}
    scopes = [ANY, *(around.scope_of(tenant, kind) for kind in kinds.values())]
    return max((warm_up_of(part) for one in scopes for part in parts_of(rule, one)), default=0)
