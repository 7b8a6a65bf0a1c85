"""Chat: Slack and Teams take a notice once, and nothing that a device says is markup there."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.farside import Asked, Reply, as_json, far_side
from tests.connectors.support import Plant, alarm, entry, order_of, tools

from weft.connectors.chat import (
    SlackConnector,
    SlackSettings,
    TeamsConnector,
    TeamsSettings,
    escape_slack,
)
from weft.connectors.notices import Notice
from weft.errors import ConnectorError
from weft.model.alarm import OutboxState

HOSTILE = "<!channel> *now* [click](https://evil.example) <https://evil.example|ok> @here & co"
KINDS = ["slack", "teams"]


def connector(kind: str, folder: Path, url: str, webhook: str = "/services/T0/B0/xyz") -> Any:
    made, reference = tools(folder, url + webhook)
    if kind == "slack":
        return SlackConnector("chat", SlackSettings(url=url, webhook=reference), made)
    return TeamsConnector("chat", TeamsSettings(url=url, webhook=reference), made)


def item(**parameters: Any) -> Any:
    return entry(kind="notification", connector="chat", parameters={"why": "alarm", **parameters})


@pytest.mark.parametrize("kind", KINDS)
async def test_a_notice_is_posted_to_the_secret_address(kind: str, tmp_path: Path) -> None:
    """Title and facts, to the path that only the secret knows."""
    async with far_side(lambda _asked: Reply(200, b"ok", {})) as side:
        plant = Plant(connector(kind, tmp_path, side.url))
        asked = item()
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        assert (await plant.entry(asked)).state is OutboxState.DELIVERED
        assert "posted" not in await plant.erp.test()
        await plant.erp.note(order_of(entry()), "it has cleared")
    assert {one.path for one in side.asked} == {"/services/T0/B0/xyz"}
    assert "Bearing of pump-7 vibrates" in side.asked[0].body.decode()
    assert len(side.asked) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (as_json({}, 429, **{"Retry-After": "30"}), OutboxState.DELIVERED),
        (as_json({}, 503), OutboxState.DELIVERED),
        (Reply(chop=True), OutboxState.DELIVERED),
        (Reply(200, b"x" * 2_000_000, {}), OutboxState.DELIVERED),
        (as_json({}, 400), OutboxState.DEAD),
        (as_json({}, 404), OutboxState.DEAD),
        (Reply(302, b"", {"Location": "https://evil.example"}), OutboxState.DEAD),
    ],
)
async def test_each_fault_is_tried_again_or_given_up(
    kind: str, tmp_path: Path, reply: Reply, state: OutboxState
) -> None:
    """The pause that the far side names is kept; what is refused for good is dead."""
    replies = [reply]

    def answer(_asked: Asked) -> Reply:
        return replies.pop(0) if replies else Reply(200, b"ok", {})

    async with far_side(answer) as side:
        plant = Plant(connector(kind, tmp_path, side.url))
        asked = item()
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        for _ in range(2):
            plant.clock.turn(3_700)
            await plant.outbox.deliver_due()
        stored = await plant.entry(asked)
    assert stored.state is state, stored.last_error
    assert "xyz" not in stored.last_error  # the address is a secret


@pytest.mark.parametrize("kind", KINDS)
async def test_an_address_elsewhere_is_refused(kind: str, tmp_path: Path) -> None:
    """A secret that points to another host than the settings say was put there by mistake."""
    async with far_side(lambda _asked: Reply(200, b"ok", {})) as side:
        made = connector(kind, tmp_path, side.url)
        (tmp_path / "secret").write_text("https://evil.example/services/x")
        with pytest.raises(ConnectorError, match="is not at"):
            await made.test()
    assert side.asked == []


async def test_ss_3_what_devices_say_is_text_in_slack(tmp_path: Path) -> None:
    """Blocks are plain text; the line for small screens is escaped and no markdown."""
    made = connector("slack", tmp_path, "https://hooks.slack.com")
    payload = made.payload(Notice(HOSTILE, [("Device", HOSTILE)], [HOSTILE]))
    assert payload["mrkdwn"] is False
    assert "<" not in payload["text"]
    texts = [payload["blocks"][0]["text"], *payload["blocks"][1]["fields"]]
    texts.append(payload["blocks"][2]["text"])
    assert {(one["type"], one["emoji"]) for one in texts} == {("plain_text", False)}


async def test_ss_3_what_devices_say_is_text_in_teams(tmp_path: Path) -> None:
    """Text runs know no markdown; no text block stands in the card."""
    made = connector("teams", tmp_path, "https://x.logic.azure.com")
    payload = made.payload(Notice(HOSTILE, [("Device", HOSTILE)], [HOSTILE]))
    body = payload["attachments"][0]["content"]["body"]
    assert {one["type"] for one in body} == {"RichTextBlock"}
    runs = [run for one in body for run in one["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert runs[0]["text"] == HOSTILE


@given(st.text())
def test_escaped_text_has_no_link_or_mention(text: str) -> None:
    """Slack reads them in angle brackets only; what was there can be read back."""
    escaped = escape_slack(text)
    assert "<" not in escaped
    assert ">" not in escaped
    back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert back == text
