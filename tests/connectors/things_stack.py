"""The Things Stack's Application Server, as far as its published contract goes for downlinks.

It takes `down/push` of a webhook, keeps a queue for each device, lists it, and answers a push
with an empty 200. What its message definitions forbid, it refuses with 400. `faults` are given
out first: a status before anything is done, or "lose", which does it and never answers.
"""

import base64
import binascii
import re
from typing import Any

from tests.connectors.farside import Asked, Reply, as_json

ID = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,35}")
PUSH = re.compile(r"/api/v3/as/applications/([^/]+)/webhooks/([^/]+)/devices/([^/]+)/down/push")
LIST = re.compile(r"/api/v3/as/applications/([^/]+)/devices/([^/]+)/down")


class ThingsStack:
    """One application, one webhook, one device."""

    def __init__(self, *faults: int | str, may_read: bool = True) -> None:
        self.faults = list(faults)
        self.may_read = may_read
        self.look_faults: list[int] = []
        self.queue: list[dict[str, Any]] = []
        self.pushes = 0
        self.looks = 0

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != "Bearer the-key":
            return _error(401)
        if asked.method == "GET":
            return self._list(asked)
        self.pushes += 1
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            return _error(fault)
        found = PUSH.fullmatch(asked.path)
        if asked.method != "POST" or found is None or found.groups() != ("app1", "weft", "dev1"):
            return _error(404)
        downlinks = asked.json().get("downlinks", [])
        if not all(_is_valid(one) for one in downlinks):
            return _error(400)
        self.queue += downlinks
        return Reply(hang=True) if fault == "lose" else Reply(200, b"", {})

    def _list(self, asked: Asked) -> Reply:
        self.looks += 1
        if self.look_faults:
            return _error(self.look_faults.pop(0))
        found = LIST.fullmatch(asked.path)
        if found is None or found.groups() != ("app1", "dev1"):
            return _error(404)
        if not self.may_read:
            return _error(403)
        return as_json({"downlinks": self.queue} if self.queue else {})

    def said(self, event: str, number: int = 0, **more: Any) -> dict[str, Any]:
        """What its webhook tells of a downlink."""
        told = {**self.queue[number], **more}
        ids = {"device_id": "dev1", "application_ids": {"application_id": "app1"}}
        told["correlation_ids"] = ["as:downlink:01E1", *told["correlation_ids"]]
        return {"end_device_ids": ids, "correlation_ids": told["correlation_ids"], event: told}


def _error(status: int) -> Reply:
    return as_json({"code": 3, "message": "error:pkg/applicationserver", "details": []}, status)


def _is_valid(downlink: dict[str, Any]) -> bool:
    """As `ApplicationDownlink` is declared: ports, sizes, ids, priorities, retries."""
    port = downlink.get("f_port", 0)
    if not isinstance(port, int) or not 1 <= port <= 255 or port == 224:
        return False
    try:
        size = len(base64.b64decode(downlink.get("frm_payload", ""), validate=True))
    except (binascii.Error, TypeError):
        return False
    ids = downlink.get("correlation_ids", [])
    retry = downlink.get("confirmed_retry", {}).get("max_attempts", 1)
    return (
        size <= 255
        and all(len(one) <= 100 for one in ids)
        and downlink.get("priority") in {"LOWEST", "LOW", "BELOW_NORMAL", "NORMAL", "HIGHEST"}
        and 1 <= retry <= 100
        and ("frm_payload" in downlink) is not ("decoded_payload" in downlink)
    )
