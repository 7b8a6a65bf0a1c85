"""Proving a rule by its own tests: the live evaluation, on a virtual clock, and nothing is kept.

The devices of a test are its own, of the types that the tenant has; a group or an asset has
all of them as members. What comes out is compared with what the test expects, and told in
the test's own words.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from weft.errors import Invalid
from weft.model.alarm import Subject, SubjectKind
from weft.model.device import Device, DeviceType, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, RuleId, TenantId, TypeName
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import Reading
from weft.rules.language.render import duration
from weft.rules.language.syntax import Type
from weft.rules.ledger import Firing, Ledger
from weft.rules.model import ExpectedAlarm, Rule, RuleDocument, RuleScope, RuleTest
from weft.rules.requests import Request
from weft.rules.runtime import Runtime
from weft.rules.surroundings import Surroundings

START_NS = 1_767_600_000_000_000_000  # Monday 2026-01-05, 08:00 UTC, where a test names no start


class TestsFailed(Invalid):
    """A rule does not do what its own tests say."""

    __test__ = False  # no test of ours
    code = "rule_tests_failed"


class Proof(Struct, frozen=True):
    """One test of a rule and what became of it."""

    name: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether what came out is what was expected."""
        return not self.problems


def prove(document: RuleDocument, tenant: TenantId, around: Surroundings) -> list[Proof]:
    """Run all tests of a rule; raise `Invalid` for samples that no device could send."""
    return [_Trial(document, tenant, around, test).proof() for test in document.tests]


def require_proved(document: RuleDocument, tenant: TenantId, around: Surroundings) -> None:
    """Raise `TestsFailed` with the first problem, unless all tests pass."""
    failed = [one for one in prove(document, tenant, around) if not one.passed]
    if failed:
        more = f" ({len(failed)} of {len(document.tests)} tests fail)" if len(failed) > 1 else ""
        raise TestsFailed(
            f"tests: {failed[0].name}: {failed[0].problems[0]}{more}",
            remedy="Mend the rule or its test, save it with mode: dry_run, or say --force.",
        )


class _Devices:
    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices = {str(one.device_id): one for one in devices}

    def find(self, tenant: TenantId, device_id: str) -> Device | None:  # noqa: ARG002  of one test
        return self._devices.get(device_id)

    def behind(self, tenant: TenantId, after: str, limit: int) -> list[Device]:  # noqa: ARG002  of one test
        names = sorted(name for name in self._devices if name > after)
        return [self._devices[name] for name in names[:limit]]


class _Members:
    """All devices of a test belong to its group or asset; of each asset, to the one they name."""

    def __init__(self, devices: Sequence[Device], test: RuleTest) -> None:
        self._devices = devices
        self._test = test

    def subjects_of(self, scope: RuleScope, device: Device) -> list[Subject]:
        if scope.group:
            return [Subject(SubjectKind.GROUP, scope.group)]
        if scope.asset:
            return [Subject(SubjectKind.ASSET, scope.asset_id)]
        said = self._test.devices.get(device.device_id)
        return [Subject(SubjectKind.ASSET, said.asset)] if said and said.asset else []

    def members_of(self, scope: RuleScope, tenant: TenantId) -> Sequence[Device]:  # noqa: ARG002  of one test
        return self._devices

    def label_of(self, tenant: TenantId, subject: Subject) -> str:  # noqa: ARG002  of one test
        return subject.name

    def require(self, tenant: TenantId, scope: RuleScope) -> None:
        """All are there."""


