"""Principals: who acts, and under which name a broker knows a client of theirs."""

from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind, client_key

PUMP = Principal(TenantId("main"), PrincipalKind.DEVICE, "pump-7", "uid-1")


def test_a_principal_is_written_as_its_kind_and_its_name() -> None:
    """As it stands in the audit and the log."""
    assert str(PUMP) == "device:pump-7"


def test_a_client_keeps_its_key_over_connections() -> None:
    """A persistent session is found again."""
    assert client_key(PUMP, "a") == client_key(PUMP, "a")


def test_nobody_gets_another_ones_client_by_using_its_name() -> None:
    """Same client id of another tenant, or of a new device with an old name (MQ-2, ID-1)."""
    north = Principal(TenantId("north"), PUMP.kind, PUMP.id, PUMP.uid)
    reborn = Principal(PUMP.tenant, PUMP.kind, PUMP.id, "uid-2")
    keys = {client_key(one, "a") for one in (PUMP, north, reborn)}
    assert len(keys) == 3
    assert client_key(PUMP, "b") not in keys


def test_parts_do_not_run_into_each_other() -> None:
    """A long id and a short client id are not a short id and a long client id."""
    one = Principal(TenantId("t"), PrincipalKind.DEVICE, "x", "ab")
    two = Principal(TenantId("t"), PrincipalKind.DEVICE, "x", "a")
    assert client_key(one, "c") != client_key(two, "bc")
