"""A stand-in for Odoo 19: JSON-2 over maintenance requests, equipment, stages and notes.

As the real one it loads a record once for one external id, refuses an unknown model (404),
wrong arguments (422) and a wrong key (401), and puts a traceback into each error.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from weft.connectors.standins.desk import OPEN, Desk, Heard, Order, Refused, Said

_STAGES = (
    {"id": 1, "name": "New Request", "done": False},
    {"id": 2, "name": "In Progress", "done": False},
    {"id": 3, "name": "Repaired", "done": True},
    {"id": 4, "name": "Scrap", "done": True},
)
_PRIORITIES = ("Very Low", "Low", "Normal", "High")
_TYPES = ("Corrective", "Preventive")
_DEBUG = "Traceback (most recent call last): secret of the far side"


class OdooStandIn:
    """The JSON-2 interface of one database."""

    kind = "odoo"

    def __init__(self, desk: Desk, secret: Callable[[], str]) -> None:
        self.desk = desk
        self._secret = secret

    def settings(self, url: str, secret: str) -> dict[str, Any]:
        """Return what the connector needs."""
        return {"kind": self.kind, "url": url, "database": "demo", "key": secret}

    def answer(self, heard: Heard) -> Said:
        """Answer one call of a method."""
        try:
            return Said(self._call(heard))
        except Refused as refused:
            name = "werkzeug.exceptions.HTTPException"
            error = {"name": name, "message": refused.why, "arguments": [], "debug": _DEBUG}
            return Said(error, refused.status)

    def _call(self, heard: Heard) -> Any:
        given = heard.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"bearer {self._secret()}".encode()):
            raise Refused(401, "Invalid apikey")
        parts = heard.path.strip("/").split("/")
        if heard.method != "POST" or len(parts) != 4 or parts[:2] != ["json", "2"]:
            raise Refused(404, "Not Found")
        body = heard.json()
        match parts[2:]:
            case ["maintenance.request", "load"]:
                return self._load(body)
            case ["maintenance.request", "search_read"]:
                return [self._shown(order) for order in self._found(body["domain"])]
            case ["maintenance.request", "message_post"]:
                for number in body["ids"]:
                    self.desk.note(self.desk.get(number), str(body["body"]))
                return 1
            case ["mail.message", "search_read"]:
                return self._messages(body["domain"])
            case ["maintenance.stage", "search_read"]:
                return list(_STAGES)
            case ["maintenance.equipment", "search_read"]:
                [[_, _, serial]] = body["domain"]
                return [] if serial.startswith("unknown") else [{"id": 1}]
            case _:
                raise Refused(404, "the model does not exist")

    def _load(self, body: Mapping[str, Any]) -> Any:
        fields, data = body.get("fields"), body.get("data")
        if not isinstance(fields, list) or not isinstance(data, list) or "id" not in fields:
            raise Refused(422, "missing a required argument")
        ids = []
        for row in data:
            values = dict(zip(fields, row, strict=True))
            if values.get("priority", "Low") not in _PRIORITIES or "name" not in values:
                return {"ids": False, "messages": [{"type": "error", "message": "No matching"}]}
            if values.get("maintenance_type", "Corrective") not in _TYPES:
                return {"ids": False, "messages": [{"type": "error", "message": "No matching"}]}
            found = self.desk.find(values["id"])
            if found:
                self.desk.change(found[0], values=values)
            ids.append((found[0] if found else self.desk.add(values["id"], values)).number)
        return {"ids": ids, "messages": [], "nextrow": 0}

    def _found(self, domain: list[Any]) -> list[Order]:
        [[name, operator, ids]] = domain
        if (name, operator) != ("id", "in"):
            raise Refused(422, "This stand-in knows `id in` only.")
        return [self.desk.orders[one] for one in ids if one in self.desk.orders]

    def _messages(self, domain: list[Any]) -> list[dict[str, int]]:
        wanted = {name: value for name, _, value in domain}
        notes = self.desk.get(wanted["res_id"]).notes
        return [{"id": place} for place, note in enumerate(notes, 1) if wanted["body"] in note]

    @staticmethod
    def _shown(order: Order) -> dict[str, Any]:
        stage = _STAGES[order.state]
        return {
            "id": order.number,
            "name": order.values["name"],
            "stage_id": [stage["id"], stage["name"]],
            "kanban_state": "normal" if order.state == OPEN else "done",
            "archive": False,
            "write_date": f"2026-01-01 00:{order.changes // 60 % 60:02}:{order.changes % 60:02}",
        }
