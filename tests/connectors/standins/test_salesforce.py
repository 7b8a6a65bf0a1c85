"""The stand-in for Salesforce refuses what Salesforce refuses."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from weft.connectors.standins.desk import Desk, Heard, Said
from weft.connectors.standins.salesforce import SalesforceStandIn

RECORD = "/services/data/v62.0/sobjects/WorkOrder/Weft_Key__c/k"


class Org:
    def __init__(self) -> None:
        self.made = SalesforceStandIn(Desk(lambda: 0), lambda: "s")
        self.token = self.grant("s").value["access_token"]

    def grant(self, secret: str, flow: str = "client_credentials") -> Said:
        form = urlencode({"grant_type": flow, "client_secret": secret}).encode()
        return self.made.answer(Heard("POST", "/services/oauth2/token", {}, form))

    def call(self, method: str, path: str, body: Any = None) -> Said:
        headers = {"authorization": f"Bearer {self.token}"}
        content = b"" if body is None else json.dumps(body).encode()
        return self.made.answer(Heard(method, path, headers, content))


def test_one_key_is_one_record() -> None:
    """201, then 204; two of a key, made by hand, are 300."""
    org = Org()
    assert org.call("GET", RECORD).status == 404
    assert org.call("PATCH", RECORD, {"Subject": "a"}).status == 201
    assert org.call("PATCH", RECORD, {"Subject": "b"}).status == 204
    assert org.call("GET", RECORD).value["Status"] == "New"
    org.made.desk.add("k", {})
    assert org.call("PATCH", RECORD, {}).status == 300


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", RECORD, 405),
        ("GET", "/services/data/v62.0/sobjects/Account/x", 404),
        ("POST", "/services/data/v62.0/sobjects/FeedItem", 404),
    ],
)
def test_errors_are_salesforces(method: str, path: str, status: int) -> None:
    """A list with a code."""
    org = Org()
    said = org.call(method, path, {"ParentId": "none"})
    assert (said.status, said.value[0]["errorCode"]) == (status, "REFUSED")


def test_a_token_ends_when_it_pleases() -> None:
    """And is given for the right secret and flow alone."""
    org = Org()
    assert org.grant("wrong").status == 400
    assert org.grant("s", "password").status == 400
    assert org.call("GET", "/services/data").status == 200
    org.made.expire()
    assert org.call("GET", "/services/data").status == 401
