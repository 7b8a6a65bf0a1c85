"""Orders: read strictly, carried out with the key's rights, once for each place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.support import running_weft

from weft.app.compose import MAIN
from weft.connectors.kafka.orders import Doors, Order, carry_out, read_order
from weft.errors import Forbidden, Invalid, NotFound
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind

PUMP = DeviceId("pump-7")


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"\xff",
        b'{"device": "p"}',
        b'{"device": "p", "command": "stop", "desired": {}}',
        b'{"device": "p/q", "command": "stop"}',
        b'{"device": "p", "command": "stop", "now": true}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_order_is_refused_in_words(value: bytes | None) -> None:
    """It may come from anywhere in the company."""
    with pytest.raises(Invalid):
        read_order(value)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(value: bytes) -> None:
    """Only `Invalid`, whatever stands there."""
    try:
        assert isinstance(read_order(value), Order)
    except Invalid as error:
        assert error.remedy  # noqa: PT017  either outcome is right


async def test_an_order_does_what_the_key_may_and_a_command_once(tmp_path: Path) -> None:
    """A key without a right is refused by the one policy; the same place is the same command."""
    async with running_weft(tmp_path) as weft:
        await weft.add_type("pump")
        await weft.add_device("pump-7", "pump")
        path, identity = weft.weft.path, weft.weft.identity
        doors = Doors(identity.policy, path.ingest, path.twins, path.commands)
        account = await weft.add_key((), scopes=("commands:write",))
        key = await identity.keys.get(MAIN, account.username)
        principal = Principal(MAIN, PrincipalKind.KEY, key.key_id, key.uid)
        stop = read_order(b'{"device": "pump-7", "command": "stop"}')
        await carry_out(doors, principal, stop, "orders/0/1")
        await carry_out(doors, principal, stop, "orders/0/1")  # read again after a crash
        assert len(path.commands.open_for(MAIN, PUMP)) == 1
        await carry_out(doors, principal, stop, "orders/0/2")
        assert len(path.commands.open_for(MAIN, PUMP)) == 2
        for text in (b'"desired": {"interval": 1}', b'"telemetry": {"rpm": 1}'):
            order = read_order(b'{"device": "pump-7", ' + text + b"}")
            with pytest.raises(Forbidden):
                await carry_out(doors, principal, order, "orders/0/3")
        nobody = read_order(b'{"device": "nobody", "command": "stop"}')
        with pytest.raises(NotFound):
            await carry_out(doors, principal, nobody, "orders/0/4")
