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


async def test_nobody_makes_one_over_the_network(world: World) -> None:
    """Not even the platform's administrator: the copy holds every key there is (OP-1, AZ-6)."""
    for role in Role:
        token = world.person(f"somebody-{role}", role)
        assert (await world.call("POST", "/backups", token=token)).status == 403, role
    assert world.backups.made == {}
