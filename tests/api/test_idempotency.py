"""A POST that is sent again with the same key is not done again."""

import pytest
from tests.api.support import OTHER, World

KEY = {"Idempotency-Key": "4f1c"}


async def test_a_repeat_gets_the_first_answer(world: World) -> None:
    """The answer was lost on the way, so the client asks again: one device, one answer."""
    token = world.admin()
    body = {"label": "no name of its own"}
    first = await world.call("POST", "/devices", token=token, body=body, headers=KEY)
    again = await world.call("POST", "/devices", token=token, body=body, headers=KEY)
    assert (first.status, again.status) == (201, 201)
    assert first.content == again.content
    assert again.headers["idempotent-replay"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    assert len((await world.call("GET", "/devices", token=token)).json["items"]) == 1


async def test_the_same_key_with_another_body_is_a_conflict(world: World) -> None:
    """A client that reuses keys is told, not half obeyed."""
    token = world.admin()
    await world.call("POST", "/devices", token=token, body={"label": "a"}, headers=KEY)
    answer = await world.call("POST", "/devices", token=token, body={"label": "b"}, headers=KEY)
    assert answer.status == 409


async def test_a_refusal_is_not_remembered(world: World) -> None:
    """Nothing was done, so the same key may try again when the reason has gone."""
    token = world.admin()
    body = {"device_id": "pump-7", "type_name": "pump"}
    assert (await world.call("POST", "/devices", token=token, body=body, headers=KEY)).status == 404
    await world.call(
        "PUT", "/types/pump", token=token, body={"telemetry": {"t": {"type": "number"}}}
    )
    assert (await world.call("POST", "/devices", token=token, body=body, headers=KEY)).status == 201


async def test_keys_of_others_do_not_meet(world: World) -> None:
    """Two tenants may use the same key."""
    body = {"device_id": "pump-7"}
    for tenant_token in (world.admin(), world.admin(OTHER)):
        answer = await world.call("POST", "/devices", token=tenant_token, body=body, headers=KEY)
        assert answer.status == 201


async def test_a_secret_is_not_kept_for_a_repeat(world: World) -> None:
    """It is shown once; the store holds nothing of it."""
    await world.device("pump-7")
    token = world.admin()
    path = "/devices/pump-7/credentials"
    first = await world.call("POST", path, token=token, body={}, headers=KEY)
    again = await world.call("POST", path, token=token, body={}, headers=KEY)
    assert (first.status, again.status) == (201, 409)
    assert first.json["token"].encode() not in repr(world.records._tables).encode()


async def test_a_request_that_was_cut_short_is_not_done_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died between the work and the answer: the outcome is not known, and said so."""
    token = world.admin()
    body = {"device_id": "pump-7"}

    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("the process dies here")

    monkeypatch.setattr(world.application.idempotency, "keep", die)
    await world.call("POST", "/devices", token=token, body=body, headers=KEY)
    answer = await world.call("POST", "/devices", token=token, body=body, headers=KEY)
    assert (answer.status, answer.json["code"]) == (409, "conflict")


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
async def test_a_key_that_cannot_be_kept_is_refused(world: World, key: str) -> None:
    """Empty, spaced, or too long."""
    answer = await world.call(
        "POST", "/devices", token=world.admin(), body={}, headers={"Idempotency-Key": key}
    )
    assert answer.status == 422


async def test_keys_are_forgotten_after_a_day(world: World) -> None:
    """A sweep takes them away; what is younger stays."""
    token = world.admin()
    await world.call("POST", "/devices", token=token, body={"device_id": "a"}, headers=KEY)
    assert await world.application.idempotency.sweep() == 0
    world.clock.turn(25 * 3600)
    assert await world.application.idempotency.sweep() == 1
