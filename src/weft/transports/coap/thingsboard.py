"""ThingsBoard's device API over CoAP, for devices that were programmed for it.

    /api/v1/{token}/telemetry, attributes, rpc, rpc/{id}, claim     POST
    /api/v1/{token}/attributes?clientKeys=&sharedKeys=, rpc          GET, observe

The token is the device's secret; over DTLS the handshake has proven the device and the token
is left out. What is answered is the dialect's own business: here is how it is carried. An
observer waits as a request over HTTP does, again and again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from weft.errors import Forbidden, WeftError
from weft.ingest.dialects.thingsboard.requests import Asking, Requests, Waiter
from weft.model.principal import PrincipalKind
from weft.observability.log import get_logger
from weft.security.machine_secrets import parse_secret
from weft.transports.coap.answers import CHANGED, fault, problem_of
from weft.transports.coap.paths import MethodNotAllowed
from weft.transports.coap.sessions import CoapSession
from weft.wire.coap.codes import Code, is_success
from weft.wire.coap.formats import ContentFormat
from weft.wire.coap.observe import Observation
from weft.wire.coap.requests import Request
from weft.wire.coap.responses import Response
from weft.wire.coap.server import ServerEndpoint

log = get_logger(__name__)

ROOT: Final = ("api", "v1")
NAMES: Final = frozenset({"telemetry", "attributes", "rpc", "claim"})
NOTHING: Final = Response(Code.CONTENT)
AT_ONCE: Final = {"timeout": "0"}
FOLLOWED_FOR: Final = {"timeout": "60000"}  # then it is asked again
# What an observer of a resource is told: the resource as it stands first, then what comes.
WATCHED: Final = {("attributes",): ("attributes", "updates"), ("rpc",): ("rpc",)}

Rest = tuple[str, ...]
Work = Coroutine[Any, Any, None]
Respond = Callable[[Request, Response], None]


def token_of(path: Rest) -> str | None:
    """Return the token in a path of this API, empty where DTLS stands for it; None for others."""
    if path[:2] != ROOT or len(path) < 3:
        return None
    if path[2] in NAMES:
        return ""
    if len(path) > 3 and path[3] in NAMES and parse_secret(path[2]) is not None:
        return path[2]
    return None


class _Followed:
    """One observation: whose it is, who waits for it, and whether its client can take more."""

    __slots__ = ("is_free", "session", "waiter")

    def __init__(self, session: CoapSession, waiter: Waiter) -> None:
        self.session = session
        self.waiter = waiter
        self.is_free = asyncio.Event()

    def end(self, reason: str) -> None:
        self.waiter.end(reason)
        self.is_free.set()


class ThingsBoardCoap:
    """Carries requests and answers of one endpoint."""

    def __init__(
        self,
        requests: Requests,
        endpoint: ServerEndpoint,
        observe: Callable[[Request, CoapSession], Observation | None],
        now: Callable[[], float],
        flush: Callable[[], None],
        start: Callable[[Work], None],
    ) -> None:
        """`flush` sends what is to be sent; `start` runs what waits."""
        self._requests = requests
        self._endpoint = endpoint
        self._observe = observe
        self._now = now
        self._flush = flush
        self._start = start
        self._followed: dict[Observation, _Followed] = {}

    def __len__(self) -> int:
        return len(self._followed)

    def take(self, request: Request, session: CoapSession, respond: Respond) -> None:
        """Answer a request when its answer is there, and go on telling whoever observes."""
        self._start(self._answer(request, session, respond))

    async def _answer(self, request: Request, session: CoapSession, respond: Respond) -> None:
        try:
            response = await self._act(request, session)
        except WeftError as error:
            response = problem_of(error)
        except Exception:  # a bug of ours is answered, and ends nothing else
            log.exception("coap_request_broke", api="thingsboard")
            response = fault()
        respond(request, response)

    async def _act(self, request: Request, session: CoapSession) -> Response:
        principal = session.gate.principal
        if principal.kind is not PrincipalKind.DEVICE:
            raise Forbidden(
                f"{principal} is no device.", remedy="Use a device's secret as the token."
            )
        asking = Asking(principal, session.gate.address)
        rest = request.path[2:] if request.path[2] in NAMES else request.path[3:]
        if request.code == Code.POST:
            said = await self._requests.post(asking, rest, request.payload)
            return CHANGED if said is None else _content(said)
        if request.code != Code.GET:
            raise MethodNotAllowed("The method does not work here.", remedy="Use GET or POST.")
        query = dict(part.partition("=")[::2] for part in request.query)
        wanted = {**query, **AT_ONCE} if request.observe == 0 else query
        waiter = Waiter()
        said = await self._requests.get(asking, rest, wanted, waiter)
        if request.observe == 0 and rest in WATCHED:
            observation = self._observe(request, session)
            if observation is not None and observation not in self._followed:
                followed = self._followed[observation] = _Followed(session, waiter)
                self._start(self._follow(observation, asking, WATCHED[rest], followed))
        return NOTHING if said is None else _content(said)

    # --- observing ---

    async def _follow(
        self, observation: Observation, asking: Asking, rest: Rest, followed: _Followed
    ) -> None:
        """Tell an observer what comes, until it ends.

        One after the other: what waits behind one in flight would be replaced by what comes
        after it, and each call and each change is told once.
        """
        endpoint, waiter = self._endpoint, followed.waiter
        try:
            while not (observation.is_ended or waiter.is_over):
                said = await self._requests.get(asking, rest, FOLLOWED_FOR, waiter)
                if said is not None and not observation.is_ended:
                    followed.is_free.clear()
                    endpoint.notify(observation, _content(said), self._now(), confirm=True)
                    self._flush()
                    if observation.in_flight and not observation.is_ended:
                        await followed.is_free.wait()
        except WeftError as error:
            response = problem_of(error)
            if not is_success(response.code) and not observation.is_ended:
                endpoint.notify(observation, response, self._now(), confirm=True)
                self._flush()
        except Exception:  # a bug of ours ends the observation that met it
            log.exception("coap_follow_broke", api="thingsboard")
            endpoint.cancel(observation)
        finally:
            self._followed.pop(observation, None)

    def confirmed(self, observation: Observation) -> None:
        """An observer has acknowledged what it was told."""
        found = self._followed.get(observation)
        if found is not None:
            found.session.heard_at = self._now()
            found.is_free.set()

    def ended(self, observation: Observation) -> None:
        """An observation is over: nobody waits for it any more."""
        found = self._followed.get(observation)
        if found is not None:
            found.end("the observation has ended")

    def end(self, session: CoapSession, last: Response) -> None:
        """A session is over, and all that it observes: `last` is what its observers are told."""
        for observation, followed in list(self._followed.items()):
            if followed.session is session:
                self._endpoint.notify(observation, last, self._now(), confirm=True)
                followed.end("its session has ended")

    def close(self) -> None:
        """Weft stops: whoever waits goes on with nothing."""
        for followed in list(self._followed.values()):
            followed.end("Weft is stopping")


def _content(said: bytes) -> Response:
    return Response(Code.CONTENT, said, cast("int", ContentFormat.JSON))
