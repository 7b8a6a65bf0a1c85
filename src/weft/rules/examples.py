"""The tests in a rule's document: samples in, alarms out, read and checked for their form.

    tests:
      - name: hot for long enough
        given:
          - {at: 0s, values: {temperature: 85}}
          - {at: 40s, values: {temperature: 60}}
        expect:
          - {raised: 30s, cleared: 40s}

Every moment is counted from the begin of the test. `device` may name who speaks, `reported`
takes the place of `values` for properties, `received: 50s` lets a sample come late, and
`until` lets the clock go on behind the last one. A test without `expect` wants no alarm.
"""

from collections.abc import Mapping
from typing import Any, Final

from weft.errors import Invalid
from weft.model.ids import require_name
from weft.model.moments import from_rfc3339
from weft.rules.durations import read_duration
from weft.rules.language.scope import suggest
from weft.rules.model import ExpectedAlarm, GivenDevice, GivenSample, RuleTest

TESTS_MAX: Final = 50
SAMPLES_MAX: Final = 1_000
DEVICE: Final = "device-1"  # who speaks where nobody is named

_KEYS = ("name", "given", "expect", "until", "start", "devices")
_SAMPLE = ("at", "device", "values", "reported", "received")
_ALARM = ("raised", "cleared", "open", "subject", "message", "members")
_DEVICE = ("type", "attributes", "asset")


def read_tests(value: Any) -> tuple[RuleTest, ...]:
    """Return the tests of a document; raise `Invalid` naming which is wrong and how."""
    if not isinstance(value, list) or len(value) > TESTS_MAX:
        raise Invalid(
            f"They are a list of at most {TESTS_MAX}.",
            remedy="Write - name: NAME, with given: and expect: below it.",
        )
    return tuple(_named(f"tests[{place}]", one, _test) for place, one in enumerate(value))


def _named(path: str, value: Any, read: Any) -> Any:
    try:
        return read(value)
    except Invalid as error:
        raise Invalid(f"{path}: {error.detail}", remedy=error.remedy) from error


def _mapping(value: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Invalid("A mapping is expected.", remedy=f"Write {{{', '.join(known)}}}.")
    for key in value:
        if key not in known:
            raise Invalid(f"{key!r} is no part of it.", remedy=suggest(str(key), known))
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > SAMPLES_MAX:
        raise Invalid(f"{what} is a list of at most {SAMPLES_MAX}.", remedy="Write - {at: 0s, …}.")
    return value


def _test(value: Any) -> RuleTest:
    given = _mapping(value, _KEYS)
    samples = _list(given.get("given", []), "given")
    alarms = _list(given.get("expect", []), "expect")
    devices = _mapping(given.get("devices", {}), tuple(given.get("devices", {})))
    return RuleTest(
        name=_text(given, "name"),
        given=tuple(_named(f"given[{i}]", one, _sample) for i, one in enumerate(samples)),
        expect=tuple(_named(f"expect[{i}]", one, _alarm) for i, one in enumerate(alarms)),
        until_ns=_moment(given, "until") or 0,
        start_ns=from_rfc3339(str(given["start"])) if "start" in given else None,
        devices={
            require_name(str(name), "device id"): _named(f"devices.{name}", one, _device)
            for name, one in devices.items()
        },
    )


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise Invalid(f"It has no {key}.", remedy=f"Add {key}: and a text.")
    return value


def _moment(given: Mapping[str, Any], key: str) -> int | None:
    return read_duration(str(given[key])) if key in given else None


def _sample(value: Any) -> GivenSample:
    given = _mapping(value, _SAMPLE)
    said = [key for key in ("values", "reported") if isinstance(given.get(key), dict)]
    if "at" not in given or len(said) != 1:
        raise Invalid(
            "A sample has a moment, and either values or reported.",
            remedy="Write {at: 10s, values: {temperature: 85}}.",
        )
    return GivenSample(
        at_ns=read_duration(str(given["at"])),
        device=require_name(str(given.get("device", DEVICE)), "device id"),
        values=given[said[0]],
        reported=said[0] == "reported",
        received_ns=_moment(given, "received"),
    )


def _alarm(value: Any) -> ExpectedAlarm:
    given = _mapping(value, _ALARM)
    raised = _moment(given, "raised")
    if raised is None:
        raise Invalid("It does not say when it is raised.", remedy="Write {raised: 30s}.")
    members = given.get("members")
    if members is not None and not isinstance(members, list):
        raise Invalid("members is a list of devices.", remedy="Write members: [pump-1].")
    return ExpectedAlarm(
        raised_ns=raised,
        cleared_ns=_moment(given, "cleared"),
        open=given.get("open") is True,
        subject=given.get("subject"),
        message=given.get("message"),
        members=None if members is None else tuple(str(one) for one in members),
    )


def _device(value: Any) -> GivenDevice:
    given = _mapping(value, _DEVICE)
    attributes = given.get("attributes", {})
    if not isinstance(attributes, dict):
        raise Invalid("attributes are a mapping.", remedy="Write attributes: {hall: north}.")
    return GivenDevice(
        type_name=given.get("type"), attributes=attributes, asset=str(given.get("asset", ""))
    )
