"""Identity: who was let in yesterday is let in today, and who was put out stays out."""

from pathlib import Path

import pytest
from tests.app.support import ADDRESS, add_pump, opened, principal_of, send, served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.errors import Forbidden, PeerError, Unauthenticated
from weft.model.device import Lifecycle
from weft.registry.devices import NewDevice


async def issue(weft: Weft, name: str = "pump-7") -> str:
    """Give a device a secret."""
    device = weft.identity.devices.find(MAIN, name)
    assert device is not None
    issued = await weft.identity.credentials.issue_secret(MACHINE, device)
    return issued.token


async def test_a_device_proves_itself_after_a_restart_as_before(tmp_path: Path) -> None:
    """Its secret is checked against what was kept, and its rights are there from the start."""
    async with opened(tmp_path) as weft:
        pump = await add_pump(weft)
        token = await issue(weft)
    async with served(tmp_path) as weft:
        assert weft.identity.authenticator.by_secret("pump-7", token, ADDRESS) == pump
        await send(weft, pump, b'{"temperature": 1}')


async def test_a_suspended_device_stays_outside_over_a_restart(tmp_path: Path) -> None:
    """At the door, and with a session that somebody kept: the policy does not know it."""
    async with opened(tmp_path) as weft:
        pump = await add_pump(weft)
        token = await issue(weft)
        await weft.identity.devices.move(MACHINE, "pump-7", Lifecycle.SUSPENDED)
    async with served(tmp_path) as weft:
        with pytest.raises(Unauthenticated):
            weft.identity.authenticator.by_secret("pump-7", token, ADDRESS)
        with pytest.raises(Forbidden):
            await send(weft, pump, b'{"temperature": 1}')


async def test_a_deleted_device_takes_its_credential_with_it(tmp_path: Path) -> None:
    """A namesake that is made next is somebody else (ID-1)."""
    async with served(tmp_path) as weft:
        old = await add_pump(weft)
        token = await issue(weft)
        await weft.identity.devices.delete(MACHINE, "pump-7")
        new = principal_of(await weft.identity.devices.create(MACHINE, NewDevice("pump-7")))
        assert new.uid != old.uid
        with pytest.raises(Unauthenticated):
            weft.identity.authenticator.by_secret("pump-7", token, ADDRESS)
        with pytest.raises(PeerError):
            await send(weft, old, b'{"temperature": 1}')
        await send(weft, new, b'{"temperature": 2}')


async def test_keys_of_a_folder_are_made_once(tmp_path: Path) -> None:
    """The CA, the pepper and the operator's key are the same in every life of a folder."""
    async with opened(tmp_path) as weft:
        authority = weft.identity.authority.root_pem
        token = weft.identity.operator.make_token(MAIN)
    async with opened(tmp_path) as weft:
        assert weft.identity.authority.root_pem == authority
        assert weft.identity.operator.find_tenant(token) is not None


async def test_two_folders_share_no_key(tmp_path: Path) -> None:
    """What one Weft has signed, another does not know."""
    async with opened(tmp_path / "a") as weft:
        token = weft.identity.operator.make_token(MAIN)
    async with opened(tmp_path / "b") as weft:
        assert weft.identity.operator.find_tenant(token) is None
