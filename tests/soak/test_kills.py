"""Acknowledged means kept, whenever the server dies (promise 1): fifty kills, a minute long.

`scripts/soak kills --rounds 1000` is the same for longer.
"""

from pathlib import Path

import pytest
from tests.soak.kills import Plan, run_kills

ROUNDS = 50


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_du_1_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Fifty devices, two rules, an ERP: readings, twins, alarms and tasks, each exactly once.

    An alarm that comes before the order of the one before has ended joins its fault.
    """
    tally = await run_kills(tmp_path, Plan(rounds=ROUNDS, seed=7, warm=True))
    assert tally.kills >= ROUNDS
    assert tally.resent > 0, "no kill met a message on its way: the load is too light"
    assert tally.alarms >= tally.actions > ROUNDS, "too few orders: the load is too light"
