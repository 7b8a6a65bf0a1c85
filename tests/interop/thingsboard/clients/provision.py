"""ThingsBoard's own clients ask for an identity, over MQTT and over HTTP, and use it.

`provision.py HOST MQTT_PORT HTTP_URL KEY SECRET`
"""

import json
import sys
from time import sleep
from typing import Any

from tb_device_http import TBHTTPDevice, TBProvisionFailure
from tb_device_mqtt import TBDeviceMqttClient


def say(what: str, **details: Any) -> None:
    print(json.dumps({"what": what, **details}), flush=True)


def main() -> None:
    host, port, url, key, secret = sys.argv[1:]
    given = TBDeviceMqttClient.provision(host, key, secret, port=int(port), device_name="pump-1")
    say("mqtt", status=given["status"], kind=given["credentialsType"])
    client = TBDeviceMqttClient(host, int(port), given["credentialsValue"])
    client.connect()
    while not client.is_connected():
        sleep(0.01)
    say("sent", code=client.send_telemetry({"temperature": 21.5}).get())
    client.stop()
    client.disconnect()

    device = TBHTTPDevice.provision(url, "pump-2", key, secret)
    say("http", connected=device.test_connection())
    try:
        TBHTTPDevice.provision(url, "pump-3", key, secret)
    except TBProvisionFailure as refused:
        say("refused", status=refused.args[0]["status"])
    sys.stdin.read()


if __name__ == "__main__":
    main()
