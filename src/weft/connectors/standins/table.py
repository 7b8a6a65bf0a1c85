"""The stand-ins by kind. A new one is one module and one line here."""

from collections.abc import Callable, Mapping

from weft.connectors.standins.desk import Desk, StandIn
from weft.connectors.standins.odoo import OdooStandIn

# Each is made of its desk and of what returns the secret that callers must present now.
STAND_INS: Mapping[str, Callable[[Desk, Callable[[], str]], StandIn]] = {
    "odoo": OdooStandIn,
}
