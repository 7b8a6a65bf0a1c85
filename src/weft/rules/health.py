"""How rules are doing: failures at run time, counted, the last one kept in words."""

from msgspec import Struct

from weft.model.ids import DeviceId, TenantId
from weft.rules.model import Rule


class RuleHealth(Struct):
    """Since the start: failures of evaluation, actions denied, types it does not fit."""

    failures: int = 0
    last_failure: str = ""
    last_device: str = ""
    last_failed_at: int = 0
    denied: int = 0
    last_denied: str = ""
    unfit: str = ""


class Health:
    """The health of all rules; one entry a rule that ever had trouble."""

    def __init__(self) -> None:
        self._rules: dict[tuple[TenantId, str], RuleHealth] = {}

    def of(self, tenant: TenantId, rule_id: str) -> RuleHealth:
        """Return a rule's health; all is well with one that is not known."""
        return self._rules.get((tenant, rule_id), RuleHealth())

    def forget(self, tenant: TenantId, rule_id: str) -> None:
        """Begin anew with a rule."""
        self._rules.pop((tenant, rule_id), None)

    def failed(self, rule: Rule, device_id: DeviceId, problem: str, at: int) -> None:
        """An evaluation failed."""
        entry = self._entry(rule)
        entry.failures += 1
        entry.last_failure, entry.last_device, entry.last_failed_at = problem, device_id, at

    def denied(self, rule: Rule, reason: str) -> None:
        """The owner may no longer do what the rule asked for (AZ-5)."""
        entry = self._entry(rule)
        entry.denied += 1
        entry.last_denied = reason

    def unfit(self, rule: Rule, problem: str) -> None:
        """The rule cannot be evaluated on a kind of device."""
        self._entry(rule).unfit = problem

    def _entry(self, rule: Rule) -> RuleHealth:
        return self._rules.setdefault((rule.tenant, rule.rule_id), RuleHealth())
