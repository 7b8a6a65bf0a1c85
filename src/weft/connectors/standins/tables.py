"""Stand-ins for ServiceNow and ERPNext: two systems that `kind = "rest"` is described for.

ServiceNow's Table API answers `{"result": …}`, reads filters as `field=value`, and lists
everything where it does not know the field. ERPNext's answers `{"data": …}` and reads
filters as JSON. Both make as many records of one key as they are asked for.
"""

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from weft.connectors.standins.desk import Desk, Heard, Order, Refused, Said

_TABLE = "/api/now/table/"
_RESOURCE = "/api/resource/"


class ServiceNowStandIn:
    """The Table API of one instance: incidents and their journal."""

    kind = "rest"

    def __init__(self, desk: Desk, secret: Callable[[], str]) -> None:
        self.desk = desk
        self._secret = secret

    def settings(self, url: str, secret: str) -> dict[str, Any]:
        """Return what the connector needs."""
        incident = f"{_TABLE}incident"
        shown = {"sysparm_fields": "sys_id,number,state,correlation_id"}
        return {
            "kind": self.kind,
            "url": url,
            "auth": {"kind": "basic", "user": "weft", "password": secret},
            "closed": ["6", "7"],
            "cancelled": ["8"],
            "in_progress": ["2", "3"],
            "fields": {
                "short_description": "title",
                "description": "text",
                "urgency": "alarm.severity == 'critical' ? '1' : '2'",
            },
            "find": {
                "path": incident,
                "query": {"sysparm_query": "correlation_id={key}", "sysparm_limit": "2", **shown},
                "items": "result",
                "match": "correlation_id",
                "id": "sys_id",
                "state": "state",
            },
            "create": {
                "path": incident,
                "body": {"correlation_id": "{key}", "correlation_display": "weft"},
                "id": "result.sys_id",
                "state": "result.state",
            },
            "status": {"path": incident + "/{remote_id}", "query": shown, "state": "result.state"},
            "note": {
                "method": "PATCH",
                "path": incident + "/{remote_id}",
                "body": {"work_notes": "{note}"},
                "said": {
                    "path": f"{_TABLE}sys_journal_field",
                    "query": {"sysparm_query": "element=work_notes^element_id={remote_id}"},
                    "items": "result",
                    "text": "value",
                },
            },
        }

    def answer(self, heard: Heard) -> Said:
        """Answer one request."""
        pair = base64.b64encode(f"weft:{self._secret()}".encode()).decode()
        _require(heard, f"Basic {pair}")
        path = unquote(heard.path)
        if not path.startswith(_TABLE):
            raise Refused(404)
        table, _, record = path.removeprefix(_TABLE).partition("/")
        match heard.method, table, bool(record):
            case "GET", "incident", False:
                return Said({"result": self._found(heard.query.get("sysparm_query", ""))})
            case "POST", "incident", False:
                values = heard.json()
                made = self.desk.add(str(values.get("correlation_id", "")), values)
                return Said({"result": self._shown(made)}, 201)
            case "GET", "incident", True:
                return Said({"result": self._shown(self._order(record))})
            case "PATCH", "incident", True:
                order = self._order(record)
                self.desk.note(order, str(heard.json().get("work_notes", "")))
                return Said({"result": self._shown(order)})
            case "GET", "sys_journal_field", False:
                record = heard.query.get("sysparm_query", "").rpartition("element_id=")[2]
                return Said({"result": [{"value": one} for one in self._order(record).notes]})
            case _:
                raise Refused(404)

    def _found(self, query: str) -> list[dict[str, Any]]:
        name, _, value = query.partition("=")
        rows = [self._shown(order) for order in self.desk.orders.values()]
        known = rows and name in rows[0]
        return [row for row in rows if not known or row[name] == value]

    def _order(self, record: str) -> Order:
        for order in self.desk.orders.values():
            if self._shown(order)["sys_id"] == record:
                return order
        raise Refused(404, "No Record found")

    @staticmethod
    def _shown(order: Order) -> dict[str, Any]:
        return {
            "sys_id": f"{order.number:032x}",
            "number": f"INC{order.number:07}",
            "state": ("1", "2", "7")[order.state],
            "correlation_id": order.key,
        }


