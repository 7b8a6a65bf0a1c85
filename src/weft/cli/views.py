"""Views: answers that are more than a table or a record, as people read them.

Each is the reading of one operation's answer; --json shows the answer itself.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from weft.cli.cells import is_empty, number_text, text_of
from weft.cli.layout import GAP, heading, record_lines, table, wrap
from weft.cli.pack_lines import pack_lines
from weft.cli.trees import lineage_lines
from weft.observability.log import escape_controls

View = Callable[[Any, int], list[str]]


def twin_lines(twin: dict[str, Any], width: int) -> list[str]:
    """Return a twin: values with their units and times, then what is wanted and still missing."""
    name = escape_controls(twin["device_id"])
    seen = (
        "never" if twin["last_seen_at"] is None else text_of("last_seen_at", twin["last_seen_at"])
    )
    lines = [heading(name) + f"{GAP}last seen {seen}", "", heading("telemetry")]
    values = [
        {
            "key": key,
            "value": latest["value"],
            "unit": latest.get("unit"),
            "at": latest["at"],
        }
        for key, latest in twin["telemetry"].items()
    ]
    if values:
        lines += _indented(table(values, ("key", "value", "unit", "at"), width - len(GAP))[0][1:])
    else:
        lines.append(f"{GAP}None yet: it sends to devices/{name}/telemetry.")
    unreported = f"None yet: it sends to devices/{name}/properties/reported."
    lines += _properties("reported", twin["reported"], unreported)
    lines += _properties("desired", twin["desired"], f"None: weft twin desire {name} NAME=VALUE")
    missing = "All that is desired is reported." if twin["desired"] else "Nothing is desired."
    return lines + _properties("delta (desired and not yet reported)", twin["delta"], missing)


def _properties(title: str, values: Mapping[str, Any], empty: str) -> list[str]:
    shown = record_lines(values, 10_000, ours=False) if values else [empty]
    return ["", heading(title), *_indented(shown)]


def history_lines(page: dict[str, Any], width: int) -> list[str]:
    """Return samples or buckets, each aggregate in a column of its own."""
    rows = [
        {**row, **(row["aggregates"] if isinstance(row.get("aggregates"), dict) else {})}
        for row in page["items"]
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len({row["device"] for row in rows}) == 1:
        names.remove("device")
    order = [name for name in ("at", "device", "key", "value") if name in names]
    names = order + [name for name in names if name not in {*order, "aggregates"}]
    return table(rows, names, width)[0]


def trial_lines(trial: dict[str, Any], width: int) -> list[str]:
    """Return what a rule would have done."""
    firings, messages = trial["firings"], trial["messages"]
    more = "" if trial["complete"] else "more than "
    alarms = "1 alarm" if len(firings) == 1 and not more else f"{len(firings) or 'no'} alarms"
    lines = [f"It would have raised {more}{alarms} over {messages:,} messages. Nothing was sent."]
    if firings:
        rows = [{**firing, "samples": len(firing["evidence"])} for firing in firings]
        names = (
            "device_id",
            "severity",
            "raised_at",
            "cleared_at",
            "samples",
            "actions",
            "message",
        )
        lines += ["", *table(rows, names, width)[0]]
    if not trial["complete"]:
        lines.append("These are the first ones; ask for less with --start and --end.")
    if trial["failures"]:
        lines.append(
            f"The condition failed {trial['failures']:,} times, the last time: "
            f"{escape_controls(trial['last_failure'])}"
        )
    if not messages:
        lines.append("No message of that time is in the journal: weft system health")
    return lines


def verdict_lines(verdict: dict[str, Any], width: int) -> list[str]:
    """Return whether the audit is whole, in a sentence."""
    lines = record_lines({name: verdict[name] for name in ("intact", "records")}, width)
    if verdict["intact"]:
        return [*lines, "No record was changed, removed or added."]
    reason = escape_controls(verdict["reason"])
    return [
        *lines,
        f"The audit is NOT whole: record {verdict['first_bad']}: {reason}",
        "Keep the data folder as it is, and compare it with a backup.",
    ]


def rejection_lines(found: dict[str, Any], width: int) -> list[str]:
    """Return a refused message with its payload as text, where it is text."""
    payload = base64.b64decode(found["payload_base64"])
    shown = {name: value for name, value in found.items() if name != "payload_base64"}
    try:
        shown["payload"] = payload.decode()
    except UnicodeDecodeError:
        shown["payload"] = f"{payload.hex(' ')[:200]} (hex)"
    position = found["position"]
    return [
        *record_lines(shown, width),
        "",
        f"Send it again once its cause is mended: weft rejection redrive {position}",
    ]


def type_lines(found: dict[str, Any], width: int) -> list[str]:
    """Return a device type; its document says the same once more and is left to --json."""
    shown = {name: value for name, value in found.items() if name != "document"}
    return record_lines(
        {name: value for name, value in shown.items() if not is_empty(value)}, width
    )


def document_lines(found: dict[str, Any], _width: int) -> list[str]:
    """Return a document as it is: what reads it next is a program."""
    return json.dumps(found, indent=2, ensure_ascii=False).splitlines()


def difference_lines(found: dict[str, Any], width: int) -> list[str]:
    """Return what changes from one version of a type to another, one change a line."""
    if not found["differences"]:
        return ["Nothing changes." if found["old"] else "A new type: no device follows it yet."]
    rows = [
        {"place": one["place"], "breaks": "breaks" if one["breaking"] else "", "text": one["text"]}
        for one in found["differences"]
    ]
    lines, _left_out = table(rows, ("place", "breaks", "text"), width)
    return lines


def rule_lines(rule: dict[str, Any], width: int) -> list[str]:
    """Return a rule with its document, and what went wrong only where something did."""
    health = {name: value for name, value in rule["health"].items() if value}
    shown = {name: value for name, value in rule.items() if not is_empty(value)}
    return record_lines({**shown, "health": health or "ok"}, width)


def key_lines(made: dict[str, Any], width: int) -> list[str]:
    """Return a new key, its token once."""
    key = {name: value for name, value in made["key"].items() if not is_empty(value)}
    return [
        *record_lines(key, width),
        "",
        "Its token, shown this once:",
        "",
        GAP + made["token"],
        "",
        "Send it as Authorization: Bearer, or over MQTT as the password, with any user name.",
    ]


def credential_lines(
    issued: dict[str, Any], _width: int = 0, *, in_files: bool = False
) -> list[str]:
    """Return a new credential, its secret once, and what to paste."""
    lines: list[str] = []
    if issued["token"] is not None:
        lines = ["Its token, shown this once:", "", GAP + issued["token"], ""]
    elif issued.get("psk_key") is not None:
        lines = [
            f"Its pre-shared key, shown this once, to the name {issued['psk_identity']}:",
            "",
            GAP + issued["psk_key"],
            "",
        ]
    elif not in_files:
        lines = ["Save these under their names; a private key is shown this once.", ""]
        for title, key in CERTIFICATE_FILES:
            if issued[key]:
                lines += [f"# {title}", *issued[key].splitlines(), ""]
    for title, key in SNIPPETS:
        if not issued["snippets"].get(key):
            continue
        lines += [f"# {title}", *issued["snippets"][key].splitlines(), ""]
    return lines[:-1]


CERTIFICATE_FILES = (
    ("ca.pem", "ca_pem"),
    ("device.pem", "certificate_pem"),
    ("device.key", "private_key_pem"),
)
SNIPPETS = (
    ("Python (paho-mqtt)", "python"),
    ("mosquitto", "mosquitto"),
    ("curl", "curl"),
    ("libcoap", "coap"),
)


def invitation_lines(made: dict[str, Any], _width: int) -> list[str]:
    """Return a one-time link on a line of its own."""
    life = number_text(made["expires_in_s"] / 60)
    return [
        f"Good for one person, once, within {life} minutes. Open",
        "",
        GAP + made["link"],
        "",
        "or run",
        "",
        f"{GAP}weft sign-up {made['token']}",
    ]


def _indented(lines: Iterable[str]) -> list[str]:
    return [GAP + line if line else line for line in lines]


def why_lines(found: dict[str, Any], width: int) -> list[str]:
    """Return how a device is connected, then what stands or stood in its way, with remedies."""
    name = escape_controls(found["device_id"])
    state = "connected" if found["connected"] else "not connected"
    seen = "never" if found["last_seen_at"] is None else text_of("at", found["last_seen_at"])
    lines = [heading(name) + f"{GAP}{found['lifecycle']}, {state}, last message {seen}"]
    spell = found["last_spell"]
    if spell is not None:
        ended = "" if spell["ended_at"] is None else f", until {text_of('at', spell['ended_at'])}"
        because = f": {spell['reason']}" if spell["reason"] else ""
        since = f"{text_of('at', spell['began_at'])}{ended}{because}"
        peer = f"{spell['protocol']} from {spell['peer']}"
        lines.append(escape_controls(f"{GAP}last connection: {peer}, since {since}"))
    if not found["findings"]:
        return [*lines, "", "Nothing stands in its way, and nothing did of late."]
    for finding in found["findings"]:
        at = "now" if finding["at"] is None else text_of("at", finding["at"])
        where = [finding[word] for word in ("peer", "topic", "code") if finding[word]]
        lines += ["", heading(f"{at}  {finding['kind']}") + GAP + escape_controls(", ".join(where))]
        for text in (finding["reason"], finding["remedy"]):
            if text:
                lines += [GAP + line for line in wrap(escape_controls(text), width - len(GAP))]
    return lines


def trace_lines(trace: dict[str, Any], _width: int) -> list[str]:
    """Return why an alarm was raised and cleared, part by part."""
    if not trace["words"]:
        return ["Nothing is known of it: it was raised before there were traces."]
    return [escape_controls(line) for line in trace["words"]]


def proof_lines(proofs: dict[str, Any], _width: int) -> list[str]:
    """Return the tests of a rule, and what is wrong with those that fail."""
    lines = []
    for test in proofs["tests"]:
        lines.append(f"{'pass' if test['passed'] else 'FAIL'}{GAP}{escape_controls(test['name'])}")
        lines += [f"{GAP}{GAP}{escape_controls(problem)}" for problem in test["problems"]]
    return lines or ["The rule has no tests: add tests: to its document."]


VIEWS: dict[str, View] = {
    "check_type": difference_lines,
    "compare_type_versions": difference_lines,
    "create_key": key_lines,
    "create_rule": rule_lines,
    "disable_rule": rule_lines,
    "enable_rule": rule_lines,
    "get_alarm_trace": trace_lines,
    "get_asyncapi": document_lines,
    "get_device_connection": why_lines,
    "get_device_history": history_lines,
    "get_history": history_lines,
    "get_lineage": lineage_lines,
    "get_rejection": rejection_lines,
    "get_rule": rule_lines,
    "get_td": document_lines,
    "get_tm": document_lines,
    "get_twin": twin_lines,
    "get_type": type_lines,
    "get_type_version": type_lines,
    "install_pack": pack_lines,
    "invite_user": invitation_lines,
    "issue_credential": credential_lines,
    "prove_rule": proof_lines,
    "remove_pack": pack_lines,
    "save_type": type_lines,
    "test_rule": proof_lines,
    "try_rule": trial_lines,
    "update_rule": rule_lines,
    "update_twin": twin_lines,
    "verify_audit": verdict_lines,
}
