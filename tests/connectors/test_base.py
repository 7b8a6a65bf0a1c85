"""The connectors that exist keep the contract's shape."""

from pathlib import Path

import msgspec
import pytest
from tests.connectors.contract import STANDS_FOR, far_of
from tests.connectors.support import tools

from weft.connectors.base import WEBHOOK, WORK_ORDER, Connector, ConnectorSettings
from weft.connectors.registry import KINDS
from weft.rules.model import ActionKind


@pytest.mark.parametrize("kind", KINDS)
def test_a_connector_has_what_the_outbox_and_poller_call(kind: str, tmp_path: Path) -> None:
    """A new kind that lacks a method is found here, not at the first alarm."""
    settings_type, make = KINDS[kind]
    made, reference = tools(tmp_path)
    table = far_of(next(iter(STANDS_FOR.get(kind, [kind]))), tmp_path / "secret").settings
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
    """A rule's action kind is what connectors say that they carry out."""
    assert {str(kind) for kind in ActionKind} == {WEBHOOK, WORK_ORDER}
