"""Sessions with a gateway: tokens and cookies that a header can carry, and no others."""

from pathlib import Path

import pytest
from tests.connectors.farside import Asked, Reply, far_side
from tests.connectors.support import tools

from weft.connectors.authentication import proof_of
from weft.connectors.calls import Calls
from weft.connectors.sessions import Session
from weft.errors import ConnectorError


async def begun(folder: Path, headers: dict[str, str]) -> dict[str, str]:
    made, _ = tools(folder)
    async with far_side(lambda _asked: Reply(200, b"{}", headers)) as side:
        calls = Calls(made, proof_of(None, made, "x", 1), 1)
        return dict(await Session(calls, side.url).begin())


async def test_a_token_and_its_cookies_go_back(tmp_path: Path) -> None:
    """Their attributes do not; the last of a name counts."""
    cookies = "a=1; path=/\r\nSet-Cookie: b=x-y_z; secure\r\nSet-Cookie: a=2"
    held = await begun(tmp_path, {"X-CSRF-Token": "tok", "Set-Cookie": cookies})
    assert held == {"X-CSRF-Token": "tok", "Cookie": "a=2; b=x-y_z"}


@pytest.mark.parametrize("token", ["", "Required", "Fetch", "x" * 5_000, "\xe9"])
async def test_an_answer_without_a_token_is_told(token: str, tmp_path: Path) -> None:
    """A login page behind a 200 is no session."""
    with pytest.raises(ConnectorError, match="holds none") as caught:
        await begun(tmp_path, {"X-CSRF-Token": token})
    assert not caught.value.permanent


async def test_a_cookie_that_no_header_carries_is_left_out(tmp_path: Path) -> None:
    """It could not be sent back without breaking out of its line."""
    odd = 'a b=1\r\nSet-Cookie: ok=1\r\nSet-Cookie: =x\r\nSet-Cookie: q="1"'
    held = await begun(tmp_path, {"X-CSRF-Token": "tok", "Set-Cookie": odd})
    assert held.get("Cookie", "").startswith("ok=1")
    assert '"' not in held["Cookie"]


async def test_a_403_of_its_own_is_no_lost_session(tmp_path: Path) -> None:
    """A user without the right is refused once; a new token would not help."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply(200, b"{}", {"X-CSRF-Token": "tok"})
        return Reply(403, b"", {})

    made, _ = tools(tmp_path)
    async with far_side(answer) as side:
        calls = Calls(made, proof_of(None, made, "x", 1), 1)
        session = Session(calls, side.url)
        for _ in range(2):
            assert (await session.write("POST", side.url + "/x", {})).status == 403
    assert [asked.method for asked in side.asked] == ["GET", "POST", "POST"]
