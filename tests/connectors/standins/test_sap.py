"""The stand-in for SAP refuses what SAP refuses."""

import base64
import json
from typing import Any

import pytest

from weft.connectors.standins.desk import Desk, Heard, Said
from weft.connectors.standins.sap import SapStandIn

ROOT = "/sap/opu/odata/sap/API_MAINTNOTIFICATION"
USER = {"authorization": "Basic " + base64.b64encode(b"weft:k").decode()}


class Gateway:
    def __init__(self) -> None:
        self.made = SapStandIn(Desk(lambda: 0), lambda: "k")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        content = b"" if body is None else json.dumps(body).encode()
        return self.made.answer(Heard(method, ROOT + path, {**USER, **named}, content))

    def session(self) -> dict[str, str]:
        said = self.call("GET", "/", x_csrf_token="Fetch")
        cookie = said.headers["Set-Cookie"].split(";")[0]
        return {"x_csrf_token": said.headers["X-CSRF-Token"], "cookie": cookie}


def test_a_write_needs_token_and_cookie_of_one_session() -> None:
    """A token from elsewhere, or without its cookie, is answered `Required`."""
    gateway = Gateway()
    session = gateway.session()
    values = {"NotificationType": "M2", "MaintNotifExtReferenceNumber": "K"}
    for wrong in ({}, {**session, "cookie": "SAP_SESSIONID=x"}, {**session, "x_csrf_token": "x"}):
        said = gateway.call("POST", "/MaintenanceNotification", values, **wrong)
        assert (said.status, said.headers) == (403, {"X-CSRF-Token": "Required"})
    for _ in range(2):
        assert gateway.call("POST", "/MaintenanceNotification", values, **session).status == 201
    assert len(gateway.made.desk.find("K")) == 2  # it makes as many as it is asked for


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/MaintenanceNotification", {"NotificationText": "x" * 41}, 400),
        ("POST", "/MaintenanceNotification", {"NotificationText": "x"}, 400),
        ("GET", "/MaintenanceNotification", None, 400),
        ("GET", "/MaintenanceNotification('10000009')", None, 404),
        ("GET", "/Other", None, 404),
        ("DELETE", "/MaintenanceNotification('10000001')", None, 405),
        ("PATCH", "/MaintenanceNotification('10000001')", {}, 428),
    ],
)
def test_errors_are_odatas(method: str, path: str, body: Any, status: int) -> None:
    """With a code and a message in its words."""
    gateway = Gateway()
    gateway.made.desk.add("K", {})
    said = gateway.call(method, path, body, **gateway.session())
    assert said.status == status
    assert said.value["error"]["message"]["lang"] == "en"


def test_a_change_names_the_version_that_was_read() -> None:
    """Else it is 412, and nothing is changed."""
    gateway = Gateway()
    order = gateway.made.desk.add("K", {})
    session, one = gateway.session(), "/MaintenanceNotification('10000001')"
    tag = gateway.call("GET", one).headers["ETag"]
    text = {"MaintNotifLongTextForEdit": "T"}
    assert gateway.call("PATCH", one, text, **session, if_match="W/\"'9'\"").status == 412
    assert gateway.call("PATCH", one, text, **session, if_match=tag).status == 204
    assert order.values["MaintNotifLongTextForEdit"] == "T"


def test_who_does_not_say_the_password_is_nobody() -> None:
    """401."""
    made = SapStandIn(Desk(lambda: 0), lambda: "other")
    assert made.answer(Heard("GET", ROOT, USER)).status == 401
