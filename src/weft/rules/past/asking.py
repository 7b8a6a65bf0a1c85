"""Asking: what a replay of a document needs, and what is asked for because of what one found."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from weft.model.ids import TenantId
from weft.rules.language import ANY
from weft.rules.model import Rule
from weft.rules.past.model import Finding
from weft.rules.past.run import parts_of, warm_up_of, watched_by
from weft.rules.replay import trial_rule
from weft.rules.requests import Clear, Raise, Request
from weft.rules.surroundings import Surroundings


def warm_up_for(document: Mapping[str, Any], tenant: TenantId, around: Surroundings) -> int:
    """Return how long before its start a replay must read (ns)."""
    rule = trial_rule(document, tenant, around)
    kinds = {one.type.name: one.type for one in watched_by([rule], around) if one.type}
    scopes = [ANY, *(around.scope_of(tenant, kind) for kind in kinds.values())]
    return max((warm_up_of(part) for one in scopes for part in parts_of(rule, one)), default=0)


def late_requests(rule: Rule, finding: Finding) -> list[Request]:
    """Return what raises and clears an alarm that data which came late has shown.

    Its id is that of the rule, the device and the moment, so it is raised once however often
    it is found. Samples that were read from history have no place in the journal: it is 0.
    """
    if finding.cleared_at is None or not finding.evidence:
        return []
    samples = tuple(replace(one, position=max(one.position, 0)) for one in finding.evidence)
    known = {key: value for one in samples for key, value in one.values.items()}
    raised = Raise(
        rule=rule,
        device_id=finding.device_id,
        position=samples[0].position,
        episode=f"late@{finding.raised_at}",
        began_at=samples[0].at,
        at=finding.raised_at,
        evidence=samples,
        values={
            **known,
            "device": finding.device_id,
            "label": finding.device_id,
            "rule": rule.rule_id,
            "severity": rule.document.severity.value,
        },
        late=True,
        message=finding.message,
    )
    over = Clear(rule, rule.tenant, finding.device_id, raised.alarm_id, finding.cleared_at, None)
    return [raised, over]
