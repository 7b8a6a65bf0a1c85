"""The table: every operation of the API, once."""

from weft.api.operation import Operation
from weft.api.operations import (
    audit,
    connections,
    credentials,
    devices,
    keys,
    live,
    rejections,
    sessions,
    system,
    telemetry,
    tenants,
    twins,
    types,
    users,
)

TABLE: tuple[Operation, ...] = (
    *devices.OPERATIONS,
    *credentials.OPERATIONS,
    *types.OPERATIONS,
    *twins.OPERATIONS,
    *telemetry.OPERATIONS,
    *rejections.OPERATIONS,
    *keys.OPERATIONS,
    *users.OPERATIONS,
    *sessions.OPERATIONS,
    *tenants.OPERATIONS,
    *connections.OPERATIONS,
    *audit.OPERATIONS,
    *live.OPERATIONS,
    *system.OPERATIONS,
)
