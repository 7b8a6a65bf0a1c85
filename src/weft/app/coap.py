"""CoAP's listeners, put together: in the clear, and with DTLS before them."""

import time

from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.config import Config
from weft.ingest.dialects.thingsboard.provision import Provisioner
from weft.ports import Clock
from weft.transports.coap.listener import CoapListener, Door, MakeDoor
from weft.transports.coap.settings import Given
from weft.transports.coap.shares import Shares
from weft.transports.dtls.contexts import Contexts
from weft.transports.dtls.door import DtlsDoor


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
        shares=Shares(settings.limits.peer_observations),
        thingsboard=path.thingsboard,
        provisions=Provisioner(identity.provisioning),
        identities=identity.provisioning,
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
    """Return what puts DTLS before a listener."""
    contexts = Contexts(identity.authority)

    def make(listener: CoapListener) -> Door:
        return DtlsDoor(
            contexts,
            given.authenticator,
            given.settings.dtls,
            listener,
            (time.monotonic, given.clock.now),
        )

    return make
