"""How connectors prove themselves: keys, passwords, and tokens that are kept and renewed."""

import asyncio
import base64
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.connectors.farside import Asked, FarSide, Reply, as_json, far_side
from tests.connectors.support import tools

from weft.connectors.authentication import Basic, Key, OAuth2, Tokens, proof_of
from weft.errors import ConfigurationError, ConnectorError
from weft.supervision import FakeClock


def token_server(*replies: Reply) -> Any:
    """Answer with tokens t-1, t-2, …, after these."""
    left, count = list(replies), [0]

    def answer(_asked: Asked) -> Reply:
        if left:
            return left.pop(0)
        count[0] += 1
        return as_json(
            {"access_token": f"t-{count[0]}", "token_type": "bearer", "expires_in": 3600}
        )

    return answer


def tokens(side: FarSide, folder: Path, **changes: Any) -> tuple[Tokens, FakeClock]:
    made, reference = tools(folder, "cl/ient s3cret")
    auth = OAuth2(
        token_url=side.url + "/token", client_id="weft", client_secret=reference, **changes
    )
    proof = proof_of(auth, made, "[connectors.erp]", 1.0)
    assert isinstance(proof, Tokens)
    clock = made.clock
    assert isinstance(clock, FakeClock)
    return proof, clock


async def bearer(proof: Tokens) -> str:
    return (await proof.headers())["Authorization"]


async def test_a_token_is_kept_and_renewed_before_it_ends(tmp_path: Path) -> None:
    """An hour of deliveries costs one token; none is begun with in its last minute."""
    async with far_side(token_server()) as side:
        proof, clock = tokens(side, tmp_path, scope="api", parameters={"audience": "erp"})
        assert [await bearer(proof), await bearer(proof)] == ["Bearer t-1"] * 2
        clock.turn(3_539)
        assert await bearer(proof) == "Bearer t-1"
        clock.turn(1)
        assert await bearer(proof) == "Bearer t-2"
    form = parse_qs(side.asked[0].body.decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "audience": ["erp"],
        "scope": ["api"],
        "client_id": ["weft"],
        "client_secret": ["cl/ient s3cret"],
    }


async def test_the_client_may_stand_in_a_header(tmp_path: Path) -> None:
    """RFC 6749, 2.3.1: both are form-encoded before they are joined."""
    async with far_side(token_server()) as side:
        await bearer(tokens(side, tmp_path, in_header=True)[0])
    scheme, pair = side.asked[0].headers["authorization"].split(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"weft:cl%2Fient%20s3cret")
    assert b"s3cret" not in side.asked[0].body


async def test_many_at_once_fetch_one_token(tmp_path: Path) -> None:
    """Outbox and poller begin in the same moment."""
    async with far_side(token_server()) as side:
        proof, _ = tokens(side, tmp_path)
        assert set(await asyncio.gather(*(bearer(proof) for _ in range(20)))) == {"Bearer t-1"}
    assert len(side.asked) == 1


async def test_a_refused_token_is_forgotten(tmp_path: Path) -> None:
    """A 401 before its time: the next request fetches another; before the first there is none."""
    async with far_side(token_server()) as side:
        proof, _ = tokens(side, tmp_path)
        assert not proof.refused()
        await bearer(proof)
        assert proof.refused()
        assert await bearer(proof) == "Bearer t-2"


BAD = {
    "a refused client": as_json({"error": "invalid_client"}, 401),
    "a bad request": as_json({"error": "invalid_client", "error_description": "s3cret"}, 400),
    "no token": as_json({}),
    "another kind of token": as_json({"access_token": "x", "token_type": "mac"}),
    "a line break in it": as_json({"access_token": "x\r\nX-Evil: y"}),
    "an endless one": as_json({"access_token": "x" * 20_000}),
    "a page": Reply(200, b"<html>s3cret</html>", {"Content-Type": "text/html"}),
    "a fault": Reply(503, b"", {}),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_token_that_is_none_is_not_used(name: str, tmp_path: Path) -> None:
    """It is tried again, nothing of the answer is repeated, and the next one is taken."""
    async with far_side(token_server(BAD[name])) as side:
        proof, _ = tokens(side, tmp_path)
        with pytest.raises(ConnectorError) as caught:
            await proof.headers()
        assert not caught.value.permanent
        assert "s3cret" not in caught.value.detail + caught.value.remedy
        assert await bearer(proof) == "Bearer t-1"


@pytest.mark.parametrize(
    ("expires_in", "held_s"), [(None, 10**6), (-5, 10**6), (30, 19), (4, 1.9), (120, 59)]
)
async def test_an_odd_lifetime_is_no_trap(
    expires_in: float | None, held_s: float, tmp_path: Path
) -> None:
    """A token without an end is used until it is refused; a short one for part of its life."""
    granted = as_json({"access_token": "odd", "expires_in": expires_in})
    async with far_side(token_server(granted)) as side:
        proof, clock = tokens(side, tmp_path)
        await bearer(proof)
        clock.turn(held_s)
        assert await bearer(proof) == "Bearer odd"


async def test_keys_and_passwords_are_read_at_each_use(tmp_path: Path) -> None:
    """Rotated by replacing the file, with no restart."""
    made, reference = tools(tmp_path, "one")
    key = proof_of(Key(key=reference, header="X-API-Key", prefix=""), made, "x", 1)
    password = proof_of(Basic(user="weft", password=reference), made, "x", 1)
    assert await key.headers() == {"X-API-Key": "one"}
    (tmp_path / "secret").write_text("two")
    assert await key.headers() == {"X-API-Key": "two"}
    pair = base64.b64encode(b"weft:two").decode()
    assert await password.headers() == {"Authorization": f"Basic {pair}"}
    assert not key.refused()
    assert not password.refused()
    nothing = proof_of(None, made, "x", 1)
    assert (await nothing.headers(), nothing.refused()) == ({}, False)


@pytest.mark.parametrize(
    "auth",
    [
        Basic(user="a:b", password="env:X"),
        Basic(user="a", password="the-secret"),
        Key(key="the-secret"),
        OAuth2(token_url="https://x", client_id="a", client_secret="the-secret"),
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(auth: Any, tmp_path: Path) -> None:
    """A secret in the settings is refused without being repeated."""
    with pytest.raises(ConfigurationError) as caught:
        proof_of(auth, tools(tmp_path)[0], "[connectors.erp]", 1)
    assert "the-secret" not in caught.value.detail + caught.value.remedy
