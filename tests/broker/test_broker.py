"""The broker as its callers see it."""

from tests.broker.support import ALICE, BOB, Station


async def test_a_message_reaches_who_subscribed_and_nobody_else() -> None:
    """Two dashboards; one watches the pumps, the other one the fans."""
    station = Station()
    pumps, pumps_link = await station.connect(ALICE, "pumps")
    fans, fans_link = await station.connect(BOB, "fans")
    await station.subscribe(pumps, "plant/pumps/+", qos=1)
    await station.subscribe(fans, "plant/fans/#", qos=1)

    station.publish("plant/pumps/7", b"on", qos=1)

    assert pumps_link.payloads == [b"on"]
    assert fans_link.payloads == []
