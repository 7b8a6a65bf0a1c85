"""ThingsBoard's own device client, unchanged: `device.py HOST PORT TOKEN WHAT [CA [CERT KEY]]`.

Each thing that it sees is a line of JSON on stdout; it ends when its stdin does.
"""

import json
import sys
from time import sleep
from typing import Any

from tb_device_mqtt import TBDeviceMqttClient


def say(what: str, **details: Any) -> None:
    print(json.dumps({"what": what, **details}), flush=True)


def connect(host: str, port: str, token: str, *files: str) -> TBDeviceMqttClient:
    """Connect; `files` are the authority to trust, and the device's own certificate and key."""
    client = TBDeviceMqttClient(host, int(port), token)
    client.set_server_side_rpc_request_handler(lambda *call: answer(client, *call))
    names = ("ca_certs", "cert_file", "key_file")
    tls = dict(zip(names, files, strict=False))
    client.connect(tls=bool(tls), **tls)  # a callback would be set behind the CONNACK at times
    while not client.is_connected():
        sleep(0.01)
    say("connected")
    return client


def telemetry(client: TBDeviceMqttClient) -> None:
    """One reading, one with its own time, a list, and attributes."""
    sent = [
        client.send_telemetry({"temperature": 21.5, "mode": "12"}),
        client.send_telemetry({"ts": 1_772_366_400_000, "values": {"temperature": 20.5}}),
        client.send_telemetry([{"ts": 1_772_366_401_000, "values": {"rpm": 900}}, {"rpm": 901}]),
        client.send_attributes({"firmware": "1.2", "model": None}),
    ]
    say("sent", codes=[one.get() for one in sent])


def attributes(client: TBDeviceMqttClient) -> None:
    """Subscribe to changes, and ask for both sides."""
    client.subscribe_to_all_attributes(lambda found, _error: say("changed", attributes=found))
    client.subscribe_to_attribute("interval", lambda found, _error: say("interval", of=found))
    client.send_attributes({"firmware": "1.2"}).get()
    client.request_attributes(
        ["firmware", "nothing"],
        ["interval"],
        callback=lambda found, error: say("asked", attributes=found, error=str(error or "")),
    )


def answer(client: TBDeviceMqttClient, request_id: str, content: dict[str, Any]) -> None:
    """Answer a call: one works, one fails."""
    say("called", id=request_id, content=content)
    if content["method"] == "stick":
        client.send_rpc_reply(request_id, {"error": "The valve is stuck."})
    else:
        client.send_rpc_reply(request_id, {"open": content["params"]["percent"]})


def rpc(_client: TBDeviceMqttClient) -> None:
    """Wait for calls."""
    say("listening")


def calls(client: TBDeviceMqttClient) -> None:
    """Call the server: the time, an event, and one that cannot be."""
    for method, params in (
        ("getCurrentTime", {}),
        ("leak", {"litres": 2.5}),
        ("no such/method", {}),
    ):
        client.send_rpc_call(
            method,
            params,
            lambda _id, content, _error, method=method: say("answered", to=method, content=content),
        )


def limits(client: TBDeviceMqttClient) -> None:
    """What the client learned of the server when it connected."""
    while not client.rate_limits_received:
        sleep(0.01)
    limit = client._messages_rate_limit.get_minimal_limit()
    say("limits", messages=limit, payload=client.max_payload_size)


def main() -> None:
    host, port, token, what, *files = sys.argv[1:]
    client = connect(host, port, token, *files)
    acts = {
        "telemetry": telemetry,
        "attributes": attributes,
        "rpc": rpc,
        "calls": calls,
        "limits": limits,
    }
    acts[what](client)
    sys.stdin.read()
    client.stop()
    client.disconnect()


if __name__ == "__main__":
    main()
