"""Secrets of connectors over the API: put by the platform alone, and never shown."""

from tests.api.support import MAIN, World

from weft.connectors.credentials import CREDENTIALS, PLATFORM, Credentials


async def test_a_secret_is_sealed_by_the_machines_owner_alone(world: World) -> None:
    """What is on disk holds no word of it; a tenant's administrator is refused."""
    kept = Credentials(world.records, world.vault, world.audit)
    world.connectors.credentials = kept
    body = {"secret": "s3cret-of-sap"}
    refused = await world.call("PUT", "/connector-secrets/sap", token=world.admin(), body=body)
    assert refused.status == 403
    token = world.operator.make_token(MAIN)
    sealed = await world.call("PUT", "/connector-secrets/sap", token=token, body=body)
    assert sealed.status == 204
    assert sealed.content == b""
    assert await kept.get("sealed:sap") == "s3cret-of-sap"
    record = await world.records.read(lambda r: r.get(CREDENTIALS, PLATFORM, "sap"))
    assert "s3cret-of-sap" not in str(record)


async def test_a_secret_has_a_name_and_is_not_empty(world: World) -> None:
    """What cannot be read again is refused."""
    world.connectors.credentials = Credentials(world.records, world.vault, world.audit)
    token = world.operator.make_token(MAIN)
    for path, body in (
        ("/connector-secrets/sap", {"secret": ""}),
        ("/connector-secrets/sap", {"secret": "x" * 16_001}),
        ("/connector-secrets/a%20b", {"secret": "x"}),
    ):
        assert (await world.call("PUT", path, token=token, body=body)).status == 422
