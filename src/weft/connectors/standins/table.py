"""The stand-ins by kind. A new one is one module and one line here."""

from collections.abc import Callable, Mapping

from weft.connectors.standins.desk import Desk, StandIn
from weft.connectors.standins.odoo import OdooStandIn
from weft.connectors.standins.salesforce import SalesforceStandIn
from weft.connectors.standins.sap import SapStandIn
from weft.connectors.standins.tables import ErpNextStandIn, ServiceNowStandIn

# Each is made of its desk and of what returns the secret that callers must present now.
STAND_INS: Mapping[str, Callable[[Desk, Callable[[], str]], StandIn]] = {
    "erpnext": ErpNextStandIn,
    "odoo": OdooStandIn,
    "salesforce": SalesforceStandIn,
    "sap": SapStandIn,
    "servicenow": ServiceNowStandIn,
}
