"""ThingsBoard's own gateway client, unchanged, with two devices: `gateway.py HOST PORT TOKEN`.

Each thing that it sees is a line of JSON on stdout; it ends when its stdin does.
"""

import json
import sys
from time import sleep
from typing import Any

from tb_gateway_mqtt import TBGatewayMqttClient

DEVICES = ("Boiler 1", "Pump 2")


def say(what: str, **details: Any) -> None:
    print(json.dumps({"what": what, **details}), flush=True)


def answer(client: TBGatewayMqttClient, content: dict[str, Any]) -> None:
    """Answer a call for one of the devices."""
    say("called", content=content)
    if "data" in content:
        result = {"done": content["data"]["method"]}
        client.gw_send_rpc_reply(content["device"], content["data"]["id"], result)


def main() -> None:
    host, port, token = sys.argv[1:]
    client = TBGatewayMqttClient(host, int(port), token)
    client.gw_set_server_side_rpc_request_handler(answer)
    client.connect()
    while not client.is_connected() or client.get_subscriptions_in_progress():
        sleep(0.01)
    client.gw_connect_device(DEVICES[0], "boiler").get()
    client.gw_connect_device(DEVICES[1]).get()
    client.gw_subscribe_to_all_attributes(lambda found: say("changed", content=found))
    sent = [
        client.gw_send_telemetry(DEVICES[0], {"temperature": 71.5}),
        client.gw_send_telemetry(
            DEVICES[1], [{"ts": 1_772_366_400_000, "values": {"rpm": 900}}, {"rpm": 901}]
        ),
        client.gw_send_attributes(DEVICES[0], {"firmware": "1.2", "interval": 4}),
    ]
    say("sent", codes=[one.get() for one in sent])
    for keys in (["firmware"], ["firmware", "interval"]):
        client.gw_request_client_attributes(
            DEVICES[0], keys, lambda found, error: say("client", content=found, error=str(error))
        )
    client.gw_request_shared_attributes(
        DEVICES[1], ["limit"], lambda found, error: say("shared", content=found, error=str(error))
    )
    sys.stdin.readline()
    say("left", code=client.gw_disconnect_device(DEVICES[1]).get())
    sys.stdin.read()
    client.stop()
    client.disconnect()


if __name__ == "__main__":
    main()
