"""Why a device does not get through: every cause is found, and named with its remedy."""

from typing import Any

import pytest
from tests.api.support import MAIN, OTHER, World

from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import Role
from weft.security.attempts import Attempt
from weft.security.connections import Connection
from weft.security.reasons import NO_TOKEN
from weft.security.tokens import ACCESS_LIFE_S


async def findings(world: World, device: str = "pump-7", **wanted: Any) -> list[dict[str, Any]]:
    """What is found of a device, of the wanted fields."""
    answer = await world.call("GET", f"/devices/{device}/connection", token=world.admin())
    found: list[dict[str, Any]] = answer.json["findings"]
    return [one for one in found if all(one[key] == value for key, value in wanted.items())]


async def add_tenants(world: World, *names: str) -> None:
    """Make tenants, as the platform's administrator does."""
    token = world.person("root", Role.PLATFORM_ADMIN)
    for name in names:
        await world.call("POST", "/tenants", token=token, body={"tenant_id": name})


async def test_nothing_is_found_of_a_device_that_is_well(world: World) -> None:
    pump = await world.device("pump-7")
    await world.call("POST", "/devices/me/telemetry", token=pump, body={"rpm": 1})
    assert await findings(world) == []


@pytest.mark.parametrize(
    ("to", "says"),
    [("suspended", "active"), ("revoked", "new device"), ("decommissioned", "new device")],
)
async def test_a_device_that_is_not_active_says_so_first(world: World, to: str, says: str) -> None:
    await world.device("pump-7")
    path = "/devices/pump-7/lifecycle"
    await world.call("POST", path, token=world.admin(), body={"to": to})
    first = (await findings(world))[0]
    assert (first["kind"], first["reason"]) == ("state", f"The device is {to}.")
    assert says in first["remedy"]


async def test_a_device_without_a_live_credential_says_so(world: World) -> None:
    """Never had one, or all are over."""
    await world.call("POST", "/devices", token=world.admin(), body={"device_id": "pump-9"})
    (none,) = await findings(world, "pump-9", kind="credential")
    assert none["reason"] == "The device has no credential."
    assert none["remedy"] == "Issue one: weft credential add pump-9."
    await world.device("pump-7")
    held = (await world.call("GET", "/devices/pump-7/credentials", token=world.admin())).json
    for one in held["items"]:
        path = f"/devices/pump-7/credentials/{one['credential_id']}"
        await world.call("DELETE", path, token=world.admin())
    (over,) = await findings(world, kind="credential")
    assert over["reason"].startswith("All credentials")


async def test_a_mistyped_token_is_found_by_the_key_id_in_it(world: World) -> None:
    await add_tenants(world, "main")
    secret = await world.device("pump-7")
    wrong = "A" if secret[30] != "A" else "B"
    await world.call("GET", "/whoami", token=secret[:30] + wrong + secret[31:])
    found = await findings(world, kind="proof")
    assert found
    assert all(one["remedy"] for one in found)


async def test_what_is_no_credential_at_all_is_mended_at_the_device(world: World) -> None:
    """A device that sends half of its secret does not have to sign in: nobody does."""
    await add_tenants(world, "main")
    secret = await world.device("pump-7")
    await world.call("POST", "/devices/me/telemetry", token=secret[:20], body={"rpm": 1})
    (found,) = await findings(world, kind="proof")
    assert "mistyped" in found["reason"]
    assert "Sign in" not in found["remedy"]
    assert "weft credential add pump-7." in found["remedy"]


@pytest.mark.parametrize("wrong", ["secret", "key id"])
async def test_a_remedy_names_the_device_that_it_is_for(world: World, wrong: str) -> None:
    """It is pasted into a shell: nobody has to know what DEVICE stands for."""
    await add_tenants(world, "main")
    secret = await world.device("pump-7")
    at = 30 if wrong == "secret" else 8
    other = "A" if secret[at] != "A" else "B"
    await world.call("GET", "/whoami", token=secret[:at] + other + secret[at + 1 :])
    found = await findings(world, kind="proof")
    assert found
    for one in found:
        assert "DEVICE" not in one["remedy"]
        assert "pump-7" in one["remedy"]


@pytest.mark.parametrize(
    ("claimed", "named"),
    [("pump-8", "pump-8"), ("pump-7", "pump-7"), ("(unnamed)", "pump-7"), ("$(reboot)", "DEVICE")],
)
async def test_a_remedy_for_another_name_from_the_same_address_names_that_one(
    world: World, claimed: str, named: str
) -> None:
    """Two pumps behind one router; and what no device can be called gets into no command."""
    await add_tenants(world, "main")
    await world.device("pump-7")
    nobodys(world, "192.0.2.7:99", claimed, "mistyped", NO_TOKEN.remedy)
    (found,) = await findings(world, kind="proof")
    assert found["remedy"].endswith(f"weft credential add {named}.")


