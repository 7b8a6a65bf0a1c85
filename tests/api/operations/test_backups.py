"""Backups over the API: for whoever holds the machine, and for nobody else."""

from tests.api.support import MAIN, World

from weft.security.actions import Role


async def test_the_operator_begins_a_snapshot_and_asks_how_far_it_is(world: World) -> None:
    """As `weft backup` does, at the machine itself."""
    token = world.operator.make_token(MAIN)
    started = await world.call("POST", "/backups", token=token)
    assert started.status == 202
    backup_id = started.json["backup_id"]
    found = await world.call("GET", f"/backups/{backup_id}", token=token)
    assert (found.status, found.json["state"]) == (200, "done")
    assert (await world.call("GET", "/backups/none", token=token)).status == 404


async def test_an_administrator_may_ask_and_nobody_else(world: World) -> None:
    """The snapshot stays on the machine; who cannot read its folder has nothing of it (OP-1)."""
    for role in Role:
        token = world.person(f"somebody-{role}", role)
        answer = await world.call("POST", "/backups", token=token)
        expected = 202 if role is Role.PLATFORM_ADMIN else 403
        assert answer.status == expected, role
    assert len(world.backups.made) == 1
