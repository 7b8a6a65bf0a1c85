"""Trees: a lineage drawn from the device's samples to the task in the business system."""

from typing import Any

from weft.cli.cells import text_of
from weft.cli.layout import heading
from weft.observability.log import escape_controls

SAMPLES_SHOWN = 8  # of one alarm; the first and the last say most

Tree = list[tuple[str, "Tree"]]


def lineage_lines(graph: dict[str, Any], _width: int) -> list[str]:
    """Return the chain, one tree for each alarm in it."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    lines: list[str] = []
    for alarm in [node for node in graph["nodes"] if node["kind"] == "alarm"]:
        causes = [edge["source"] for edge in graph["edges"] if edge["target"] == alarm["id"]]
        samples = [nodes[one] for one in causes if nodes[one]["kind"] == "sample"]
        rules = [nodes[one] for one in causes if nodes[one]["kind"] == "rule"]
        devices = {
            edge["source"]
            for edge in graph["edges"]
            if edge["target"] in {s["id"] for s in samples}
        }
        first = [_node_text(nodes[one], graph["root"]) for one in sorted(devices)]
        tree: Tree = [(text, []) for text in _samples(samples, graph["root"])]
        tree += [(_node_text(rule, graph["root"]), []) for rule in rules]
        tree.append(_branch(alarm["id"], nodes, graph))
        lines += [*([""] if lines else []), *(first or ["device unknown"]), *_drawn(tree)]
    if graph["truncated"]:
        lines.append("There are more alarms: ask for the lineage of one of them.")
    return lines


def _branch(node_id: str, nodes: dict[str, Any], graph: dict[str, Any]) -> tuple[str, Tree]:
    following = [edge["target"] for edge in graph["edges"] if edge["source"] == node_id]
    text = _node_text(nodes[node_id], graph["root"])
    return text, [_branch(one, nodes, graph) for one in following]


def _samples(samples: list[dict[str, Any]], root: str) -> list[str]:
    samples = sorted(samples, key=lambda one: int(one["key"]))
    texts = [_node_text(sample, root) for sample in samples]
    if len(texts) <= SAMPLES_SHOWN:
        return texts
    half = SAMPLES_SHOWN // 2
    return [*texts[:half], f"... {len(texts) - 2 * half} more samples", *texts[-half:]]


def _node_text(node: dict[str, Any], root: str) -> str:
    """Write a node: what it is and its key, then what matters of it."""
    facts = node["facts"]
    parts = {
        "sample": (text_of("at", facts.get("at")), text_of("", facts.get("values"))),
        "rule": (f"version {facts.get('version')}", facts.get("when", "")),
        "alarm": (facts.get("severity"), facts.get("state"), node["label"]),
        "device": (),
    }.get(node["kind"], (facts.get("state"), node["label"], facts.get("url")))
    text = f"{node['kind'].replace('_', ' ')} {node['key']}"
    written = "  ".join([text, *(escape_controls(str(part)) for part in parts if part)])
    return heading(written) if node["id"] == root else written


def _drawn(tree: Tree, indent: str = "") -> list[str]:
    lines: list[str] = []
    for number, (text, below) in enumerate(tree):
        last = number == len(tree) - 1
        lines.append(f"{indent}{'└─' if last else '├─'} {text}")
        lines += _drawn(below, indent + ("   " if last else "│  "))
    return lines
