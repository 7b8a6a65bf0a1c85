"""Every stand-in says how to reach it, and under which kind."""

import pytest

from weft.connectors.registry import KINDS
from weft.connectors.standins.desk import Desk
from weft.connectors.standins.table import STAND_INS


@pytest.mark.parametrize("name", STAND_INS)
def test_a_stand_in_gives_the_settings_of_a_connector(name: str) -> None:
    """They are pasted into the configuration as they are; no secret is among them."""
    made = STAND_INS[name](Desk(lambda: 0), lambda: "the-secret")
    table = made.settings("http://127.0.0.1:1", "file:/key")
    assert table["kind"] in KINDS
    assert "the-secret" not in str(table)
    assert made.kind == table["kind"]
