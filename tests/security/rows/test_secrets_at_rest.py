"""CR-1 and CR-2: what stands in the data folder opens nothing."""

import asyncio
import hashlib
import hmac
import re
import secrets
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from tests.security.rows.support import House, house_in, operator

from weft.connectors.credentials import Credentials

PLANTED = 1_000
TOKEN = re.compile(r"weft_([a-z2-7]{16})_([A-Za-z0-9_-]{43})_([0-9a-f]{8})")


def files_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pem":  # this test's own copies for the clients
            yield path, path.read_bytes()


async def plant(house: House) -> list[str]:
    """Make secrets of every kind that Weft keeps; return what must not be found."""
    store = Credentials(house.weft.stores.records, house.identity.vault, house.identity.audit)
    planted = [f"canary-{secrets.token_urlsafe(24)}" for _ in range(PLANTED - 200)]
    tasks = [store.put(operator(), f"erp-{n}", text) for n, text in enumerate(planted)]
    await asyncio.gather(*tasks)
    device = (await house.enrol("pump-7")).device
    for number in range(100):
        key = await house.key("devices:read")
        planted.append(key.token)
        if number < 7:
            issued = await house.identity.credentials.issue_secret(operator(), device)
            planted.append(issued.token)
            await house.identity.credentials.revoke(
                operator(), device, issued.credential.credential_id
            )
    password = f"{secrets.token_urlsafe(12)} umbrella tangent"
    invitation = await house.identity.people.invite_first(operator(), operator().tenant)
    signed_in = await house.identity.sign_in.sign_up(invitation, "ada", password, "127.0.0.1:1")
    planted += [password, invitation, signed_in.access_token, signed_in.refresh_token]
    return planted


async def test_cr_1_no_planted_secret_is_found_in_the_data_folder(tmp_path: Path) -> None:
    """Connector passwords, device secrets, keys, a person's password, invitations, sessions."""
    async with house_in(tmp_path / "data") as house:
        planted = await plant(house)
        async with house.http(planted[-1]) as client:
            await client.get("devices")  # a secret that is used is not written down either
        await house.settle()
        assert not _found(tmp_path / "data", planted)  # in the WAL, too
    assert len(planted) > PLANTED - 100
    assert not _found(tmp_path / "data", planted)


def _found(folder: Path, planted: list[str]) -> list[str]:
    wanted = [text.encode() for text in planted]
    wanted += [m[2].encode() for text in planted if (m := TOKEN.fullmatch(text))]
    return [
        f"{path.name}: {text[:12]!r}"
        for path, data in files_below(folder)
        for text in wanted
        if text in data
    ]


async def test_cr_1_private_keys_are_sealed_and_files_are_their_owners(house: House) -> None:
    """Nothing in the folder can be read by another user, and no key stands there in clear."""
    await house.enrol("pump-7")
    for path, data in files_below(house.weft.folder.path):
        assert b"BEGIN PRIVATE KEY" not in data, path
        assert b"BEGIN EC PRIVATE KEY" not in data, path
        if path.suffix == ".key":
            assert b"ENCRYPTED" in data or len(data) < 200, path  # the master key itself
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(house.weft.folder.path.stat().st_mode) == 0o700


async def test_cr_2_a_copy_of_the_database_does_not_prove_a_known_secret(tmp_path: Path) -> None:
    """Not by hash, not by HMAC with anything that stands beside it: the pepper is sealed."""
    async with house_in(tmp_path / "data") as house:
        pump, app = await house.enrol("pump-7"), await house.key("devices:read")
        pepper = await house.identity.vault.secret("pepper")
    dump = b"".join(data for _, data in files_below(tmp_path / "data"))
    assert pepper not in dump
    assert pepper.hex().encode() not in dump
    with sqlite3.connect(tmp_path / "data" / "records.sqlite") as database:
        bodies = [bytes(row[0]) for row in database.execute("SELECT body FROM record")]
    keys: list[bytes] = [b"", b"weft", b"pepper"]
    for token in (pump.token, app.token):
        match = TOKEN.fullmatch(token)
        assert match is not None
        assert any(match[1].encode() in body for body in bodies)  # its id is there, no secret
        for text in (token, match[2], f"{match[1]}_{match[2]}"):
            digests = [hashlib.sha256(text.encode()).hexdigest()]
            digests += [hmac.digest(key, text.encode(), "sha256").hex() for key in keys]
            assert not any(d.encode() in body for d in digests for body in bodies)


async def test_cr_2_secrets_have_the_form_that_scanners_find(house: House) -> None:
    """Prefix, id, 32 random bytes, checksum; a hundred of them and no two alike."""
    tokens = {(await house.key("devices:read")).token for _ in range(100)}
    assert len(tokens) == 100
    assert all(TOKEN.fullmatch(token) for token in tokens)
    assert len({TOKEN.fullmatch(token)[2] for token in tokens}) == 100  # type: ignore[index]
