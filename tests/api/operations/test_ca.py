import base64

from tests.api.support import MAIN, World

from weft.security.actions import Role

PASSPHRASE = "a long sentence of the owner"


async def test_the_state_is_there_for_everybody_in_the_house(world: World) -> None:
    """Until when all is good; no key in it."""
    shown = await world.call("GET", "/ca", token=world.person("vera", Role.VIEWER))
    assert shown.status == 200
    assert shown.json["root_key_here"] is True
    assert "PRIVATE" not in shown.content.decode()


async def test_the_roots_key_is_handled_at_the_machine_only(world: World) -> None:
    """The operator's token is signed with a file of the data folder; a platform admin has none."""
    operator = world.operator.make_token(MAIN)
    admin = world.person("paul", Role.PLATFORM_ADMIN)
    body = {"passphrase": PASSPHRASE}
    assert (await world.call("POST", "/ca/root/export", token=admin, body=body)).status == 403
    sealed = await world.call("POST", "/ca/root/export", token=operator, body=body)
    assert sealed.status == 200, sealed
    assert b"PRIVATE" not in base64.b64decode(sealed.json["key_pkcs12"])

    key = {"key_pkcs12": sealed.json["key_pkcs12"], "passphrase": PASSPHRASE}
    for path in ("/ca/root/offline", "/ca/intermediate"):
        assert (await world.call("POST", path, token=admin, body=key)).status == 403
    wrong = await world.call(
        "POST", "/ca/root/offline", token=operator, body=key | {"passphrase": "wrong"}
    )
    assert wrong.status == 422
    assert world.authority.state().root_key_here
    moved = await world.call("POST", "/ca/root/offline", token=operator, body=key)
    assert moved.json["root_key_here"] is False
    assert (await world.call("POST", "/ca/intermediate", token=operator)).status == 409
    assert (await world.call("POST", "/ca/intermediate", token=operator, body=key)).status == 200
    noted = [one.value for one in await world.audit.list_records(MAIN)]
    assert [one.action for one in noted].count("ca.manage") == 4
    assert (await world.call("POST", "/ca/root/export", token=operator, body=body)).status == 404
