"""A rule's conditions against a scope: checked on save, compiled again for each device type."""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from weft.errors import Invalid
from weft.rules.language import ANY, Condition, Scope, compile_condition
from weft.rules.language.members import (
    MemberCall,
    MemberScope,
    MemberTree,
    OverMembers,
    compile_member,
    compile_over_members,
    require_some,
)
from weft.rules.language.scope import Names
from weft.rules.language.syntax import Feed, Path, Type
from weft.rules.model import Rule, RuleDocument
from weft.rules.templates import require_template

T = TypeVar("T")


class Compiled(Struct, frozen=True, eq=False):
    """A rule with its conditions for one scope."""

    rule: Rule
    when: Condition
    clear: Condition | None
    scope: Names
    calls: tuple[MemberCall, ...] = ()  # over the members, where the rule has a scope

    @property
    def paths(self) -> frozenset[Path]:
        """All inputs that the rule touches."""
        return self.when.paths | (self.clear.paths if self.clear else frozenset())

    @property
    def direct(self) -> frozenset[Path]:
        """The slots that the conditions look at themselves, feeds' values among them."""
        clear = self.clear
        asked = self.when.required | self.when.asked
        return asked | (clear.required | clear.asked if clear else frozenset())

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """What the rule remembers, each behind those that feed it."""
        return self.when.feeds + (self.clear.feeds if self.clear else ())


class CompiledMember(Struct, frozen=True, eq=False):
    """What a rule over a group or an asset asks of one member, for one scope of it."""

    rule: Rule
    member: MemberTree
    scope: Scope

    @property
    def paths(self) -> frozenset[Path]:
        """All inputs that it touches."""
        return self.member.paths

    @property
    def direct(self) -> frozenset[Path]:
        """The slots that it looks at itself."""
        return self.member.direct

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """What it remembers of the member."""
        return self.member.feeds


def compile_over(rule: Rule) -> Compiled:
    """Compile what a rule with a scope says of all members; raise `Invalid` naming where."""
    when, clear = _over_members(rule.document)
    return Compiled(
        rule=rule,
        when=when.condition,
        clear=clear.condition if clear else None,
        scope=MemberScope({path[1]: kind for path, kind in _kinds(when, clear).items()}),
        calls=calls_of(rule.document),
    )


def calls_of(document: RuleDocument) -> tuple[MemberCall, ...]:
    """Return the calls over members of a rule with a scope, each once."""
    when, clear = _over_members(document)
    calls = (*when.calls, *(clear.calls if clear else ()))
    return tuple({one.text: one for one in calls}.values())


def compile_members(rule: Rule, scope: Scope) -> tuple[list[CompiledMember], str]:
    """Return what a rule asks of one kind of device, and why not more where it cannot."""
    made: dict[str, CompiledMember] = {}
    problem = ""
    for call in calls_of(rule.document):
        try:
            made[call.inner] = CompiledMember(rule, compile_member(call, scope), scope)
        except Invalid as error:
            problem = error.detail
    return list(made.values()), problem


def _over_members(document: RuleDocument) -> tuple[OverMembers, OverMembers | None]:
    when = _named("when", lambda: compile_over_members(document.when))
    text = document.clear
    return when, None if text is None else _named("clear", lambda: compile_over_members(text))


def _kinds(when: OverMembers, clear: OverMembers | None) -> dict[Path, Type]:
    calls = (*when.calls, *(clear.calls if clear else ()))
    return {one.path: one.gives for one in calls}


def require_over(document: RuleDocument, scopes: list[Scope]) -> list[MemberTree]:
    """Return what a rule with a scope asks of members; raise `Invalid` if none can answer."""
    for call in calls_of(document):
        _named("when or clear", lambda call=call: require_some(call, scopes or [ANY]))  # type: ignore[misc]  # bound now
    known = ["subject", "members", *(one.text for one in calls_of(document))]
    _require_texts(document, known)
    return [compile_member(one, ANY) for one in calls_of(document)]


def compile_rule(rule: Rule, scope: Scope) -> Compiled:
    """Compile both conditions; raise `Invalid` naming which is wrong and where."""
    when, clear = require_conditions(rule.document, scope)
    return Compiled(rule=rule, when=when, clear=clear, scope=scope)


def require_conditions(document: RuleDocument, scope: Scope) -> tuple[Condition, Condition | None]:
    """Return the conditions of a document; raise `Invalid` where they do not fit the scope."""
    when = _compile("when", document.when, scope)
    clear = None if document.clear is None else _compile("clear", document.clear, scope)
    return when, clear


def require_texts(document: RuleDocument, scope: Scope) -> None:
    """Raise `Invalid` for a template that names what no device of the scope sends."""
    _require_texts(document, None if scope.telemetry is None else list(scope.telemetry))


def _require_texts(document: RuleDocument, known: list[str] | None) -> None:
    _template("message", document.message, known)
    for place, action in enumerate(document.actions):
        for key, value in action.parameters.items():
            if isinstance(value, str):
                _template(f"actions[{place}].{action.kind}.{key}", value, known)


def _compile(name: str, text: str, scope: Scope) -> Condition:
    return _named(name, lambda: compile_condition(text, scope))


def _named(name: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except Invalid as error:
        raise Invalid(f"{name}: {error.detail}", remedy=error.remedy) from error


def _template(path: str, text: str, known: list[str] | None) -> None:
    try:
        require_template(text, known)
    except Invalid as error:
        raise Invalid(f"{path}: {error.detail}", remedy=error.remedy) from error
