"""Views: answers as people read them."""

import json
from typing import Any

from weft.api.operations.table import TABLE
from weft.cli.views import (
    VIEWS,
    credential_lines,
    difference_lines,
    document_lines,
    history_lines,
    invitation_lines,
    key_lines,
    rejection_lines,
    rule_lines,
    trial_lines,
    twin_lines,
    type_lines,
    verdict_lines,
    why_lines,
)

TWIN: dict[str, Any] = {
    "device_id": "pump-1",
    "last_seen_at": None,
    "telemetry": {},
    "reported": {},
    "desired": {},
    "delta": {},
}


def text(lines: list[str]) -> str:
    """Return lines as a person sees them."""
    return "\n".join(lines).replace("\x1b[1m", "").replace("\x1b[0m", "")


def test_views_are_of_operations_that_are_there() -> None:
    """A renamed operation takes its view along."""
    assert set(VIEWS) <= {operation.name for operation in TABLE}


def test_a_twin_without_anything_says_how_it_is_filled() -> None:
    """The first look at a new device is the next step."""
    seen = text(twin_lines(TWIN, 80))
    assert "last seen never" in seen
    assert "devices/pump-1/telemetry" in seen
    assert "weft twin desire pump-1 NAME=VALUE" in seen


def test_a_twin_shows_values_with_units_and_times() -> None:
    """In lines; what is desired and missing stands apart."""
    latest = {"value": 50.644, "unit": "Cel", "at": "2020-03-01T12:00:00.5Z"}
    twin = {
        **TWIN,
        "telemetry": {"temperature": latest},
        "desired": {"rpm": 9},
        "delta": {"rpm": 9},
    }
    seen = text(twin_lines(twin, 80))
    assert "temperature  50.644  Cel   2020-03-01" in seen
    assert seen.endswith("delta (desired and not yet reported)\n  rpm  9")
    assert "All that is desired is reported." in text(twin_lines({**twin, "delta": {}}, 80))


def test_history_has_a_column_for_each_aggregate() -> None:
    """And none for what was not asked; the device only where there are several."""
    row = {
        "at": "x",
        "device": "a",
        "key": "t",
        "value": None,
        "aggregates": {"mean": 1.5, "max": 2},
    }
    lines = history_lines({"items": [row]}, 80)
    assert text(lines).split("\n")[0].split() == ["at", "key", "mean", "max"]
    both = history_lines({"items": [row, {**row, "device": "b"}]}, 80)
    assert "device" in both[0]


def test_a_trial_says_what_would_have_been() -> None:
    """In a sentence, then alarm by alarm; failures and cuts are never hidden."""
    firing = {
        "device_id": "p",
        "severity": "major",
        "message": "hot",
        "raised_at": "x",
        "cleared_at": None,
        "evidence": [1, 2],
        "actions": 1,
    }
    ended = {"failures": 0, "last_failure": "", "complete": True}
    trial = {"firings": [firing], "messages": 1000, **ended}
    seen = text(trial_lines(trial, 80))
    assert "would have raised 1 alarm over 1,000 messages. Nothing was sent." in seen
    cut = text(trial_lines({**trial, "complete": False, "failures": 3, "last_failure": "no"}, 80))
    assert "more than 1 alarms" in cut
    assert "failed 3 times, the last time: no" in cut
    none = text(trial_lines({**trial, "firings": [], "messages": 0}, 80))
    assert "no alarms over 0 messages" in none
    assert "weft system health" in none


def test_an_audit_that_is_not_whole_says_what_to_do() -> None:
    """Where it broke, and what not to touch."""
    whole = {"intact": True, "records": 5, "first_bad": None, "reason": ""}
    assert "intact   yes" in text(verdict_lines(whole, 80))
    broken = {"intact": False, "records": 5, "first_bad": 3, "reason": "The hash differs."}
    seen = text(verdict_lines(broken, 80))
    assert "record 3: The hash differs." in seen
    assert "Keep the data folder" in seen


def test_secrets_stand_alone_in_their_lines() -> None:
    """So that a double click copies them."""
    key = {"key": {"key_id": "k", "expires_at": None}, "token": "weft_k"}
    assert "  weft_k" in key_lines(key, 80)
    assert "expires" not in text(key_lines(key, 80))
    made = {"token": "weft_t", "link": "http://x/sign-up#weft_t", "expires_in_s": 600}
    lines = invitation_lines(made, 80)
    assert "  http://x/sign-up#weft_t" in lines
    assert "10 minutes" in lines[0]


