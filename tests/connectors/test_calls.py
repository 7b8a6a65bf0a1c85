"""Requests of connectors: one renewal, and no more."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest
from tests.connectors.farside import Asked, Reply, as_json, far_side
from tests.connectors.support import tools

from weft.connectors.authentication import Key, OAuth2, proof_of
from weft.connectors.base import Planned
from weft.connectors.calls import Calls, after_settling, query_of
from weft.errors import ConnectorError


async def test_a_refused_token_is_renewed_once(tmp_path: Path) -> None:
    """A far side that refuses every token is not asked for ever."""

    def answer(asked: Asked) -> Reply:
        return as_json({"access_token": "t"}) if asked.path == "/token" else Reply(401, b"", {})

    async with far_side(answer) as side:
        made, secret = tools(tmp_path)
        auth = OAuth2(token_url=side.url + "/token", client_id="a", client_secret=secret)
        calls = Calls(made, proof_of(auth, made, "x", 1), 1)
        assert (await calls.ask("GET", side.url + "/x")).status == 401
        await calls.close()
    assert [asked.path for asked in side.asked] == ["/token", "/x", "/token", "/x"]


async def test_a_refused_key_is_not_tried_again_at_once(tmp_path: Path) -> None:
    """The same key would be refused again; the outbox waits until it is mended."""
    async with far_side(lambda _asked: Reply(401, b"", {})) as side:
        made, secret = tools(tmp_path)
        calls = Calls(made, proof_of(Key(key=secret), made, "x", 1), 1)
        with pytest.raises(ConnectorError, match="401"):
            await calls.ask_json("POST", side.url, what="Make", json={"a": 1})
    [asked] = side.asked
    assert asked.headers["content-type"] == "application/json"
    assert asked.json() == {"a": 1}


async def test_what_was_planned_is_sent_with_what_is_put_to_it(tmp_path: Path) -> None:
    """A token of the session goes along; what was planned goes as it was shown."""
    async with far_side(lambda _asked: Reply(200, b"", {})) as side:
        made, secret = tools(tmp_path)
        calls = Calls(made, proof_of(Key(key=secret), made, "x", 1), 1)
        planned = Planned("PUT", side.url + "/x", b"{}", {"If-Match": "1"})
        assert (await calls.send(planned, {"X-Token": "t"})).status == 200
        await calls.close()
    [asked] = side.asked
    assert (asked.method, asked.path, asked.body) == ("PUT", "/x", b"{}")
    assert (asked.headers["if-match"], asked.headers["x-token"]) == ("1", "t")


def test_a_query_has_no_plus_for_a_space() -> None:
    """A server of OData reads `+` as a plus; everything else is encoded, too."""
    text = query_of({"$filter": "Name eq 'a+b&c'", "q": "x y"})
    assert text == "$filter=Name%20eq%20%27a%2Bb%26c%27&q=x%20y"
    assert parse_qs(text)["$filter"] == ["Name eq 'a+b&c'"]


def test_what_may_still_be_on_its_way_is_waited_for() -> None:
    """At least as long as the far side asks, and a refusal not at all."""
    assert after_settling(ConnectorError("x"), 15).retry_after_s == 15
    assert after_settling(ConnectorError("x", retry_after_s=60), 15).retry_after_s == 60
    refused = ConnectorError("x", permanent=True)
    assert after_settling(refused, 15) is refused
