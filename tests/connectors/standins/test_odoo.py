"""The stand-in for Odoo refuses what Odoo refuses."""

import json
from typing import Any

import pytest

from weft.connectors.standins.desk import Desk, Heard, Said
from weft.connectors.standins.odoo import OdooStandIn

KEY = {"authorization": "bearer k"}


def call(path: str, body: Any, headers: Any = KEY) -> Said:
    made = OdooStandIn(Desk(lambda: 0), lambda: "k")
    return made.answer(Heard("POST", path, headers, json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/json/2/maintenance.request/load", {}, {}, 401),
        ("/json/2/maintenance.request/load", {}, {"authorization": "bearer é"}, 401),
        ("/json/2/maintenance.request/load", {}, KEY, 422),
        ("/json/2/no.model/load", {}, KEY, 404),
        ("/jsonrpc", {}, KEY, 404),
        ("/json/2/maintenance.request/search_read", {"domain": [["a", "=", 1]]}, KEY, 422),
        ("/json/2/maintenance.request/message_post", {"ids": [9], "body": "x"}, KEY, 404),
    ],
)
def test_errors_are_odoos(path: str, body: Any, headers: Any, status: int) -> None:
    """With a traceback in `debug`, which nobody is to see."""
    said = call(path, body, headers)
    assert said.status == status
    assert "Traceback" in said.value["debug"]


def test_a_label_that_is_none_is_refused_in_messages() -> None:
    """200, no id, and a word on why."""
    said = call(
        "/json/2/maintenance.request/load",
        {"fields": ["id", "name", "priority"], "data": [["weft.x", "a", "3"]]},
    )
    assert (said.status, said.value["ids"]) == (200, False)
