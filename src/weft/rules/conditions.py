"""A rule's conditions against a scope: checked on save, compiled again for each device type."""

from msgspec import Struct

from weft.errors import Invalid
from weft.rules.language import Condition, Scope, compile_condition
from weft.rules.language.syntax import Feed, Path
from weft.rules.model import Rule, RuleDocument
from weft.rules.templates import require_template


class Compiled(Struct, frozen=True, eq=False):
    """A rule with its conditions for one scope."""

    rule: Rule
    when: Condition
    clear: Condition | None
    scope: Scope

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
    known = None if scope.telemetry is None else list(scope.telemetry)
    _template("message", document.message, known)
    for place, action in enumerate(document.actions):
        for key, value in action.parameters.items():
            if isinstance(value, str):
                _template(f"actions[{place}].{action.kind}.{key}", value, known)


def _compile(name: str, text: str, scope: Scope) -> Condition:
    try:
        return compile_condition(text, scope)
    except Invalid as error:
        raise Invalid(f"{name}: {error.detail}", remedy=error.remedy) from error


def _template(path: str, text: str, known: list[str] | None) -> None:
    try:
        require_template(text, known)
    except Invalid as error:
        raise Invalid(f"{path}: {error.detail}", remedy=error.remedy) from error
