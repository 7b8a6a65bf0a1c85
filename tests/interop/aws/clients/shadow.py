"""AWS's device SDK, unchanged, with a classic shadow: `shadow.py HOST PORT FOLDER THING CLIENT`.

CLIENT is `v1` (publish and subscribe over MQTT 3.1.1) or `v2` (request and response over MQTT
5). Each line of JSON on stdin is one request, `[verb, document]`; each thing that the SDK hands
to its application is a line of JSON on stdout. It ends when its stdin does.
"""

import json
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from awscrt.mqtt import QoS
from awscrt.mqtt_request_response import ClientOptions
from awsiot import (
    ServiceStreamOptions,
    V2ServiceException,
    iotshadow,
    mqtt5_client_builder,
    mqtt_connection_builder,
)

TIMEOUT_S = 30


def say(what: str, **details: Any) -> None:
    print(json.dumps({"what": what, **details}, default=plain), flush=True)


def plain(value: Any) -> Any:
    """What the SDK made of a document, without what the document did not have."""
    if not hasattr(value, "__slots__"):
        return str(value)  # moments
    found = {name: getattr(value, name, None) for name in value.__slots__}
    return {name: one for name, one in found.items() if one is not None and one is not False}


def state_of(document: dict[str, Any]) -> iotshadow.ShadowState:
    """A side that is null is cleared; the SDK wants to be told that this is meant."""
    state = iotshadow.ShadowState(**document)
    state.desired_is_nullable = "desired" in document
    state.reported_is_nullable = "reported" in document
    return state


def request_of(thing: str, verb: str, document: dict[str, Any]) -> Any:
    """Return the SDK's own request for a verb."""
    named = {"thing_name": thing}
    match verb:
        case "get_named":
            return iotshadow.GetNamedShadowRequest(**named, shadow_name="other")
        case "update":
            state = state_of(document.pop("state"))
            return iotshadow.UpdateShadowRequest(**named, state=state, **document)
        case "get":
            return iotshadow.GetShadowRequest(**named, **document)
        case _:
            return iotshadow.DeleteShadowRequest(**named, **document)


def requests() -> Any:
    for line in sys.stdin:
        verb, document = json.loads(line)
        yield verb, document


def first_client(told: dict[str, Any], thing: str) -> None:
    """The SDK's first client: one publishes, and listens to what comes of it."""
    connection = mqtt_connection_builder.mtls_from_path(**told, clean_session=True)
    connection.connect().result(TIMEOUT_S)
    client = iotshadow.IotShadowClient(connection)
    named = {"thing_name": thing}

    def listen(subscribe: Any, request: Any, what: str) -> None:
        granted, _ = subscribe(request, QoS.AT_LEAST_ONCE, lambda found: say(what, of=found))
        granted.result(TIMEOUT_S)

    for verb in ("update", "get", "delete"):
        request = getattr(iotshadow, f"{verb.title()}ShadowSubscriptionRequest")(**named)
        for outcome in ("accepted", "rejected"):
            listen(getattr(client, f"subscribe_to_{verb}_shadow_{outcome}"), request, outcome)
    delta = iotshadow.ShadowDeltaUpdatedSubscriptionRequest(**named)
    listen(client.subscribe_to_shadow_delta_updated_events, delta, "delta")
    documents = iotshadow.ShadowUpdatedSubscriptionRequest(**named)
    listen(client.subscribe_to_shadow_updated_events, documents, "documents")
    say("connected")
    for verb, document in requests():
        publish = getattr(client, f"publish_{verb}_shadow")
        publish(request_of(thing, verb, document), QoS.AT_LEAST_ONCE).result(TIMEOUT_S)
    connection.disconnect().result(TIMEOUT_S)


def second_client(told: dict[str, Any], thing: str) -> None:
    """The SDK's second client: it subscribes, asks and matches the answer by itself."""
    connected: Future[None] = Future()
    client = mqtt5_client_builder.mtls_from_path(
        **told,
        on_lifecycle_connection_success=lambda _: connected.set_result(None),
        on_lifecycle_connection_failure=lambda data: connected.set_exception(data.exception),
    )
    client.start()
    connected.result(TIMEOUT_S)
    options = ClientOptions(
        max_request_response_subscriptions=4,
        max_streaming_subscriptions=2,
        operation_timeout_in_seconds=TIMEOUT_S,
    )
    shadow = iotshadow.IotShadowClientV2(client, options)
    streams = []

    def listen(create: Any, request: Any, what: str) -> None:
        granted: Future[None] = Future()

        def status(event: Any) -> None:
            if not granted.done():
                granted.set_result(None) if event.error is None else granted.set_exception(
                    RuntimeError(str(event))
                )

        stream = create(request, ServiceStreamOptions(lambda found: say(what, of=found), status))
        stream.open()
        granted.result(TIMEOUT_S)
        streams.append(stream)

    named = {"thing_name": thing}
    delta = iotshadow.ShadowDeltaUpdatedSubscriptionRequest(**named)
    listen(shadow.create_shadow_delta_updated_stream, delta, "delta")
    documents = iotshadow.ShadowUpdatedSubscriptionRequest(**named)
    listen(shadow.create_shadow_updated_stream, documents, "documents")
    say("connected")
    for verb, document in requests():
        try:
            asked = getattr(shadow, f"{verb}_shadow")(request_of(thing, verb, document))
            say("accepted", of=asked.result(TIMEOUT_S))
        except V2ServiceException as error:
            say("rejected", of=error.modeled_error, error=str(error.inner_error or ""))
    client.stop()


def main() -> None:
    host, port, folder, thing, which = sys.argv[1:]
    told: dict[str, Any] = {
        "endpoint": host,
        "port": int(port),
        "cert_filepath": str(Path(folder) / "device.pem"),
        "pri_key_filepath": str(Path(folder) / "device.key"),
        "ca_filepath": str(Path(folder) / "ca.pem"),
        "client_id": thing,
    }
    try:
        (first_client if which == "v1" else second_client)(told, thing)
    except Exception as error:
        say("ended", error=f"{type(error).__name__}: {error}")
        raise


if __name__ == "__main__":
    main()
