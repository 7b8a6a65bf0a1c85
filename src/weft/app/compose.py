"""The composition root: every port and the class behind it, in the order they depend on.

`Weft.open` makes everything and reads again what a crash left unapplied; `running` serves
until its context ends, then drains: no message that was admitted is left behind.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial
from importlib.metadata import version

from weft.api.application import Application
from weft.api.est import Est
from weft.api.links import Links
from weft.api.openapi import encode_document, make_document
from weft.api.operations.table import TABLE
from weft.api.seen import Seen
from weft.api.server import HttpServer
from weft.api.services import Past, Services
from weft.api.snippets import Endpoints
from weft.api.thingsboard import ThingsBoardHttp
from weft.app.backup import Backups
from weft.app.business import Business, open_business
from weft.app.coap import coap_listeners
from weft.app.derived import start_derived
from weft.app.folder import DataFolder, ServerFile
from weft.app.host_state import HostState
from weft.app.housekeeping import Housekeeping
from weft.app.identity import Identity, open_identity
from weft.app.message_path import MessagePath, open_message_path
from weft.app.past import make_late, make_replays
from weft.app.sockets import Sockets
from weft.app.stores import Stores, open_stores
from weft.config import Config
from weft.errors import StorageError
from weft.ingest.dialects.thingsboard.provision import Provisioner
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.ports import Clock, Serving
from weft.supervision import SystemClock, keep_running
from weft.transports.mqtt.listener import MqttListener
from weft.transports.mqtt.settings import Given
from weft.transports.websocket.door import PATH, MqttOverWebSocket
from weft.twins.fleet import Fleet
from weft.web.map_file import open_map
from weft.web.routes import Pages

log = get_logger(__name__)

VERSION = version("weft")
MAIN = TenantId("main")
MACHINE = Principal(MAIN, PrincipalKind.SYSTEM, "weft", "system")


@cache
def openapi_document() -> bytes:
    """Return the API's description; it is the same as long as we run."""
    return encode_document(make_document(TABLE, VERSION))


