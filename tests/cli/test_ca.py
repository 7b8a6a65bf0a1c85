"""`weft ca`: the root's key leaves in a sealed file, and signs again from there."""

from pathlib import Path

from tests.cli.support import Shell

PASSPHRASE = "a long sentence of the owner"


async def test_the_root_goes_offline_and_signs_again_from_its_file(
    weft: Shell, tmp_path: Path
) -> None:
    """Refused without the file, refused with another passphrase, then done."""
    secret, file = tmp_path / "passphrase", tmp_path / "root.p12"
    secret.write_text(PASSPHRASE + "\n")
    given = ("--passphrase-file", str(secret))
    moved = await weft.run("ca", "take-root-offline", str(file), *given)
    assert moved.exit_code == 0, moved.output
    assert file.stat().st_mode & 0o077 == 0
    assert (await weft.json("ca", "show"))["root_key_here"] is False
    assert not (weft.world.authority._files.path("root.key")).exists()

    refused = await weft.run("ca", "renew-intermediate")
    assert refused.exit_code == 1
    assert "--root FILE" in refused.stderr
    wrong = tmp_path / "wrong"
    wrong.write_text("another sentence\n")
    again = ("ca", "renew-intermediate", "--root", str(file), "--passphrase-file")
    assert (await weft.run(*again, str(wrong))).exit_code == 1
    before = weft.world.authority.chain_pem
    renewed = await weft.run(*again, str(secret))
    assert renewed.exit_code == 0, renewed.output
    assert weft.world.authority.chain_pem != before


async def test_an_export_leaves_the_key_and_writes_over_nothing(
    weft: Shell, tmp_path: Path
) -> None:
    """A copy for the safe; then the same file may take the key offline."""
    secret, file = tmp_path / "passphrase", tmp_path / "root.p12"
    secret.write_text(PASSPHRASE)
    given = (str(file), "--passphrase-file", str(secret))
    assert (await weft.run("ca", "export-root", *given)).exit_code == 0
    assert (await weft.json("ca", "show"))["root_key_here"] is True
    assert (await weft.run("ca", "export-root", *given)).exit_code == 1
    assert (await weft.run("ca", "take-root-offline", *given)).exit_code == 0
    assert (await weft.json("ca", "show"))["root_key_here"] is False


async def test_a_short_passphrase_leaves_no_file(weft: Shell, tmp_path: Path) -> None:
    """And the key where it is."""
    secret, file = tmp_path / "passphrase", tmp_path / "root.p12"
    secret.write_text("short")
    refused = await weft.run("ca", "take-root-offline", str(file), "--passphrase-file", str(secret))
    assert refused.exit_code == 1
    assert not file.exists()
    assert weft.world.authority.state().root_key_here
