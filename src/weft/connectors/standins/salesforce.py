"""A stand-in for Salesforce: tokens, upsert by external id, queries, comments and feed.

As the real one it upserts one record for one external id, answers 300 where somebody made a
second one, and gives tokens without a lifetime that end when it pleases.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from weft.connectors.standins.desk import DONE, Desk, Heard, Order, Refused, Said

_STATUS = (("New", "None"), ("In Progress", "InProgress"), ("Completed", "Completed"))
_UPSERT = re.compile(r"/services/data/v\d+\.0/sobjects/(Case|WorkOrder)/Weft_Key__c/([^/]+)")
_MAKE = re.compile(r"/services/data/v\d+\.0/sobjects/(CaseComment|FeedItem)")
_QUERY = re.compile(r"/services/data/v\d+\.0/query")
_IDS = re.compile(r"'([A-Za-z0-9]+)'")


class SalesforceStandIn:
    """One org."""

    kind = "salesforce"

    def __init__(self, desk: Desk, secret: Callable[[], str]) -> None:
        self.desk = desk
        self._secret = secret
        self._tokens: set[str] = set()

    def settings(self, url: str, secret: str) -> dict[str, Any]:
        """Return what the connector needs."""
        return {"kind": self.kind, "url": url, "client_id": "weft", "client_secret": secret}

    def expire(self) -> None:
        """End every token."""
        self._tokens.clear()

    def answer(self, heard: Heard) -> Said:
        """Answer one request."""
        try:
            return self._answer(heard)
        except Refused as refused:
            return Said([{"errorCode": "REFUSED", "message": refused.why}], refused.status)

    def _answer(self, heard: Heard) -> Said:
        path = unquote(heard.path)
        if (heard.method, path) == ("POST", "/services/oauth2/token"):
            return self._grant(heard)
        if heard.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            raise Refused(401, "Session expired or invalid")
        if path == "/services/data":
            return Said([{"version": "62.0", "label": "Winter", "url": "/services/data/v62.0"}])
        if _QUERY.fullmatch(path):
            return self._query(heard.query.get("q", ""))
        if found := _UPSERT.fullmatch(path):
            return self._upsert(heard, found[2])
        if heard.method == "POST" and _MAKE.fullmatch(path):
            values = heard.json()
            text = values.get("CommentBody") or values.get("Body")
            self.desk.note(self._order(str(values.get("ParentId"))), str(text))
            return Said({"id": "00a000000000001AAA", "success": True, "errors": []}, 201)
        raise Refused(404, "The requested resource does not exist")

    def _grant(self, heard: Heard) -> Said:
        form = {name: texts[-1] for name, texts in parse_qs(heard.body.decode("latin-1")).items()}
        right = secrets.compare_digest(
            form.get("client_secret", "").encode(), self._secret().encode()
        )
        if form.get("grant_type") != "client_credentials" or not right:
            return Said({"error": "invalid_client"}, 400)
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return Said({"access_token": token, "token_type": "Bearer", "instance_url": "ignored"})

    def _upsert(self, heard: Heard, key: str) -> Said:
        found = self.desk.find(key)
        if len(found) > 1:
            return Said([f"/sobjects/{_id_of(order)}" for order in found], 300)
        if heard.method == "GET":
            if not found:
                raise Refused(404)
            return Said(_shown(found[0]))
        if heard.method != "PATCH":
            raise Refused(405)
        values = heard.json()
        if found:
            self.desk.change(found[0], values=found[0].values | values)
            return Said(None, 204)
        made = self.desk.add(key, values)
        return Said({"id": _id_of(made), "success": True, "errors": [], "created": True}, 201)

    def _query(self, text: str) -> Said:
        ids = set(_IDS.findall(text))
        if "ParentId" in text:
            notes = [note for one in ids for note in self._order(one).notes]
            return Said({"records": [{"CommentBody": note, "Body": note} for note in notes]})
        rows = [_shown(order) for order in self.desk.orders.values()]
        return Said({"records": [row for row in rows if row["Id"] in ids or not ids]})

    def _order(self, record_id: str) -> Order:
        for order in self.desk.orders.values():
            if _id_of(order) == record_id:
                return order
        raise Refused(404)


def _id_of(order: Order) -> str:
    return f"0WO{order.number:012}AAA"


def _shown(order: Order) -> dict[str, Any]:
    status, category = _STATUS[order.state]
    closed = order.state == DONE
    return {"Id": _id_of(order), "Status": status, "StatusCategory": category, "IsClosed": closed}