def test_a_credential_shows_what_to_paste() -> None:
    """Unbroken, whatever the width; a certificate's files under their names."""
    snippets = {"python": "import x\n", "mosquitto": "pub " + "y" * 200, "curl": "curl"}
    secret = credential_lines({"token": "weft_s", "snippets": snippets})
    assert snippets["mosquitto"] in secret
    pem = {"token": None, "ca_pem": "CA", "certificate_pem": "CERT", "private_key_pem": None}
    shown = credential_lines({**pem, "snippets": snippets})
    assert "# device.pem" in shown
    assert "# device.key" not in shown  # the device kept its own
    assert "CA" not in credential_lines({**pem, "snippets": snippets}, in_files=True)


def test_a_type_and_a_rule_are_shown_once_and_without_empty_parts() -> None:
    """A type's document repeats its fields; a rule's health matters where it is not well."""
    found = {"name": "pump", "telemetry": {"t": {"type": "number"}}, "events": {}, "document": {}}
    assert "events" not in text(type_lines(found, 80))
    rule = {"rule_id": "r", "paused": "", "document": {"when": "t > 1"}, "health": {"failures": 0}}
    assert "health   ok" in text(rule_lines(rule, 80))
    assert "failures  2" in text(rule_lines({**rule, "health": {"failures": 2}}, 80))


def test_a_refused_message_shows_its_payload_and_how_to_send_it_again() -> None:
    """As text where it is text, else in hex; a terminal is never steered by it."""
    sent = {"position": 5, "payload_base64": "eyJhIjoxfQ=="}
    seen = text(rejection_lines(sent, 80))
    assert 'payload   {"a":1}' in seen
    assert "weft rejection redrive 5" in seen
    assert "(hex)" in text(rejection_lines({**sent, "payload_base64": "//4bWw=="}, 80))
    assert "\x1b]" not in text(rejection_lines({**sent, "payload_base64": "G11h"}, 80))


def test_what_changes_is_a_line_each_and_says_whether_it_breaks() -> None:
    """The place first: it is what one looks for in the file."""
    found = {
        "old": 1,
        "differences": [
            {"place": "telemetry.rpm.unit", "text": "The unit was A.", "breaking": True},
            {"place": "telemetry.new", "text": "A new key.", "breaking": False},
        ],
    }
    seen = text(difference_lines(found, 100))
    assert "telemetry.rpm.unit  breaks  The unit was A." in seen
    assert "Nothing changes." in text(difference_lines({"old": 1, "differences": []}, 80))
    assert "A new type" in text(difference_lines({"old": None, "differences": []}, 80))


def test_a_document_for_a_program_is_shown_as_it_is() -> None:
    """It is saved into a file by > and read again."""
    assert json.loads(text(document_lines({"title": "Pumpe für Öl"}, 10))) == {
        "title": "Pumpe für Öl"
    }


def test_why_reads_from_what_holds_now_to_what_was() -> None:
    """Each finding with its remedy; what a peer wrote cannot steer the terminal."""
    found: dict[str, Any] = {
        "device_id": "pump-1",
        "lifecycle": "suspended",
        "connected": False,
        "connections": [],
        "last_seen_at": None,
        "last_spell": {
            "began_at": "2026-03-01T12:00:00Z",
            "ended_at": "2026-03-01T12:05:00Z",
            "protocol": "mqtt",
            "peer": "192.0.2.7:5",
            "gateway": None,
            "reason": "it left",
        },
        "findings": [
            {
                "kind": "state", "at": None, "reason": "The device is suspended.",
                "remedy": "Move it.", "peer": "", "topic": "", "code": "", "position": None,
            },
            {
                "kind": "message", "at": "2026-03-01T12:04:00Z", "reason": "No \x1b[2J key.",
                "remedy": "", "peer": "", "topic": "devices/pump-1/telemetry",
                "code": "payload_invalid", "position": 9,
            },
        ],
    }  # fmt: skip
    text = "\n".join(why_lines(found, 80))
    assert "suspended, not connected, last message never" in text
    assert "mqtt from 192.0.2.7:5" in text
    assert text.index("The device is suspended.") < text.index("Move it.") < text.index("key.")
    assert "payload_invalid" in text
    assert "\x1b[2J" not in text
    well = why_lines({**found, "findings": [], "last_spell": None}, 80)
    assert well[-1] == "Nothing stands in its way, and nothing did of late."
