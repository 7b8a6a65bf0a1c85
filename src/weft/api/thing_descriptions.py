"""Thing Descriptions: one device as any W3C WoT client can use it (TD 1.1).

Every form names an endpoint that is listening now and an operation that is answered there;
what cannot be reached has no form. Telemetry is read-only and observable; what a message
holds beside a value is said by `weft:member`, the member of the payload that is the value.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from weft.api.operation import JSON, PREFIX
from weft.api.snippets import Endpoints
from weft.model.device import Device, DeviceType
from weft.registry.thing_model_writer import TD_CONTEXT, WEFT_CONTEXT, affordances_of

MEDIA_TYPE: Final = "application/td+json"
MODEL_MEDIA_TYPE: Final = "application/tm+json"
SUBPROTOCOL: Final = "mqtt"  # of a WebSocket [MQTT-6.0.0-3]

_PREFIXES: Final = {
    "htv": "http://www.w3.org/2011/http#",
    "mqv": "https://www.w3.org/2019/wot/mqtt#",
    "cov": "https://www.w3.org/2019/wot/coap#",
}
_SCHEMES: Final[dict[str, dict[str, Any]]] = {
    "bearer": {
        "scheme": "bearer",
        "in": "header",
        "format": "opaque",
        "description": "The token of a person's session, a service key or the device.",
    },
    "mqtt": {
        "scheme": "basic",
        "in": "auto",
        "description": "The token as password of CONNECT, with any user name.",
    },
    "coap": {
        "scheme": "apikey",
        "in": "query",
        "name": "token",
        "description": "The token, where CoAP is spoken in the clear on the loopback interface.",
    },
    "coaps": {"scheme": "psk", "description": "DTLS with the pre-shared key or a certificate."},
}
_OBSERVE: Final = ("observeproperty", "unobserveproperty")
_SUBSCRIBE: Final = ("subscribeevent", "unsubscribeevent")


def thing_description(
    device: Device, followed: DeviceType | None, endpoints: Endpoints
) -> dict[str, Any]:
    """Return the description of a device at the version of its type that it follows."""
    ways = _Ways(device, endpoints)
    described: dict[str, Any] = {
        "@context": [TD_CONTEXT, _PREFIXES | WEFT_CONTEXT],
        "@type": "Thing",
        "id": f"urn:uuid:{device.uid}",
        "title": device.label or device.device_id,
        "securityDefinitions": _SCHEMES,
        "security": "bearer",
        "forms": [ways.http("readallproperties", "/td/properties")],
    }
    if followed is None:
        return described
    described["version"] = {"instance": str(device.version), "model": str(followed.version)}
    described["links"] = [_link_to_model(followed, ways.url)]
    affordances = affordances_of(followed)
    sections = {
        "properties": lambda name: (
            ways.of_telemetry(name)
            if name in followed.telemetry
            else ways.of_property(name, read_only=followed.properties[name].read_only)
        ),
        "actions": ways.of_action,
        "events": ways.of_event,
    }
    for section, forms_of in sections.items():
        reachable = {
            name: affordance | {"forms": forms}
            for name, affordance in affordances.get(section, {}).items()
            if (forms := forms_of(name))
        }
        if reachable:
            described[section] = reachable
    return described


def model_path(name: str, version: int) -> str:
    """Return where the Thing Model of a type is read."""
    return f"{PREFIX}/types/{quote(name, safe='')}/tm?version={version}"


def _link_to_model(followed: DeviceType, url: str) -> Mapping[str, str]:
    return {
        "rel": "type",
        "href": url + model_path(followed.name, followed.version),
        "type": MODEL_MEDIA_TYPE,
    }


class _Ways:
    """How one device's affordances are reached."""

    def __init__(self, device: Device, endpoints: Endpoints) -> None:
        self.url = endpoints.https or endpoints.http
        self._brokers = [
            f"{scheme}://{address}"
            for scheme, address in (("mqtts", endpoints.mqtts), ("mqtt", endpoints.mqtt))
            if address
        ]
        self._sockets = [address for address in (endpoints.wss, endpoints.ws) if address]
        self._coap = [
            (scheme, address)
            for scheme, address in (("coaps", endpoints.coaps), ("coap", endpoints.coap))
            if address
        ]
        self._id = quote(device.device_id, safe="")
        self._topic = f"devices/{device.device_id}"

    def of_telemetry(self, name: str) -> list[dict[str, Any]]:
        """Return the ways to a measured value: read it, or be told each."""
        return [
            self.http("readproperty", f"/td/properties/{quote(name, safe='')}"),
            *self._subscriptions(_OBSERVE, "telemetry", {"weft:member": name}),
        ]

    def of_property(self, name: str, *, read_only: bool) -> list[dict[str, Any]]:
        """Return the ways to a property: read what is reported, write what is desired."""
        path = f"/td/properties/{quote(name, safe='')}"
        return [
            self.http("readproperty", path),
            *([] if read_only else [self.http("writeproperty", path, "PUT")]),
            *self._subscriptions(_OBSERVE, "properties/reported", {"weft:member": name}),
            *(
                {
                    "op": "readproperty",
                    "href": f"{scheme}://{address}{PREFIX}/devices/{self._id}/properties/reported",
                    "contentType": JSON,
                    "security": scheme,
                    "cov:method": "GET",
                    "weft:member": name,
                }
                for scheme, address in self._coap
            ),
        ]

    def of_event(self, name: str) -> list[dict[str, Any]]:
        return self._subscriptions(_SUBSCRIBE, f"events/{name}", {})

    def of_action(self, name: str) -> list[dict[str, Any]]:
        """Return the way of a command: over HTTP alone, for on its topic only Weft publishes."""
        return [self.http("invokeaction", f"/td/actions/{quote(name, safe='')}", "POST")]

    def http(self, operation: str, path: str, method: str = "GET") -> dict[str, Any]:
        """Return the form of something that is done over HTTP."""
        return {
            "op": operation,
            "href": f"{self.url}{PREFIX}/devices/{self._id}{path}",
            "contentType": JSON,
            "htv:methodName": method,
        }

    def _subscriptions(
        self, operations: tuple[str, ...], topic: str, more: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        whole = f"{self._topic}/{topic}"
        return [
            {
                "op": list(operations),
                **way,
                "mqv:controlPacket": "subscribe",
                "mqv:filter": whole,
                "mqv:qos": "1",
                **more,
            }
            for way in self._over_mqtt(quote(whole))
        ]

    def _over_mqtt(self, topic: str) -> list[dict[str, str]]:
        """Return how each broker is reached; in a WebSocket the path is taken, and names none."""
        found = [{"href": f"{broker}/{topic}"} for broker in self._brokers]
        found += [{"href": address, "subprotocol": SUBPROTOCOL} for address in self._sockets]
        return [way | {"contentType": JSON, "security": "mqtt"} for way in found]
