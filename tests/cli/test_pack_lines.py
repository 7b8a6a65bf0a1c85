"""What became of a pack, as people read it."""

from typing import Any

from weft.cli.pack_lines import pack_lines


def _report(*steps: tuple[str, str, str], **changed: Any) -> dict[str, Any]:
    return {
        "pack": "fleet",
        "version": 2,
        "version_before": 0,
        "prefix": "",
        "connector": "erp",
        "dry_run": False,
        "steps": [
            {"kind": kind, "name": name, "outcome": outcome, "reason": "", "changes": []}
            for kind, name, outcome in steps
        ],
        **changed,
    }


def test_an_install_names_each_item_and_what_became_of_it() -> None:
    """One line each, in the order in which they were made."""
    report = _report(("type", "truck", "add"), ("rule", "warm", "same"))
    assert pack_lines(report, 80) == [
        "fleet 2, work orders to erp",
        "  made       type truck",
        "  as it was  rule warm",
    ]


def test_a_dry_run_of_a_newer_version_shows_what_differs() -> None:
    """And says that nothing was done."""
    report = _report(("rule", "warm", "update"), dry_run=True, version_before=1, prefix="north-")
    report["steps"][0]["changes"] = ["for: 1m becomes 2m"]
    assert pack_lines(report, 80) == [
        "fleet 2 as north-…, over version 1, work orders to erp",
        "  to update  rule warm",
        "    for: 1m becomes 2m",
        "Nothing was done.",
    ]


def test_without_a_connector_it_says_how_to_name_one() -> None:
    """Its rules raise alarms and order nothing, which nobody should find out by waiting."""
    told = pack_lines(_report(("rule", "warm", "add"), connector=""), 80)[-1]
    assert "weft pack install fleet --connector NAME" in told
    kept = _report(("rule", "warm", "keep"))
    kept["steps"][0]["reason"] = "It was changed here."
    assert pack_lines(kept, 80)[1] == "  kept  rule warm: It was changed here."