async def test_a_persons_session_that_is_over_is_no_finding_of_a_device(world: World) -> None:
    """The dashboard at the same desk, opened again in the morning."""
    await add_tenants(world, "main")
    await world.device("pump-7")
    cookie = {"cookie": "__Host-weft=weft_over", "host": "weft", "sec-fetch-site": "same-origin"}
    assert (await world.call("GET", "/whoami", headers=cookie)).status == 401
    ada = Principal(MAIN, PrincipalKind.USER, "ada", "uid-ada")
    over = (await world.sessions.open(ada, "")).access_token
    world.clock.turn(ACCESS_LIFE_S + 1)
    assert (await world.call("GET", "/whoami", token=over)).status == 401
    assert await findings(world, kind="proof") == []


async def test_a_device_with_a_token_of_another_system_is_told(world: World) -> None:
    """It has the shape of a person's and is not signed by us: nobody's session is over."""
    await add_tenants(world, "main")
    await world.device("pump-7")
    foreign = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwdW1wLTcifQ.c2lnbmF0dXJl"
    body = {"rpm": 1}
    await world.call("POST", "/devices/me/telemetry", token=foreign, body=body)
    (found,) = await findings(world, kind="proof")
    assert found["reason"] == NO_TOKEN.text
    assert "weft credential add pump-7." in found["remedy"]


def nobodys(world: World, peer: str, claimed: str, reason: str, remedy: str = "") -> None:
    """A try that proves nothing."""
    at, nobody = world.clock.now(), TenantId("")
    attempt = Attempt(at, nobody, peer, claimed, accepted=False, reason=reason, remedy=remedy)
    world.authenticator.attempts.add(attempt)


async def test_a_first_connection_that_fails_before_it_has_a_name_is_found(world: World) -> None:
    """TLS was refused, so nothing says whose device it is; with one tenant there is no doubt."""
    await world.device("pump-7")
    await add_tenants(world, "main")
    nobodys(world, "192.0.2.7:99", "(before CONNECT)", "The client's certificate has expired.")
    (found,) = await findings(world, kind="handshake")
    assert found["reason"] == "The client's certificate has expired."
    assert found["peer"] == "192.0.2.7:99"


async def test_once_it_has_come_in_only_its_own_addresses_count(world: World) -> None:
    """What strangers try from elsewhere is no finding of this device's."""
    await world.device("pump-7")
    await add_tenants(world, "main")
    uid = world.devices.get(MAIN, "pump-7").uid
    principal = Principal(MAIN, PrincipalKind.DEVICE, "pump-7", uid)
    connection = Connection(principal, "mqtt", "192.0.2.7:4000", lambda _reason: None)
    world.connections.register(connection)
    nobodys(world, "192.0.2.7:99", "(a token)", "mistyped")
    nobodys(world, "198.51.100.1:99", "(a token)", "a stranger's")
    assert [one["reason"] for one in await findings(world, kind="proof")] == []
    assert [one["reason"] for one in await findings(world, kind="handshake")] == ["mistyped"]
    (silent,) = await findings(world, kind="state")
    assert "has sent nothing" in silent["reason"]


async def test_tn_2_with_several_tenants_nobodys_tries_are_shown_to_none(world: World) -> None:
    """They might be the neighbour's."""
    await world.device("pump-7")
    await add_tenants(world, "main", "north")
    nobodys(world, "192.0.2.7:99", "pump-7", "mistyped")
    assert await findings(world, kind="handshake") == []
    other = await world.call("GET", "/devices/pump-7/connection", token=world.admin(OTHER))
    assert other.status == 404


async def test_refused_messages_are_found_with_topic_reason_and_remedy(world: World) -> None:
    pump = await world.device("pump-7")
    await world.call("POST", "/devices/me/telemetry", token=pump, body={"ts": 5, "values": {}})
    (found,) = await findings(world, kind="message")
    assert found["topic"] == "devices/pump-7/telemetry"
    assert found["code"] == "payload_invalid"
    assert "before the year 2000" in found["reason"]
    assert "milliseconds" in found["remedy"]
    path = f"/rejections/{found['position']}"
    assert (await world.call("GET", path, token=world.admin())).status == 200
