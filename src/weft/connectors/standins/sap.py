"""A stand-in for SAP S/4HANA: maintenance notifications over OData V2.

As the real one it wants basic authentication, a token against forged requests with the
cookie of its session for each write, and the version that was read for each change. It
makes as many notifications of one reference as it is asked for.
"""

import base64
import re
import secrets
from collections.abc import Callable
from typing import Any

from weft.connectors.standins.desk import Desk, Heard, Order, Refused, Said

_PATH = "/sap/opu/odata/sap/API_MAINTNOTIFICATION"
_LENGTHS = {
    "NotificationType": 2,
    "NotificationText": 40,
    "MaintPriority": 1,
    "TechnicalObject": 40,
    "MaintenancePlanningPlant": 4,
    "MaintNotifLongTextForEdit": 1333,
    "MaintNotifExtReferenceNumber": 20,
}
_CLAUSE = re.compile(r"(\w+) eq '([^']*)'")
_ONE = re.compile(re.escape(f"{_PATH}/MaintenanceNotification") + r"\('(\d+)'\)")


class SapStandIn:
    """One gateway service."""

    kind = "sap"

    def __init__(self, desk: Desk, secret: Callable[[], str]) -> None:
        self.desk = desk
        self._secret = secret
        self._token = secrets.token_hex(8)

    def settings(self, url: str, secret: str) -> dict[str, Any]:
        """Return what the connector needs."""
        auth = {"kind": "basic", "user": "weft", "password": secret}
        return {"kind": self.kind, "url": url, "auth": auth}

    def expire(self) -> None:
        """Forget the session, as the gateway does after half an hour."""
        self._token = secrets.token_hex(8)

    def answer(self, heard: Heard) -> Said:
        """Answer one request."""
        try:
            return self._answer(heard)
        except Refused as refused:
            message = {"lang": "en", "value": refused.why or "Refused"}
            return Said({"error": {"code": "X/1", "message": message}}, refused.status)

    def _answer(self, heard: Heard) -> Said:
        pair = base64.b64encode(f"weft:{self._secret()}".encode()).decode()
        given = heard.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Basic {pair}".encode()):
            raise Refused(401)
        if heard.method != "GET" and not self._in_session(heard):
            return Said({"error": {}}, 403, {"X-CSRF-Token": "Required"})
        path = heard.path.rstrip("/")
        if path == _PATH:
            cookie = f"SAP_SESSIONID={self._token}; path=/; secure; HttpOnly"
            return Said({"d": {}}, 200, {"X-CSRF-Token": self._token, "Set-Cookie": cookie})
        if path == f"{_PATH}/MaintenanceNotification":
            return self._create(heard) if heard.method == "POST" else self._search(heard)
        found = _ONE.fullmatch(path)
        if found is None:
            raise Refused(404)
        return self._one(heard, self.desk.get(int(found[1]) - 10_000_000))

    def _in_session(self, heard: Heard) -> bool:
        cookie = f"SAP_SESSIONID={self._token}"
        token = heard.headers.get("x-csrf-token", "")
        return token == self._token and heard.headers.get("cookie", "") == cookie

    def _create(self, heard: Heard) -> Said:
        values = heard.json()
        for name, value in values.items():
            if isinstance(value, str) and len(value) > _LENGTHS.get(name, 1333):
                raise Refused(400, f"{name} is too long")
        if not values.get("NotificationType"):
            raise Refused(400, "Enter a notification type")
        key = str(values.get("MaintNotifExtReferenceNumber", ""))
        return Said({"d": _shown(self.desk.add(key, values))}, 201)

    def _search(self, heard: Heard) -> Said:
        clauses = _CLAUSE.findall(heard.query.get("$filter", ""))
        if not clauses:
            raise Refused(400, "This stand-in reads `name eq 'value' or …` only.")
        rows = [_shown(order) for order in self.desk.orders.values()]
        found = [row for row in rows if any(row.get(name) == value for name, value in clauses)]
        return Said({"d": {"results": found}})

    def _one(self, heard: Heard, order: Order) -> Said:
        tag = f"W/\"'{order.changes}'\""
        if heard.method == "GET":
            return Said({"d": _shown(order)}, 200, {"ETag": tag})
        if heard.method != "PATCH":
            raise Refused(405)
        if "if-match" not in heard.headers:
            raise Refused(428)
        if heard.headers["if-match"] not in {tag, "*"}:
            raise Refused(412)
        text = str(heard.json().get("MaintNotifLongTextForEdit", ""))
        order.values["MaintNotifLongTextForEdit"] = text
        self.desk.change(order, notes=[text])
        return Said(None, 204)


def _shown(order: Order) -> dict[str, Any]:
    return {
        **order.values,
        "MaintenanceNotification": str(10_000_000 + order.number),
        "NotifProcessingPhase": ("1", "3", "4")[order.state],
        "MaintenanceOrder": "",
    }
