"""RV-3: the drill for the day on which the authority's key was stolen.

The row asks for ten thousand devices in five minutes: `scripts/soak drill` does that. Here are
two hundred in a minute, which every machine can do that also does other things meanwhile.
"""

import asyncio

from tests.security.rows.drill import (
    Watch,
    enrol_fleet,
    replace_authority,
    require_refused_on_the_wire,
    require_replaced,
)
from tests.security.rows.support import PATIENCE_S, REFUSED, House, operator

from weft.security.rotation import Replacing
from weft.wire.mqtt.packets import Disconnect
from weft.wire.mqtt.reasons import Reason

DEVICES = 200
LIMIT_S = 60
DIALLED = 10


async def test_rv_3_after_a_theft_of_the_authoritys_key_nothing_of_it_connects(
    house: House,
) -> None:
    """Every device of the old chain is refused and what it held open is cut; the new ones come."""
    identity = house.identity
    fleet = await enrol_fleet(identity, DEVICES)
    stolen_chain = identity.authority.chain_pem
    live = await house.enrol("gate-1")
    connection, answer = await house.dial_tls(live.pem)
    assert answer.reason is Reason.SUCCESS

    watch = Watch()
    replaced = await replace_authority(identity, fleet)
    fresh = await identity.rotation.rotate_certificate(
        operator(), live.device, Replacing(grace_s=0)
    )
    identity.rotation.end_due()
    assert watch.lap()[0] < LIMIT_S

    assert identity.authority.chain_pem != stolen_chain
    require_replaced(identity, stolen_chain, replaced)
    await require_refused_on_the_wire(house, replaced[:DIALLED])
    assert (await house.dial_tls(live.pem))[1].reason in REFUSED
    new = fresh.certificate
    live.pem.write_text(f"{new.private_key_pem}{new.certificate_pem}{new.chain_pem}")
    assert (await house.dial_tls(live.pem))[1].reason is Reason.SUCCESS
    async with asyncio.timeout(PATIENCE_S):
        assert all(isinstance(packet, Disconnect) for packet in await connection.rest())