class _Trial:
    def __init__(
        self, document: RuleDocument, tenant: TenantId, around: Surroundings, test: RuleTest
    ) -> None:
        self._document = document
        self._tenant = tenant
        self._types = around.types
        self._derived = around.derived
        self._places = around.places
        self._test = test
        self._start = test.start_ns if test.start_ns is not None else START_NS
        names = dict.fromkeys([*(one.device for one in test.given), *test.devices])
        self._devices = {name: self._device(name) for name in names}
        self._routes: dict[tuple[str, Operation], Route] = {}

    def proof(self) -> Proof:
        asked: list[Request] = []
        devices = list(self._devices.values())
        around = Surroundings(
            devices=_Devices(devices),
            types=self._types,
            members=_Members(devices, self._test),
            places=self._places,
            derived=self._derived,
        )
        self._scope_of = around.scope_of
        runtime = Runtime(around, asked.append)
        runtime.set_rule(self._rule(), at=self._start - 1)
        ledger = Ledger()
        now = self._start
        for position, (received, sample) in enumerate(self._in_order(), 1):
            runtime.apply(Committed(position, [sample[0]], [sample[1]]), after=position - 1)
            now = max(now, received)
        runtime.advance(max(now + 1, self._start + self._test.until_ns + 1))
        ledger.take(asked)
        health = runtime.rule_health(self._tenant, self._document.name)
        problems = self._compared(list(ledger.firings.values()))
        if health.failures:
            problems.append(f"{health.failures} evaluations failed: {health.last_failure}")
        return Proof(self._test.name, tuple(problems))

    # --- what is given ---

    def _device(self, name: str) -> Device:
        said = self._test.devices.get(name)
        selector = self._document.selector
        type_name = (said.type_name if said else None) or selector.type_name
        return Device(
            tenant=self._tenant,
            device_id=DeviceId(name),
            uid=DeviceUid(f"test-{name}"),
            type_name=TypeName(type_name) if type_name else None,
            lifecycle=Lifecycle.ACTIVE,
            created_at=self._start - 1,
            attributes={**selector.attributes, **(said.attributes if said else {})},
        )

    def _rule(self) -> Rule:
        return Rule(
            rule_id=RuleId(self._document.name),
            uid="test",
            tenant=self._tenant,
            version=0,
            owner=Principal(self._tenant, PrincipalKind.SYSTEM, "test", "test"),
            document=self._document,
            source={},
            created_at=self._start - 1,
            updated_at=self._start - 1,
            enabled=True,
        )

    def _in_order(self) -> list[tuple[int, tuple[Envelope, Any]]]:
        """Return what is said in the order of its receipt."""
        found: list[tuple[int, tuple[Envelope, Any]]] = []
        for place, sample in enumerate(self._test.given):
            at = self._start + sample.at_ns
            late = sample.received_ns
            received = at if late is None else self._start + late
            kind = self._types.followed_by(self._devices[sample.device])
            operation = Operation.REPORTED if sample.reported else Operation.TELEMETRY
            source = "reported" if sample.reported else "telemetry"
            values = {
                key: self._value(place, kind, source, (key, value))
                for key, value in sample.values.items()
            }
            route = self._route(sample.device, operation, kind)
            said = values if sample.reported else [Reading(at, values)]
            found.append((received, (Envelope(route, received, b""), said)))
        return sorted(found, key=lambda one: one[0])

    def _route(self, device: str, operation: Operation, kind: DeviceType | None) -> Route:
        key = (device, operation)
        if key not in self._routes:
            self._routes[key] = Route(
                tenant=self._tenant,
                principal_kind="device",
                principal_id=device,
                topic=f"devices/{device}/{operation.name.lower()}",
                operation=operation,
                device_id=DeviceId(device),
                type_name=kind.name if kind else "",
                type_version=kind.version if kind else 0,
            )
        return self._routes[key]

    def _value(
        self, place: int, kind: DeviceType | None, source: str, said: tuple[str, Any]
    ) -> Any:
        """Return a value as the device's type has it; a test may write 85 for 85.0."""
        key, value = said
        scope = self._scope_of(self._tenant, kind)
        declared = scope.type_of((source, key))
        if declared is None:
            detail, remedy = scope.unknown((source, key))
            raise Invalid(f"tests: {self._test.name}: given[{place}]: {detail}", remedy=remedy)
        if declared is Type.DOUBLE and value.__class__ is int:
            return float(value)
        return value

    # --- what comes out ---

    def _compared(self, found: list[Firing]) -> list[str]:
        found.sort(key=lambda one: (one.raised_at, str(one.subject)))
        wanted = sorted(self._test.expect, key=lambda one: (one.raised_ns, one.subject or ""))
        if len(found) != len(wanted):
            told = "; ".join(self._told(one) for one in found[:5]) or "none"
            return [f"{len(wanted)} alarms are expected, and there are {len(found)}: {told}"]
        return [
            problem
            for expected, firing in zip(wanted, found, strict=True)
            for problem in self._differences(expected, firing)
        ]

    def _differences(self, wanted: ExpectedAlarm, found: Firing) -> list[str]:
        raised, cleared = self._since(found.raised_at), self._since(found.cleared_at)
        pairs: list[tuple[str, Any, Any]] = [("raised", duration(wanted.raised_ns), raised)]
        if wanted.cleared_ns is not None:
            pairs.append(("cleared", duration(wanted.cleared_ns), cleared))
        if wanted.open:
            pairs.append(("cleared", None, cleared))
        for name, given, seen in (
            ("subject", wanted.subject, str(found.subject)),
            ("message", wanted.message, found.message),
            ("members", wanted.members, found.members),
        ):
            if given is not None:
                pairs.append((name, given, seen))
        return [
            f"{name} is {_said(seen)}, and {_said(given)} is expected ({self._told(found)})"
            for name, given, seen in pairs
            if given != seen
        ]

    def _told(self, firing: Firing) -> str:
        end = self._since(firing.cleared_at)
        until = f", cleared {end}" if end else ""
        return f"{firing.subject} raised {self._since(firing.raised_at)}{until}"

    def _since(self, at: int | None) -> str | None:
        return None if at is None else duration(at - self._start)


def _said(value: Any) -> str:
    if value is None:
        return "never"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
