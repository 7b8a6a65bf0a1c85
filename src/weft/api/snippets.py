"""Snippets: what to paste so that a device with a new credential sends its first reading.

They hold the address, the credential and the topic as they are, and run unchanged: the
first connection is where people give up (and nothing then says why).
"""

import json
import shlex
from urllib.parse import quote

from msgspec import Struct


class Endpoints(Struct, frozen=True):
    """Where devices reach us; empty for what is not listening."""

    http: str = ""  # as http://127.0.0.1:8080
    https: str = ""
    mqtt: str = ""  # as 127.0.0.1:1883
    mqtts: str = ""
    coap: str = ""  # as 127.0.0.1:5683
    coaps: str = ""
    ws: str = ""  # MQTT in a WebSocket, as ws://127.0.0.1:8080/mqtt
    wss: str = ""


class Snippets(Struct, frozen=True):
    """Ready to paste, one for each way to connect; empty for what a credential cannot do."""

    python: str = ""
    mosquitto: str = ""
    curl: str = ""
    javascript: str = ""  # a module for Node.js, without packages
    coap: str = ""


_READING = '{"temperature": 21.4}'
_HTTP_PATH = _COAP_PATH = "/api/v1/devices/me/telemetry"
# `fetch` of Node.js takes an authority of one's own from the environment alone.
_WITH_AUTHORITY = "// Save it as device.mjs, and run: NODE_EXTRA_CA_CERTS=ca.pem node device.mjs\n"
_WITHOUT = "// Save it as device.mjs, and run: node device.mjs\n"


def secret_snippets(device_id: str, token: str, endpoints: Endpoints) -> Snippets:
    """Write what a device with a secret pastes."""
    host, port, tls = _mqtt(endpoints)
    topic = f"devices/{device_id}/telemetry"
    ca = "--cafile ca.pem " if tls else ""
    url = endpoints.http or endpoints.https
    return Snippets(
        python=(
            "import paho.mqtt.client as mqtt\n"
            f"client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id={device_id!r})\n"
            f"client.username_pw_set({device_id!r}, {token!r})\n"
            + ("client.tls_set('ca.pem')\n" if tls else "")
            + f"client.connect({host!r}, {port})\n"
            "client.loop_start()\n"
            f"client.publish({topic!r}, {_READING!r}, qos=1).wait_for_publish(10)\n"
        ),
        mosquitto=(
            f"mosquitto_pub -h {host} -p {port} {ca}-i {shlex.quote(device_id)} "
            f"-u {shlex.quote(device_id)} -P {shlex.quote(token)} -q 1 "
            f"-t {shlex.quote(topic)} -m {shlex.quote(_READING)}"
        ),
        curl=(
            f"curl {'' if endpoints.http else '--cacert ca.pem '}"
            f"-H {shlex.quote('Authorization: Bearer ' + token)} "
            "-H 'Content-Type: application/json' "
            f"-d {shlex.quote(_READING)} {url}{_HTTP_PATH}"
        ),
        coap=_coap_client(
            "notls", "", f"coap://{endpoints.coap}{_COAP_PATH}?token={quote(token, safe='')}"
        )
        if endpoints.coap
        else "",
        javascript=(
            (_WITHOUT if endpoints.http else _WITH_AUTHORITY)
            + f"const answer = await fetch({_javascript(url + _HTTP_PATH)}, {{\n"
            "  method: 'POST',\n"
            "  headers: {\n"
            f"    Authorization: {_javascript('Bearer ' + token)},\n"
            "    'Content-Type': 'application/json',\n"
            "  },\n"
            f"  body: '{_READING}',\n"
            "});\n"
            "console.log(answer.status, await answer.text());\n"
        ),
    )


def preshared_snippets(identity: str, key: str, endpoints: Endpoints) -> Snippets:
    """Write what a device with a pre-shared key pastes: DTLS, by libcoap's client."""
    where = endpoints.coaps or "127.0.0.1:5684"
    options = f"-u {shlex.quote(identity)} -k {shlex.quote(key)} "
    return Snippets(coap=_coap_client("openssl", options, f"coaps://{where}{_COAP_PATH}"))


def certificate_snippets(device_id: str, endpoints: Endpoints) -> Snippets:
    """Write what a device with a certificate pastes; the files are those of the answer."""
    host, _, port = (endpoints.mqtts or "127.0.0.1:8883").rpartition(":")
    topic = f"devices/{device_id}/telemetry"
    url = endpoints.https or "https://127.0.0.1:8443"
    return Snippets(
        python=(
            "import paho.mqtt.client as mqtt\n"
            f"client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id={device_id!r})\n"
            "client.tls_set('ca.pem', 'device.pem', 'device.key')\n"
            f"client.connect({host!r}, {port})\n"
            "client.loop_start()\n"
            f"client.publish({topic!r}, {_READING!r}, qos=1).wait_for_publish(10)\n"
        ),
        mosquitto=(
            f"mosquitto_pub -h {host} -p {port} --cafile ca.pem --cert device.pem "
            f"--key device.key -i {shlex.quote(device_id)} -q 1 "
            f"-t {shlex.quote(topic)} -m {shlex.quote(_READING)}"
        ),
        curl=(
            "curl --cacert ca.pem --cert device.pem --key device.key "
            "-H 'Content-Type: application/json' "
            f"-d {shlex.quote(_READING)} {url}{_HTTP_PATH}"
        ),
        javascript=_certificate_module(url),
        coap=_coap_client(
            "openssl",
            "-c device.pem -j device.key -R ca.pem ",
            f"coaps://{endpoints.coaps}{_COAP_PATH}",
        )
        if endpoints.coaps
        else "",
    )


def _certificate_module(url: str) -> str:
    """Write the module that shows a certificate: `fetch` of Node.js cannot."""
    return (
        _WITHOUT + "import { readFileSync } from 'node:fs';\n"
        "import { request } from 'node:https';\n"
        f"const asked = request({_javascript(url + _HTTP_PATH)}, {{\n"
        "  method: 'POST',\n"
        "  headers: { 'Content-Type': 'application/json' },\n"
        "  ca: readFileSync('ca.pem'),\n"
        "  cert: readFileSync('device.pem'),\n"
        "  key: readFileSync('device.key'),\n"
        "}, (answer) => {\n"
        "  answer.setEncoding('utf8');\n"
        "  answer.on('data', (text) => console.log(answer.statusCode, text));\n"
        "});\n"
        f"asked.end('{_READING}');\n"
    )


def _javascript(text: str) -> str:
    """Write a text as a literal of JavaScript: JSON's escapes, in ASCII, are known to it."""
    return json.dumps(text)


def _coap_client(flavour: str, options: str, uri: str) -> str:
    """Write the command of libcoap's client; content format 50 is JSON (RFC 7252 12.3)."""
    return (
        f"coap-client-{flavour} -m post {options}-t 50 -e {shlex.quote(_READING)} "
        f"{shlex.quote(uri)}"
    )


def _mqtt(endpoints: Endpoints) -> tuple[str, int, bool]:
    tls = not endpoints.mqtt
    host, _, port = (endpoints.mqtt or endpoints.mqtts or "127.0.0.1:1883").rpartition(":")
    return host, int(port), tls
