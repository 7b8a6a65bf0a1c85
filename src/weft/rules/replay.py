"""Trying a rule on the past: the live evaluation over old messages, and nothing is sent.

The clock is the messages' own, so a month passes as fast as it can be read (promise 5).
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from weft.model.ids import RuleId, TenantId
from weft.model.message import Committed
from weft.model.principal import Principal, PrincipalKind
from weft.rules.conditions import require_conditions, require_over
from weft.rules.documents import read_rule
from weft.rules.health import RuleHealth
from weft.rules.ledger import Firing, Ledger
from weft.rules.model import Rule
from weft.rules.places.checking import functions_of
from weft.rules.requests import Request
from weft.rules.runtime import Runtime
from weft.rules.surroundings import Surroundings

MAX_FIRINGS = 10_000


class Trial(Struct, frozen=True):
    """What a rule would have done."""

    firings: list[Firing]
    messages: int
    health: RuleHealth
    complete: bool  # False: stopped at MAX_FIRINGS


async def try_rule(
    document: str | Mapping[str, Any],
    samples: AsyncIterator[Committed],
    *,
    tenant: TenantId,
    around: Surroundings,
    until: int | None = None,
) -> Trial:
    """Run a rule over decoded batches in order; `until` is how far the clock goes at the end.

    Batches come from the journal and must be decoded, as the pipeline does on a replay.
    """
    rule = trial_rule(document, tenant, around)
    asked: list[Request] = []
    runtime = Runtime(around, asked.append)
    runtime.set_rule(rule, at=0)
    trial = Ledger()
    messages = 0
    async for batch in samples:
        runtime.apply(batch, after=0)
        messages += len(batch.envelopes)
        trial.take(asked)
        if len(trial.firings) >= MAX_FIRINGS:
            break
    else:
        if until is not None:
            runtime.advance(until)
            trial.take(asked)
    return Trial(
        firings=list(trial.firings.values()),
        messages=messages,
        health=runtime.rule_health(tenant, rule.rule_id),
        complete=len(trial.firings) < MAX_FIRINGS,
    )


def trial_rule(document: str | Mapping[str, Any], tenant: TenantId, around: Surroundings) -> Rule:
    """Make a rule of a document, to be tried; raise `Invalid` as on save."""
    read, source = read_rule(document)
    kind = around.types.find(tenant, read.selector.type_name) if read.selector.type_name else None
    scope = replace(around.scope_of(tenant, kind), functions=functions_of(around.places, tenant))
    if read.scope is None:
        require_conditions(read, scope)
    else:
        around.members.require(tenant, read.scope)
        require_over(read, [scope])
    return Rule(
        rule_id=RuleId(read.name),
        uid="trial",
        tenant=tenant,
        version=0,
        owner=Principal(tenant, PrincipalKind.SYSTEM, "trial", "trial"),
        document=read,
        source=source,
        created_at=0,
        updated_at=0,
        enabled=True,
    )
