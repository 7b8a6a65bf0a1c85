"""A device over MQTT: measures, sends, and loses nothing when the connection does.

Each reading carries its own moment and goes at QoS 1, so paho keeps it until Weft has it on
disk, through any number of lost connections. The interval is a desired property: the device
obeys it and reports what it does.

    python examples/device_mqtt.py DEVICE --token TOKEN [--ca root.pem --port 8883]
"""

import argparse
import json
import random
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

BUFFER_READINGS = 10_000  # kept while there is no connection; beyond, the device would say so
SESSION_S = 3600  # how long Weft keeps our subscription while we are away


class Device:
    """One device and its connection."""

    def __init__(self, name: str, token: str, ca: str | None) -> None:
        self.name = name
        self.interval_s = 1.0
        self.kept = 0
        self.refused = ""
        self.changed = threading.Event()
        self._temperature = -20.0
        client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
        client.username_pw_set(name, token)
        if ca is not None:
            client.tls_set(ca)
        client.max_queued_messages_set(BUFFER_READINGS)
        client.reconnect_delay_set(1, 30)
        client.on_connect = self._connected
        client.on_message = self._told
        client.on_publish = self._acknowledged
        self.client = client

    def connect(self, host: str, port: int) -> None:
        """Connect and stay connected, in paho's thread."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
        properties.SessionExpiryInterval = SESSION_S
        self.client.connect_async(host, port, clean_start=False, properties=properties)
        self.client.loop_start()

    def measure(self) -> None:
        """Take a reading and hand it to paho, which sends it when it can."""
        self._temperature += random.uniform(-0.2, 0.2)  # noqa: S311  a thermometer's noise
        reading = {
            "ts": round(time.time() * 1000),
            "values": {"temperature": round(self._temperature, 2), "door_open": False},
        }
        self.client.publish("devices/me/telemetry", json.dumps(reading), qos=1)

    def report(self) -> None:
        """Say how we are set."""
        reported = {"interval_s": self.interval_s, "firmware": "1.0.0"}
        self.client.publish("devices/me/properties/reported", json.dumps(reported), qos=1)

    def _connected(
        self,
        client: mqtt.Client,
        _data: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.refused = str(reason)
            self.changed.set()
            return
        print(f"{self.name} is connected", flush=True)
        client.subscribe("devices/me/properties/desired", qos=1)
        self.report()

    def _told(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        desired = json.loads(message.payload)["properties"]
        if "interval_s" in desired:
            self.interval_s = float(desired["interval_s"])
            print(f"{self.name} now measures every {self.interval_s:g} s", flush=True)
            self.report()
            self.changed.set()

    def _acknowledged(
        self,
        _client: mqtt.Client,
        _data: object,
        _mid: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self.kept += 1
        if reason.is_failure:  # kept in the rejection inbox: sending again would not help
            print(f"refused: {reason}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure until told to stop; end when everything is acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("device")
    parser.add_argument("--token", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--ca", help="Weft's root certificate, for TLS")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--count", type=int, default=0, help="stop after so many; 0 goes on")
    given = parser.parse_args()
    device = Device(given.device, given.token, given.ca)
    device.interval_s = given.interval
    device.connect(given.host, given.port)
    sent = 0
    while not device.refused and (not given.count or sent < given.count):
        device.measure()
        sent += 1
        device.changed.wait(device.interval_s)
        device.changed.clear()
    while not device.refused and device.kept < sent:
        time.sleep(0.05)
    device.client.disconnect()
    device.client.loop_stop()
    if device.refused:
        print(f"Weft refused us: {device.refused}", file=sys.stderr)
        return 1
    print(f"{sent} readings are on disk")
    return 0


if __name__ == "__main__":
    sys.exit(main())
