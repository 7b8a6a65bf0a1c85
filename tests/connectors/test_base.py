"""The connectors that exist keep the contract's shape."""

import re
from pathlib import Path

import msgspec
import pytest
from tests.connectors.contract import HELD_ELSEWHERE, STANDS_FOR, far_of
from tests.connectors.support import entry, order_of, tools

from weft.connectors.base import (
    WEBHOOK,
    WORK_ORDER,
    Connector,
    ConnectorSettings,
    Quality,
    by_number,
    by_remote_id,
)
from weft.connectors.inward import Inward
from weft.connectors.registry import KINDS
from weft.rules.model import ActionKind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in HELD_ELSEWHERE])
def test_a_connector_has_what_the_outbox_and_poller_call(kind: str, tmp_path: Path) -> None:
    """A new kind that lacks a method is found here, not at the first alarm."""
    settings_type, make = KINDS[kind]
    made, reference = tools(tmp_path)
    table = far_of(stands_for(kind), tmp_path / "secret").settings
    given = {**table("https://x", reference)}
    given.pop("kind")
    connector: Connector = make("erp", msgspec.convert(given, settings_type), made)
    assert (connector.name, connector.kind) == ("erp", kind)
    assert connector.actions
    for method in ("deliver", "plan", "poll", "note", "test", "close"):
        assert callable(getattr(connector, method))


def test_every_kind_has_the_common_settings() -> None:
    """Tenants, networks and time-outs are said in the same words everywhere."""
    common = set(ConnectorSettings.__struct_fields__)
    assert all(common <= set(type_.__struct_fields__) for type_, _ in KINDS.values())


def test_rules_and_connectors_name_actions_alike() -> None:
    """A rule's action kind is what connectors, or Weft itself, say that they carry out."""
    assert {str(kind) for kind in ActionKind} == {WEBHOOK, WORK_ORDER} | Inward.actions


PAGES = Path(__file__).parents[2] / "docs"


def stands_for(kind: str) -> str:
    """The stand-in of a kind: of one that is described in settings, the first system."""
    return STANDS_FOR.get(kind, [kind])[0]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in HELD_ELSEWHERE])
def test_a_step_of_the_ladder_is_earned(kind: str, tmp_path: Path) -> None:
    """What docs/explanation/connector-quality.md asks of silver and gold, where a machine can."""
    settings_type, make = KINDS[kind]
    made, reference = tools(tmp_path)
    table = far_of(stands_for(kind), tmp_path / "secret").settings("https://x", reference)
    table.pop("kind")
    connector = make("erp", msgspec.convert(table, settings_type), made)
    page = (PAGES / "howto" / f"{connector.page}.md").read_text("utf-8")
    assert f'kind = "{kind}"' in page
    if connector.quality is Quality.BRONZE:
        return
    assert connector.fields or connector.more_fields
    assert "weft connector test" in page
    if connector.quality is Quality.GOLD:
        assert connector.follows
        assert any(field.default for field in connector.fields.values())
        assert f"weft connector standin {kind}" in page


def test_the_ladder_says_where_every_kind_stands() -> None:
    """The table is the code's own, and whoever is not on top says why."""
    text = (PAGES / "explanation" / "connector-quality.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE))
    assert rows == {kind: make.quality.value for kind, (_, make) in KINDS.items()}  # type: ignore[attr-defined]  # of the class
    reasons = dict(re.findall(r"^\| `(\w+)` \| \w+ \| ?(.*?) ?\|$", text, re.MULTILINE))
    assert all(reasons[kind] or step == "gold" for kind, step in rows.items())


def test_only_what_can_be_an_id_of_the_far_side_is_asked_for() -> None:
    """A work order that has none yet, and one whose id another kind of system gave it."""
    ids = ("17", "٣", "17a", "", None)
    orders = [order_of(entry(number), remote_id=one) for number, one in enumerate(ids)]
    assert by_number(orders) == {17: orders[0].work_order_id}
    words = by_remote_id(orders, str.isascii)
    assert words == {"17": orders[0].work_order_id, "17a": orders[2].work_order_id}
