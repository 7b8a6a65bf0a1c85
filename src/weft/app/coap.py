"""CoAP's listeners, put together; DTLS is loaded only where it is asked for."""

import importlib
import time

from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.config import Config
from weft.errors import ConfigurationError
from weft.ports import Clock
from weft.transports.coap.listener import CoapListener, Door, MakeDoor
from weft.transports.coap.settings import Given


def coap_listeners(
    config: Config, identity: Identity, path: MessagePath, clock: Clock
) -> list[CoapListener]:
    """Make the listeners that the settings ask for, and let them hear of changes."""
    settings = config.transports.coap
    given = Given(
        settings=settings,
        authenticator=identity.authenticator,
        policy=identity.policy,
        gate=path.gate,
        pipeline=path.pipeline,
        devices=identity.devices,
        twins=path.twins,
        connections=identity.connections,
        limiter=identity.limiter,
        clock=clock,
        commands=path.commands,
    )
    listeners = []
    if settings.listen:
        listeners.append(CoapListener(given, settings.listen))
    if settings.listen_dtls:
        listeners.append(CoapListener(given, settings.listen_dtls, _dtls(given, identity)))
    for listener in listeners:
        path.twins.on_change(listener.twin_changed)
        path.commands.on_change(listener.command_changed)
    return listeners


def _dtls(given: Given, identity: Identity) -> MakeDoor:
    """Return what makes DTLS; raise `ConfigurationError` where its library is not installed."""
    try:
        doors = importlib.import_module("weft.transports.dtls.door")
        contexts = importlib.import_module("weft.transports.dtls.contexts")
    except ImportError as error:
        raise ConfigurationError(
            f"CoAP over DTLS needs a library that is not installed: {error}.",
            remedy="Install it: pip install 'pyopenssl>=26.4,<27'",
        ) from error
    known = contexts.Contexts(identity.authority)

    def make(listener: CoapListener) -> Door:
        door: Door = doors.DtlsDoor(
            known,
            given.authenticator,
            given.settings.dtls,
            listener,
            (time.monotonic, given.clock.now),
        )
        return door

    return make
