"""Rule documents: YAML or JSON in, a checked `RuleDocument` out, errors with line and remedy.

    name: overheating
    selector: {type: machine}            # or devices: [...], attributes: {room: hall-1}
    when: temperature > 80
    for: 30s
    clear: temperature < 75              # without it: as soon as `when` is false
    clear_for: 10s
    severity: major
    message: "{device} is at {temperature} degrees"
    fault: overheated                    # rules with one code on one asset make one work order
    quiet: 10m                           # an alarm this soon after its end opens the fault again
    late: raise                          # what late data shows is raised; without it, only told
    actions:
      - work_order: {connector: erp, title: "Inspect {device}", priority: high}
      - webhook: {connector: pager}

Instead of each device by itself, a rule may speak over a group or an asset: `scope: {group: NAME}`,
`scope: {asset: plant-1/line-2}` or `scope: {each_asset: KIND}`, with `stale_after: 10m`.

Only the form is judged here; `conditions` judges what the conditions speak of.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import yaml
from msgspec import json as msgspec_json
from yaml.nodes import MappingNode, Node, SequenceNode

from weft.errors import Invalid
from weft.model.alarm import Severity
from weft.model.ids import require_name
from weft.model.work_order import OnClose
from weft.registry.documents import read_document, require_plain
from weft.rules.durations import read_duration
from weft.rules.examples import read_tests
from weft.rules.language.scope import suggest
from weft.rules.model import ActionKind, RuleAction, RuleDocument, RuleScope, Selector
from weft.rules.writes import RIGHTS, read_write

T = TypeVar("T")

MAX_ACTIONS: Final = 8
MAX_PARAMETERS_BYTES: Final = 16 * 1024
_KEYS = (
    "name", "description", "enabled", "selector", "scope", "when", "for", "clear", "clear_for",
    "severity", "message", "causes", "actions", "fault", "quiet", "mode", "late", "tests",
)  # fmt: skip
_SELECTOR_KEYS = ("type", "devices", "attributes")
_SCOPES = ("group", "asset", "each_asset")


def read_rule(document: str | Mapping[str, Any]) -> tuple[RuleDocument, dict[str, Any]]:
    """Return the rule and its plain values; raise `Invalid` naming path and line."""
    if isinstance(document, str):
        values, lines = read_document(document, "rule"), _lines(document)
    else:
        values, lines = dict(document), {}
        require_plain(values, "rule")
    return _Reader(lines).rule(values), values


def _lines(text: str) -> dict[str, int]:
    """Return the line of every path; the text has been read already, so it is sound."""
    lines: dict[str, int] = {}

    def walk(node: Node, path: str) -> None:
        lines[path] = node.start_mark.line + 1
        if isinstance(node, MappingNode):
            for key, value in node.value:
                name = str(key.value)
                walk(value, f"{path}.{name}" if path else name)
        elif isinstance(node, SequenceNode):
            for place, value in enumerate(node.value):
                walk(value, f"{path}[{place}]")

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # JSON that YAML cannot read (tabs): errors name the path alone
        return lines
    if node is not None:
        walk(node, "")
    return lines


class _Reader:
    def __init__(self, lines: Mapping[str, int]) -> None:
        self._lines = lines

    def at(self, path: str, work: Callable[[], T]) -> T:
        """Do `work`; put the path and line in front of what it finds wrong."""
        try:
            return work()
        except Invalid as error:
            line = self._lines.get(path)
            where = f"{path} (line {line})" if line else path
            raise Invalid(f"{where}: {error.detail}", remedy=error.remedy) from error

    def rule(self, values: dict[str, Any]) -> RuleDocument:
        self._require_keys(values, _KEYS, "")
        for key in ("name", "when"):
            if key not in values:
                raise Invalid(f"The rule has no {key!r}.", remedy=f"Add {key}: to the document.")
        take = self._take
        return RuleDocument(
            name=self.at("name", lambda: require_name(take(values, "name", str, ""), "rule name")),
            description=take(values, "description", str, ""),
            enabled=take(values, "enabled", bool, default=True),
            selector=self._selector(values),
            scope=self._scope(values),
            when=take(values, "when", str, ""),
            for_ns=self._duration(values, "for"),
            clear=take(values, "clear", str, None),
            clear_for_ns=self._duration(values, "clear_for"),
            severity=self.at("severity", lambda: _severity(values.get("severity", "warning"))),
            message=take(values, "message", str, ""),
            causes=self.at("causes", lambda: _causes(values.get("causes", []))),
            actions=self._actions(values),
            fault=self._fault(values),
            quiet_ns=self._duration(values, "quiet"),
            late=self.at("late", lambda: _raises_late(values)),
            dry_run=self.at("mode", lambda: _is_dry_run(values.get("mode", "live"))),
            tests=self.at("tests", lambda: read_tests(values.get("tests", []))),
        )

    def _require_keys(self, values: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
        for key in values:
            if key not in known:
                full = f"{path}.{key}" if path else key
                self.at(full, lambda key=key: _refuse_key(key, known))  # type: ignore[misc]  # bound now

    def _take(self, values: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
        value = values.get(key, default)
        if value is not default and not isinstance(value, kind):
            self.at(key, lambda: _refuse_kind(value, kind))
        return value

    def _duration(self, values: Mapping[str, Any], key: str) -> int:
        if key not in values:
            return 0
        return self.at(key, lambda: read_duration(str(values[key])))

    def _fault(self, values: Mapping[str, Any]) -> str:
        if "fault" not in values:
            return ""
        return self.at(
            "fault", lambda: require_name(self._take(values, "fault", str, ""), "fault code")
        )

    def _selector(self, values: Mapping[str, Any]) -> Selector:
        given = self._take(values, "selector", dict, {})
        self._require_keys(given, _SELECTOR_KEYS, "selector")
        devices = given.get("devices", [])
        type_name, attributes = given.get("type"), given.get("attributes", {})
        if not isinstance(devices, list) or not all(isinstance(one, str) for one in devices):
            self.at("selector.devices", lambda: _refuse_kind(devices, list))
        if type_name is not None and not isinstance(type_name, str):
            self.at("selector.type", lambda: _refuse_kind(type_name, str))
        if not isinstance(attributes, dict):
            self.at("selector.attributes", lambda: _refuse_kind(attributes, dict))
        return Selector(type_name=type_name, devices=tuple(devices), attributes=attributes)

    def _scope(self, values: Mapping[str, Any]) -> RuleScope | None:
        if "scope" not in values:
            return None
        given = self._take(values, "scope", dict, {})
        self._require_keys(given, (*_SCOPES, "stale_after"), "scope")
        stated = [key for key in _SCOPES if key in given]
        if len(stated) != 1:
            self.at("scope", lambda: _refuse_scope(stated))
        key = stated[0]
        self.at(f"scope.{key}", lambda: _require_place(given[key], path=key == "asset"))
        stale_after_ns = 0
        if "stale_after" in given:
            text = str(given["stale_after"])
            stale_after_ns = self.at("scope.stale_after", lambda: read_duration(text))
        return RuleScope(**{key: given[key].strip("/")}, stale_after_ns=stale_after_ns)

    def _actions(self, values: Mapping[str, Any]) -> tuple[RuleAction, ...]:
        given = self._take(values, "actions", list, [])
        if len(given) > MAX_ACTIONS:
            self.at("actions", lambda: _refuse_count(len(given)))
        return tuple(
            self.at(f"actions[{place}]", lambda one=one: _action(one))  # type: ignore[misc]  # bound now
            for place, one in enumerate(given)
        )


def _refuse_key(key: str, known: tuple[str, ...]) -> None:
    raise Invalid(f"{key!r} is no part of a rule.", remedy=suggest(key, known))


_KIND_NAMES = {str: "a text", bool: "true or false", dict: "a mapping", list: "a list"}


def _refuse_kind(value: Any, kind: type) -> None:
    raise Invalid(
        f"{type(value).__name__} stands where {_KIND_NAMES[kind]} is expected.",
        remedy="Put a text in quotes." if kind is str else f"Write {_KIND_NAMES[kind]}.",
    )


def _refuse_scope(stated: list[str]) -> None:
    told = " and ".join(stated) or "none of them"
    raise Invalid(
        f"A scope is one of {', '.join(_SCOPES)}; this states {told}.",
        remedy="Write scope: {group: NAME}, or leave the scope out for single devices.",
    )


def _require_place(value: Any, *, path: bool) -> None:
    if not isinstance(value, str):
        _refuse_kind(value, str)
    for part in value.strip("/").split("/") if path else [value]:
        require_name(part, "name in a scope")


def _refuse_count(count: int) -> None:
    raise Invalid(
        f"{count} actions are given; at most {MAX_ACTIONS} are taken.",
        remedy="Let the connector fan out.",
    )


def _is_dry_run(value: Any) -> bool:
    if value not in {"live", "dry_run"}:
        raise Invalid(f"{value!r} is no mode.", remedy="Write live, or dry_run to try it.")
    return bool(value == "dry_run")


def _raises_late(values: Mapping[str, Any]) -> bool:
    value = values.get("late", "note")
    if value not in {"note", "raise"}:
        raise Invalid(
            f"{value!r} is no way to treat data that comes late.",
            remedy="Write note (it is worked out and told), or raise (its alarms are raised).",
        )
    if value == "raise" and "scope" in values:
        raise Invalid(
            "A rule with a scope is not run again over data that came late.",
            remedy="Leave late out, or write a rule for single devices beside it.",
        )
    return bool(value == "raise")


def _severity(value: Any) -> Severity:
    known = [str(one) for one in Severity]
    if value not in known:
        raise Invalid(f"{value!r} is no severity.", remedy=suggest(str(value), known))
    return Severity(value)


def _causes(value: Any) -> bool:
    if value not in ([], ["children"]):
        raise Invalid(
            "An alarm is the cause of children, or of nothing.",
            remedy="Write causes: [children]; they are what stands below its device.",
        )
    return bool(value)


def _require_ending(parameters: Mapping[str, Any]) -> None:
    """Raise `Invalid` unless what is said of the work order's end is known."""
    known = [str(one) for one in OnClose]
    given = parameters.get("on_close", OnClose.QUESTION)
    if given not in known:
        raise Invalid(f"on_close cannot be {given!r}.", remedy=suggest(str(given), known))
    if "within" in parameters:
        read_duration(str(parameters["within"]))
    if not isinstance(parameters.get("close_when_cleared", False), bool):
        raise Invalid("close_when_cleared is neither true nor false.", remedy="Write true.")


