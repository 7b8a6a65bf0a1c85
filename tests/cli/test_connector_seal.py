"""`weft connector seal`: from standard input, and from nowhere else."""

from tests.cli.support import Shell

from weft.connectors.credentials import Credentials


async def test_a_secret_is_sealed_from_standard_input(weft: Shell) -> None:
    """Without the line's end; it is not repeated."""
    world = weft.world
    kept = Credentials(world.records, world.vault, world.audit)
    world.connectors.credentials = kept
    done = await weft.run("connector", "seal", "sap", text="s3cret\n")
    assert done.exit_code == 0, done.output
    assert "s3cret" not in done.output
    assert "sealed:sap" in done.stdout
    assert await kept.get("sealed:sap") == "s3cret"


async def test_nothing_is_not_sealed(weft: Shell) -> None:
    """An empty file would take the connector down at its next delivery."""
    done = await weft.run("connector", "seal", "sap", text="\n")
    assert done.exit_code == 2
    assert "no secret" in done.stderr