class Weft:
    """One running platform on one data folder."""

    def __init__(
        self,
        config: Config,
        folder: DataFolder,
        stack: AsyncExitStack,
        parts: tuple[Stores, Identity, MessagePath, Business],
    ) -> None:
        self.config = config
        self.folder = folder
        self.stores, self.identity, self.path, self.business = parts
        self.clock: Clock = SystemClock()
        self.started_at = self.clock.now()
        self.replayed = 0
        self._stack = stack
        self.backups = Backups(self.stores, folder.path, self.identity.audit, self.clock, VERSION)
        self.replays = make_replays(self.stores, self.identity, self.path, self.clock, config)
        self.late = make_late(self.replays, self.path, self.clock, config)
        self.links = Links(
            self.identity.connections,
            per_principal=config.api.streams_per_principal,
            linger_s=config.api.poll_linger_s,
        )
        self.path.commands.on_change(self.links.command_changed)
        self.path.twins.on_change(self.links.changed)
        given = self._mqtt_given()
        self._mqtt = self._mqtt_listeners(given)
        self._websocket = MqttOverWebSocket(given)
        self._coap = coap_listeners(config, self.identity, self.path, self.clock)
        self.housekeeping = Housekeeping(self)
        self.host_state = HostState(self.path.sparkplug, self.identity.tenants)
        self.services: Services
        self.application: Application
        self._http: list[HttpServer] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Config, folder: DataFolder) -> AsyncIterator["Weft"]:
        """Open the data folder and bring every projection up to the journal's head."""
        folder.prepare()
        clock = SystemClock()
        async with AsyncExitStack() as stack:
            stores = await open_stores(folder.path, config.history, stack)
            identity = await open_identity(folder, stores.records, clock, config.security)
            await identity.tenants.ensure_main(MACHINE)
            await identity.vault.add_tenant(MAIN)
            path = await open_message_path(stores, identity, clock, config)
            business = await open_business(stores, identity, path, clock, config, stack)
            weft = cls(config, folder, stack, (stores, identity, path, business))
            weft.replayed = await path.pipeline.recover()
            path.commands.sweep(clock.now())  # what had expired before has expired, at once
            await identity.devices.finish_deletes()
            yield weft

    # --- serving ---

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside the context; at its end everything admitted is on disk and applied."""
        async with asyncio.TaskGroup() as tasks:
            path, business = self.path, self.business
            own = [
                tasks.create_task(path.pipeline.run()),
                tasks.create_task(path.pipeline.run_checkpoints()),
                tasks.create_task(path.broker.run()),
                tasks.create_task(path.bulks.run()),
                tasks.create_task(self.replays.run()),
                tasks.create_task(path.desk.run()),
                tasks.create_task(self.identity.arrivals.run()),
                tasks.create_task(self._run_engine()),
                tasks.create_task(self.housekeeping.run()),
                tasks.create_task(self.backups.run()),
                tasks.create_task(business.downlinks.run()),
                tasks.create_task(business.events.deliverer.run()),
                tasks.create_task(business.bridges.run()),
                tasks.create_task(self.identity.imports.run()),
            ]
            start_derived(path)
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(business.outbox.running())
                await stack.enter_async_context(business.poller.running())
                stack.push_async_callback(self._drain)
                listeners: list[Serving] = [*self._mqtt, *self._coap]
                for listener in listeners:
                    await stack.enter_async_context(listener.running())
                await self._serve_http(stack)
                own.append(tasks.create_task(self.host_state.run()))
                stack.push_async_callback(self.host_state.say_goodbye)
                self._announce()
                stack.callback(self.folder.withdraw)
                yield
            for task in own:
                task.cancel()

    async def _run_engine(self) -> None:
        def failed(error: Exception, wait_s: float) -> None:
            log.error("rules_not_written", error=str(error), retry_in_s=round(wait_s, 1))

        await keep_running(self.path.engine.run, expected=(StorageError,), failed=failed)

    async def _drain(self) -> None:
        try:
            await self.path.pipeline.drain()
        except StorageError as error:
            log.error("drain_failed", error=error.detail, remedy=error.remedy)

    # --- transports ---

    def _mqtt_given(self) -> Given:
        identity, path = self.identity, self.path
        return Given(
            self.config.transports.mqtt,
            identity.authenticator,
            identity.policy,
            path.gate,
            path.pipeline,
            path.broker,
            identity.connections,
            identity.limiter,
            self.stores.journal,
            self.clock,
            path.ingest.introduce,
            Provisioner(identity.provisioning),
        )

    def _mqtt_listeners(self, given: Given) -> list[MqttListener]:
        settings = given.settings
        listeners = []
        if settings.listen:
            listeners.append(MqttListener(given, settings.listen))
        if settings.listen_tls:
            tls = self.identity.authority.server_context(settings.client_certificate)
            listeners.append(MqttListener(given, settings.listen_tls, tls))
        return listeners

    async def _serve_http(self, stack: AsyncExitStack) -> None:
        api = self.config.api
        self.services = self._services(self.identity, self.path, self.business)
        self.application = Application(self.services, TABLE, api)
        requests = self.path.thingsboard
        device_api = ThingsBoardHttp(self.services, self.application, api, requests)
        on_websocket = {PATH: self._websocket} if self.config.transports.mqtt.websocket else {}
        pages = Pages(Est(self.services, device_api, api), own_map=open_map(self.config.web))
        application = Sockets(pages, on_websocket)
        close = self._stop_waiting
        if api.listen:
            self._http.append(HttpServer(application, api, listen=api.listen, on_stop=close))
        if api.tls_listen:
            tls = self.identity.authority.server_context("optional")
            self._http.append(
                HttpServer(application, api, listen=api.tls_listen, tls=tls, on_stop=close)
            )
        await stack.enter_async_context(self._websocket.running())
        for server in self._http:
            await stack.enter_async_context(server.running())

    def _stop_waiting(self) -> None:
        """Let go of whoever waits for something to happen: it will not happen here."""
        self.path.live.close()
        self.links.close()
        self._websocket.shut_down()
        self.path.commands.close()
        self.path.thingsboard.close()

    def _services(self, identity: Identity, path: MessagePath, business: Business) -> Services:
        return self._known(identity)(
            groups=business.groups,
            twins=path.twins,
            fleet=Fleet(path.twins, identity.devices, identity.assets, identity.attachments),
            commands=path.commands,
            bulks=path.bulks,
            ingest=path.ingest,
            rejections=path.rejections,
            quarantine=path.quarantine,
            history=path.history,
            device_events=path.events,
            rules=path.rules,
            packs=business.packs,
            engine=path.engine,
            derived=path.derived,
            surroundings=path.surroundings,
            past=Past(path.samples, self.replays),
            places=path.places,
            alarms=path.alarms,
            alarm_work=business.suppression.work,
            lineage=path.lineage,
            connectors=business.connectors,
            own_connectors=business.own_connectors,
            outbox=business.outbox,
            work_orders=business.work_orders,
            events=business.events.work,
            live=path.live,
            links=self.links,
            settings=self.config.api,
            heard=Seen(),
            backups=self.backups,
            endpoints=lambda: self.endpoints,
            version=VERSION,
            started_at=self.started_at,
            health=self.health,
            openapi=openapi_document,
        )

    def _known(self, identity: Identity) -> partial[Services]:
        """Begin with who and what there is; the rest is what is done with it."""
        return partial(
            Services,
            records=self.stores.records,
            journal=self.stores.journal,
            clock=self.clock,
            policy=identity.policy,
            audit=identity.audit,
            authenticator=identity.authenticator,
            operator=identity.operator,
            sign_in=identity.sign_in,
            sessions=identity.sessions,
            people=identity.people,
            limiter=identity.limiter,
            connections=identity.connections,
            authority=identity.authority,
            credentials=identity.credentials,
            enrolments=identity.enrolments,
            authorities=identity.authorities,
            arrivals=identity.arrivals,
            rotation=identity.rotation,
            preshared=identity.preshared,
            keys=identity.keys,
            tenants=identity.tenants,
            types=identity.types,
            devices=identity.devices,
            assets=identity.assets,
            attachments=identity.attachments,
            relations=identity.relations,
            presence=identity.presence,
            silences=identity.silences,
            claims=identity.claims,
            claiming=identity.claiming,
            imports=identity.imports,
            provisioning=identity.provisioning,
        )

    # --- what it says of itself ---

    @property
    def endpoints(self) -> Endpoints:
        """Where it answers; ports are known once it runs."""
        found: dict[str, str] = {}
        for server in self._http:
            scheme, _, address = self._named(server.url).partition("://")
            found[scheme] = f"{scheme}://{address}"
            if self.config.transports.mqtt.websocket:
                socket_scheme = "wss" if scheme == "https" else "ws"
                found[socket_scheme] = f"{socket_scheme}://{address}{PATH}"
        for listener in self._mqtt:
            found["mqtts" if listener.is_tls else "mqtt"] = self._named(listener.address)
        for one in self._coap:
            found["coaps" if one.is_secure else "coap"] = self._named(one.address)
        return Endpoints(**found)

    def _named(self, address: str) -> str:
        """Put a name in the place of "all interfaces", which nobody can connect to."""
        names = self.config.security.server_names
        name = names[0] if names else socket.gethostname()
        return address.replace("0.0.0.0", name).replace("[::]", name)  # noqa: S104  read, not bound

    def health(self) -> Mapping[str, str]:
        """Return each part, and "ok" or a word on what is wrong."""
        failing = self.path.pipeline.failing
        parts = {"journal": "ok" if failing is None else failing.detail}
        for listener in self._coap:
            if listener.is_secure:
                parts["pre-shared keys"] = listener.fault or "ok"
        for view in self.business.connectors.list_connectors(MAIN):
            if not view.own:  # of the operator's own: a tenant's are its own business
                parts[f"connector {view.name}"] = "ok" if view.healthy else view.last_error
        parts.update(self.business.bridges.health)
        parts["certificates"] = self.identity.authority.state().warning or "ok"
        parts["housekeeping"] = self.housekeeping.health
        return parts

    def _announce(self) -> None:
        endpoints = self.endpoints
        self.folder.announce(ServerFile(endpoints.http or endpoints.https, os.getpid(), VERSION))