def _action(value: Any) -> RuleAction:
    kinds = [str(kind) for kind in ActionKind]
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in kinds:
        raise Invalid(
            "An action is one of work_order, webhook, desire or command.",
            remedy="Write - work_order: {connector: erp, title: ...}.",
        )
    ((kind, parameters),) = value.items()
    if isinstance(parameters, dict) and ActionKind(kind) in RIGHTS:
        if len(msgspec_json.encode(parameters)) > MAX_PARAMETERS_BYTES:
            raise Invalid("The action is larger than 16 KiB.", remedy="Say less.")
        return read_write(ActionKind(kind), parameters)
    if not isinstance(parameters, dict) or not isinstance(parameters.get("connector"), str):
        raise Invalid(f"The {kind} names no connector.", remedy="Add connector: NAME.")
    if kind == ActionKind.WORK_ORDER and not isinstance(parameters.get("title"), str):
        raise Invalid("The work_order has no title.", remedy='Add title: "Inspect {device}".')
    if kind == ActionKind.WORK_ORDER:
        _require_ending(parameters)
    if len(msgspec_json.encode(parameters)) > MAX_PARAMETERS_BYTES:
        raise Invalid("The action is larger than 16 KiB.", remedy="Leave the details to the ERP.")
    rest = {key: one for key, one in parameters.items() if key != "connector"}
    connector = require_name(parameters["connector"], "connector name")
    return RuleAction(kind=ActionKind(kind), connector=connector, parameters=rest)