class ErpNextStandIn:
    """The REST interface of one site: issues and their comments."""

    kind = "rest"

    def __init__(self, desk: Desk, secret: Callable[[], str]) -> None:
        self.desk = desk
        self._secret = secret

    def settings(self, url: str, secret: str) -> dict[str, Any]:
        """Return what the connector needs; the secret is `api_key:api_secret`."""
        about = [["reference_doctype", "=", "Issue"], ["reference_name", "=", "{remote_id}"]]
        return {
            "kind": self.kind,
            "url": url,
            "auth": {"kind": "key", "key": secret, "prefix": "token "},
            "closed": ["Closed", "Resolved"],
            "in_progress": ["Replied", "On Hold"],
            "fields": {
                "subject": "title",
                "description": "text",
                "priority": "alarm.severity == 'critical' ? 'High' : 'Medium'",
            },
            "find": {
                "path": f"{_RESOURCE}Issue",
                "query": {
                    "filters": [["custom_weft_key", "=", "{key}"]],
                    "fields": ["name", "status", "custom_weft_key"],
                },
                "items": "data",
                "match": "custom_weft_key",
                "id": "name",
                "state": "status",
            },
            "create": {
                "path": f"{_RESOURCE}Issue",
                "body": {"custom_weft_key": "{key}"},
                "id": "data.name",
                "state": "data.status",
            },
            "status": {"path": _RESOURCE + "Issue/{remote_id}", "state": "data.status"},
            "note": {
                "path": f"{_RESOURCE}Comment",
                "body": {
                    "comment_type": "Comment",
                    "reference_doctype": "Issue",
                    "reference_name": "{remote_id}",
                    "content": "{note}",
                },
                "said": {
                    "path": f"{_RESOURCE}Comment",
                    "query": {"filters": about, "fields": ["content"], "limit_page_length": "200"},
                    "items": "data",
                    "text": "content",
                },
            },
        }

    def answer(self, heard: Heard) -> Said:
        """Answer one request."""
        _require(heard, f"token {self._secret()}")
        path = unquote(heard.path)
        doctype, _, name = path.removeprefix(_RESOURCE).partition("/")
        match heard.method, doctype, bool(name):
            case "GET", "Issue", False:
                [[field, _, value]] = json.loads(heard.query["filters"])
                rows = [self._shown(order) for order in self.desk.orders.values()]
                return Said({"data": [row for row in rows if row.get(field) == value]})
            case "POST", "Issue", False:
                values = heard.json()
                made = self.desk.add(str(values.get("custom_weft_key", "")), values)
                return Said({"data": self._shown(made)})
            case "GET", "Issue", True:
                return Said({"data": self._shown(self._order(name))})
            case "POST", "Comment", False:
                values = heard.json()
                self.desk.note(self._order(values["reference_name"]), str(values["content"]))
                return Said({"data": {"name": "c-1"}})
            case "GET", "Comment", False:
                about = {one: value for one, _, value in json.loads(heard.query["filters"])}
                notes = self._order(about["reference_name"]).notes
                return Said({"data": [{"content": note} for note in notes]})
            case _:
                raise Refused(404)

    def _order(self, name: str) -> Order:
        for order in self.desk.orders.values():
            if self._shown(order)["name"] == name:
                return order
        raise Refused(404)

    @staticmethod
    def _shown(order: Order) -> dict[str, Any]:
        return {
            "name": f"ISS-2026-{order.number:05}",
            "status": ("Open", "Replied", "Closed")[order.state],
            "custom_weft_key": order.key,
        }


def _require(heard: Heard, wanted: str) -> None:
    given = heard.headers.get("authorization", "")
    if not secrets.compare_digest(given.encode(), wanted.encode()):
        raise Refused(401)
