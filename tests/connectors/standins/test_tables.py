"""The stand-ins for ServiceNow and ERPNext have the habits of the real ones."""

import base64
import json
from typing import Any

import pytest

from weft.connectors.standins.desk import Desk, Heard, Refused, Said, StandIn
from weft.connectors.standins.tables import ErpNextStandIn, ServiceNowStandIn

PASSWORD = {"authorization": "Basic " + base64.b64encode(b"weft:k").decode()}
TOKEN = {"authorization": "token k"}


def call(made: StandIn, method: str, path: str, body: Any = None) -> Said:
    headers = PASSWORD if isinstance(made, ServiceNowStandIn) else TOKEN
    content = b"" if body is None else json.dumps(body).encode()
    return made.answer(Heard(method, path, headers, content))


def test_servicenow_ignores_a_filter_that_it_does_not_know() -> None:
    """It lists everything then, which is why an item must hold our key."""
    made = ServiceNowStandIn(Desk(lambda: 0), lambda: "k")
    for key in ("a", "b"):
        call(made, "POST", "/api/now/table/incident", {"correlation_id": key})
    for query, count in (("correlation_id=a", 1), ("correlation_id=x", 0), ("no_field=x", 2)):
        said = call(made, "GET", f"/api/now/table/incident?sysparm_query={query}")
        assert len(said.value["result"]) == count


def test_erpnext_filters_by_a_list() -> None:
    """As JSON in the query."""
    made = ErpNextStandIn(Desk(lambda: 0), lambda: "k")
    call(made, "POST", "/api/resource/Issue", {"custom_weft_key": "a"})
    said = call(made, "GET", '/api/resource/Issue?filters=[["custom_weft_key","=","a"]]')
    assert [row["name"] for row in said.value["data"]] == ["ISS-2026-00001"]


@pytest.mark.parametrize("kind", [ServiceNowStandIn, ErpNextStandIn])
def test_strangers_and_unknown_records_are_refused(kind: Any) -> None:
    """401 and 404."""
    made = kind(Desk(lambda: 0), lambda: "k")
    with pytest.raises(Refused) as nobody:
        made.answer(Heard("GET", "/api/now/table/incident"))
    assert nobody.value.status == 401
    for path in ("/elsewhere", "/api/now/table/incident/x", "/api/resource/Issue/x"):
        with pytest.raises(Refused) as lost:
            call(made, "GET", path)
        assert lost.value.status == 404
