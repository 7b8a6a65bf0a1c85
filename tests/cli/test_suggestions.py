"""Suggestions: the nearest name, for those who may see it."""

import json
from typing import Any, cast

from weft.cli.client import Client, Received, Refused
from weft.cli.suggestions import suggest


class Listing:
    """A server that lists what it is given, or refuses to."""

    def __init__(self, *names: str, field: str = "device_id", status: int = 200) -> None:
        self.names, self.field, self.status = names, field, status
        self.asked: list[str] = []

    def send(self, method: str, path: str) -> Received:
        """Answer with a list."""
        self.asked.append(f"{method} {path}")
        if self.status != 200:
            raise Refused(self.status, {})
        items: list[Any] = [{self.field: name} for name in self.names]
        return Received(200, {}, _json({"items": items, "next": None}))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _suggested(listing: Listing, refused: Refused, group: str = "device", **path: str) -> str:
    return suggest(cast("Client", listing), refused, group, path).remedy


def test_the_nearest_name_is_suggested() -> None:
    """With the command that lists all of them."""
    remedy = _suggested(Listing("pump-1", "fan-1"), Refused(404, {}), device_id="pmup-1")
    assert remedy == "Did you mean 'pump-1'? All of them: weft device list"


def test_the_beginning_of_an_id_is_enough_to_find_it() -> None:
    """Ids are long; what is unambiguous is named in full."""
    listing = Listing("632b4435-0b76", "e9c4fbe7-1c70", field="alarm_id")
    assert "632b4435-0b76" in _suggested(listing, Refused(404, {}), "alarm", alarm_id="632b")


def test_who_may_not_list_is_told_nothing_of_others() -> None:
    """A suggestion is no way around a right; the server's own remedy stays."""
    refused = Refused(404, {"remedy": "Ask somebody."})
    assert _suggested(Listing("pump-1", status=403), refused, device_id="pump-2") == "Ask somebody."


def test_other_refusals_are_left_alone_and_cost_no_question() -> None:
    """Only a name that is not there is guessed at."""
    listing, refused = Listing("pump-1"), Refused(409, {"remedy": "Wait."})
    assert suggest(cast("Client", listing), refused, "device", {"device_id": "pump-2"}) is refused
    assert listing.asked == []


def test_a_refusal_without_a_remedy_gets_the_list() -> None:
    """Somebody who has no near name looks at all of them."""
    listing = Listing(field="work_order_id")
    remedy = _suggested(listing, Refused(404, {}), "work-order", work_order_id="x")
    assert remedy == "All of them: weft work-order list"


def test_a_refused_value_points_at_the_help_of_the_command() -> None:
    """Not at a document for programmers."""
    refused = Refused(400, {"detail": "Expected int.", "remedy": "See /api/v1/openapi.json."})
    assert "weft device --help" in _suggested(Listing(), refused)
