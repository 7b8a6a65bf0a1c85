"""Conditions of a rule: both checked, each error named."""

import pytest
from tests.rules.support import MACHINE

from weft.errors import Invalid
from weft.rules.conditions import require_conditions, require_texts
from weft.rules.language import ANY, scope_of
from weft.rules.model import ActionKind, RuleAction, RuleDocument

SCOPE = scope_of(MACHINE)


def test_both_conditions_are_checked() -> None:
    """A rule that could never clear is not saved."""
    when, clear = require_conditions(RuleDocument("r", "rpm > 1", clear="rpm < 1"), SCOPE)
    assert when.paths == {("telemetry", "rpm")}
    assert clear is not None
    with pytest.raises(Invalid, match="clear: Column 1"):
        require_conditions(RuleDocument("r", "rpm > 1", clear="rmp < 1"), SCOPE)


def test_texts_are_checked_where_the_keys_are_known() -> None:
    """A device without a type may send any key, so any name may stand in a message."""
    action = RuleAction(ActionKind.WEBHOOK, "hook", {"text": "{mode}", "level": 3})
    document = RuleDocument("r", "rpm > 1", message="{rpmm}", actions=(action,))
    require_texts(document, ANY)
    with pytest.raises(Invalid, match="message:") as caught:
        require_texts(document, SCOPE)
    assert caught.value.remedy == "Did you mean 'rpm'?"
