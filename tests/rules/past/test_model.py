"""Records of replays: found by state and by rule; findings in the order of their places."""

from weft.model.ids import TenantId
from weft.rules.past.model import ENDED, REPLAYS, Asked, Replay, ReplayState, findings_key


def test_a_replay_is_found_by_its_state_and_its_rule() -> None:
    """A worker asks for what is queued, a person for what a rule's replays found."""
    asked = Asked("hot", {}, 1, 0, 1, 0)
    replay = Replay(TenantId("main"), "r-1", asked, "alice", 0)
    assert REPLAYS.index(replay) == {"state": "queued", "rule": "hot"}
    assert ReplayState.RUNNING not in ENDED


def test_findings_are_read_in_order() -> None:
    """The order of texts is that of numbers."""
    assert findings_key("r", 9) < findings_key("r", 10)
