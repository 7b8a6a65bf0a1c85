"""Trees: a chain that one can follow with a finger."""

from typing import Any

from weft.cli.trees import SAMPLES_SHOWN, lineage_lines


def _graph(samples: int = 2, *, root: str = "alarm:a1") -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [
        {"id": "device:pump-1", "kind": "device", "key": "pump-1", "label": "pump-1", "facts": {}},
        _node("alarm", "a1", "pump-1 shakes", severity="critical", state="active"),
        _node("rule", "shaking", "", version=2, when="vibration > 6"),
        _node("action", "o1", "work_order through erp", state="delivered"),
        _node("work_order", "o1", "Look after pump-1", state="open"),
        _node("remote", "7", "erp 7", state="Open", url="http://erp/7"),
    ]
    edges = [
        ("rule:shaking", "alarm:a1", "judged"),
        ("alarm:a1", "action:o1", "asked"),
        ("action:o1", "work_order:o1", "ordered"),
        ("work_order:o1", "remote:7", "became"),
    ]
    for position in range(1, samples + 1):
        nodes.append(_node("sample", str(position), "", at="", values={"vibration": 6.5}))
        edges.append(("device:pump-1", f"sample:{position}", "measured"))
        edges.append((f"sample:{position}", "alarm:a1", "proved"))
    drawn = [{"source": s, "target": t, "relation": r} for s, t, r in edges]
    return {"root": root, "nodes": nodes, "edges": drawn, "truncated": False}


def _node(kind: str, key: str, label: str, **facts: Any) -> dict[str, Any]:
    return {"id": f"{kind}:{key}", "kind": kind, "key": key, "label": label, "facts": facts}


def test_the_chain_leads_from_the_device_to_the_task() -> None:
    """Samples and rule lead to the alarm; below it stands what came of it."""
    assert lineage_lines(_graph(), 80) == [
        "device pump-1",
        "├─ sample 1  -  vibration=6.5",
        "├─ sample 2  -  vibration=6.5",
        "├─ rule shaking  version 2  vibration > 6",
        "└─ \x1b[1malarm a1  critical  active  pump-1 shakes\x1b[0m",
        "   └─ action o1  delivered  work_order through erp",
        "      └─ work order o1  open  Look after pump-1",
        "         └─ remote 7  Open  erp 7  http://erp/7",
    ]


def test_many_samples_are_counted_in_the_middle() -> None:
    """The first ones and the last ones say most; how many are not shown is said."""
    lines = lineage_lines(_graph(20, root="device:pump-1"), 80)
    assert sum("sample " in line for line in lines) == SAMPLES_SHOWN
    assert any("12 more samples" in line for line in lines)


def test_a_truncated_answer_says_so() -> None:
    """Nobody takes a part for the whole."""
    assert "more alarms" in lineage_lines({**_graph(), "truncated": True}, 80)[-1]
