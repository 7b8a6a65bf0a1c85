"""A connector that cannot be made: it takes what is asked, and says why nothing goes out."""

import pytest
from tests.connectors.support import entry, order_of

from weft.connectors.base import Situation
from weft.connectors.registry import KINDS
from weft.connectors.unmade import Unmade
from weft.errors import ConnectorError, Invalid


async def test_whatever_is_asked_of_it_the_answer_says_why() -> None:
    """An action waits with the reason, for it is tried again; nothing is lost."""
    made = Unmade("erp", "abacus", Invalid("There is no kind 'abacus'.", remedy="Install it."))
    item = entry()
    for act in (
        lambda: made.deliver(item, Situation()),
        lambda: made.note(order_of(item), "x"),
        made.test,
    ):
        with pytest.raises(ConnectorError, match="no kind 'abacus'") as said:
            await act()
        assert not said.value.permanent
        assert said.value.remedy == "Install it."
    with pytest.raises(ConnectorError):
        made.plan(item, Situation())
    assert await made.poll([order_of(item)]) == {}
    await made.close()


def test_it_takes_what_any_kind_takes() -> None:
    """What was asked of the one before is not given up for being of no known kind."""
    actions = {action for _, make in KINDS.values() for action in make.actions}  # type: ignore[attr-defined]
    assert actions <= Unmade.actions
