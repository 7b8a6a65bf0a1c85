"""Mutated requests of other platforms' devices: `python fuzz/fuzz_requests.py --inputs 10000000`.

Each input is a line that says what is asked, and a body: ThingsBoard's requests over HTTP
(`POST telemetry`, `GET attributes?clientKeys=a`), its provisioning (`PROVISION`), and AWS's
shadow requests (`SHADOW update`). They are answered by the answerers themselves, with fakes
that never wait behind them: with a document, or with a refusal that has words.
"""

import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from fuzz.harness import main

from weft.errors import NotFound, PeerError, Unauthenticated
from weft.ingest.dialects import native
from weft.ingest.dialects.aws_shadow_answers import AwsShadowAnswers
from weft.ingest.dialects.desk import Question
from weft.ingest.dialects.dialect import Speaker
from weft.ingest.dialects.thingsboard.answers import SessionLimits, ThingsBoardAnswers
from weft.ingest.dialects.thingsboard.provision import Provisioner
from weft.ingest.dialects.thingsboard.requests import Asking, Requests, Waiter
from weft.ingest.dialects.thingsboard.table import ThingsBoard
from weft.ingest.gate_session import Admission
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId
from weft.model.message import Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.model.twin import Twin
from weft.registry.provisioning import ProvisionRequest
from weft.security.machine_secrets import make_secret
from weft.twins.requests import Settled, TwinRequest

TENANT, PUMP = TenantId("main"), DeviceId("pump-7")
DEVICE = Device(TENANT, PUMP, DeviceUid("uid-7"), None, Lifecycle.ACTIVE, 0)
PRINCIPAL = Principal(TENANT, PrincipalKind.DEVICE, "pump-7", "uid-7")
NOW = 1_772_366_400_000_000_000
TWIN = Twin(
    TENANT, PUMP, 7, {"firmware": "1.4", "limits": {"low": 1}}, {"interval": 5, "none": None}, 3
)
CLAIM = make_secret()


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise AssertionError("it waits for something")


def require_words(error: PeerError) -> None:
    """Raise unless a refusal says something."""
    assert error.detail, repr(error)


def _allow(*_asked: object) -> object:
    return SimpleNamespace(allowed=True, reason="", version=1)


class Behind:
    """What stands behind the answerers: it takes everything, and waits for nothing."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self._table = ThingsBoard()
        self._speaker = Speaker(PRINCIPAL, DEVICE, cast("Any", SimpleNamespace()))

    async def submit(self, _principal: Principal, topic: str, body: bytes, **_more: str) -> int:
        """Read a message as the gate does: by the dialect's table."""
        for part in self._table.read(self._speaker, topic, body):
            native.map_topic(part.topic)
        return 1

    async def send(self, *_asked: object, **_more: object) -> int:
        """Take in a message of an answerer's own."""
        return 1

    async def put(self, *_asked: object) -> int:
        """Take in what an act brought."""
        return 1

    def get(self, *_key: object) -> Twin:
        """Return the twin."""
        return TWIN

    async def settle(self, _asker: Principal, wanted: TwinRequest) -> Settled:
        """Do an act."""
        msgspec.json.encode((wanted.reported, wanted.desired))  # it can be stored
        return Settled(wanted.position, 8, wanted.reported, wanted.refused)

    async def say(self, _tenant: str, _device_id: str, _rest: str, payload: bytes) -> bool:
        """Remember what was said."""
        self.said.append(payload)
        return True

    def open(self, *_asked: object) -> object:
        """Open a session of the gate."""
        return SimpleNamespace()

    def admission(self, _session: object, topic: str, _address: str) -> Admission:
        """Let everything be reported."""
        route = Route(TENANT, "device", "pump-7", topic, Operation.REPORTED, PUMP)
        return Admission(route, lambda payload, _at: msgspec.json.decode(payload))

    async def provision(self, _secret: str, request: ProvisionRequest, _peer: str) -> Any:
        """Give an identity to whoever is called pump-7, and to nobody else."""
        if request.serial != "pump-7":
            raise Unauthenticated("The claim does not open this.")
        return SimpleNamespace(token="weft_token")


class Calls:
    """One call waits."""

    def __init__(self) -> None:
        call = SimpleNamespace(position=5, request_id="r-1", name="stop", input={"within_s": 5})
        self.commands = SimpleNamespace(
            due_for=lambda *_key: (call,),
            due_in_s=lambda *_key: None,
            handed_out=lambda *_key: None,
        )

    def find(self, *call: object) -> object | None:
        """Find the one call."""
        return call if call[-1] == 5 else None

    def get(self, *call: object) -> object:
        """Return the one call."""
        if (found := self.find(*call)) is None:
            raise NotFound("There is no such call.")
        return found


class Harness:
    """The answerers, and what must hold of whatever they say."""

    def __init__(self) -> None:
        self.behind = behind = cast("Any", Behind())
        clock = SimpleNamespace(now=lambda: NOW)
        limits = SessionLimits(65_536, 100.0)
        answers = ThingsBoardAnswers(
            cast(
                "Any",
                SimpleNamespace(
                    ingest=behind, twins=behind, clock=clock, limits=limits, calls=Calls()
                ),
            )
        )
        policy = SimpleNamespace(decide=_allow)
        self.requests = Requests(answers, cast("Any", policy))
        self.provisioner = Provisioner(behind)
        self.shadow = AwsShadowAnswers(
            cast(
                "Any",
                SimpleNamespace(
                    gate=behind, ingest=behind, twins=behind, policy=policy, clock=clock,
                    replies=behind,
                ),
            )
        )  # fmt: skip

    def __call__(self, data: bytes) -> int:
        """Answer one request; nothing is held."""
        head, _, body = data.partition(b"\n")
        verb, _, rest = head.decode(errors="replace").partition(" ")
        try:
            match verb:
                case "PROVISION":
                    answered = at_once(self.provisioner.provision(body, "192.0.2.7:1"))
                    said = json.loads(answered.document)
                    assert answered.has_identity is (said["status"] == "SUCCESS")
                    assert answered.has_identity or said["errorMsg"]
                case "SHADOW":
                    self._shadow(rest, body)
                case _:
                    self._request(verb, rest, body)
        except PeerError as error:
            require_words(error)
            raise
        return 0

    def _request(self, verb: str, rest: str, body: bytes) -> None:
        asking = Asking(PRINCIPAL, "192.0.2.7:1")
        path, _, query = rest.partition("?")
        parts = path.split("/")
        if verb == "GET":
            if parts == ["attributes", "updates"]:
                return  # what it finds comes by a change alone
            wanted = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=100_000))
            said = at_once(self.requests.get(asking, parts, wanted, Waiter()))
        else:
            said = at_once(self.requests.post(asking, parts, body))
        if said is not None:
            json.loads(said)

    def _shadow(self, rest: str, body: bytes) -> None:
        if rest not in {"update", "get", "delete"}:
            return  # the table has refused it
        self.behind.said.clear()
        at_once(self.shadow.answer(Question(PRINCIPAL, PUMP, rest, body, 9, NOW)))
        answered = json.loads(self.behind.said[0])
        assert answered.get("message") or "version" in answered


def load_corpus() -> list[bytes]:
    """Requests that are right, or nearly so."""
    documents: list[Any] = [
        {"temperature": 21.5, "mode": "12", "none": None},
        {"ts": 1772366400000, "values": {"a": 1, "b": None}, "metadata": {"publishedTs": 1}},
        [{"a": 1}, {"ts": 1, "values": {"b": 2}}],
        {"method": "getCurrentTime", "params": {}},
        {"method": "getSessionLimits"},
        {"method": "leak", "params": {"at": "pump"}},
        {"error": "stuck", "code": 7},
        {"secretKey": "s", "durationMs": 60000},
    ]
    heads = ["POST telemetry", "POST attributes", "POST rpc", "POST rpc/5", "POST rpc/6",
             "POST claim", "POST firmware"]  # fmt: skip
    found = [f"{head}\n{json.dumps(one)}" for head in heads for one in documents]
    found += [f"GET {rest}\n" for rest in (
        "attributes", "attributes?clientKeys=firmware,limits&sharedKeys=", "rpc?timeout=20000",
        "rpc", "rpc?timeout=-1", "firmware?title=a&version=1", "attributes?sharedKeys=%ff%00",
    )]  # fmt: skip
    wanted = {"deviceName": "pump-7", "provisionDeviceKey": CLAIM.key_id,
              "provisionDeviceSecret": CLAIM.text}  # fmt: skip
    more: list[dict[str, Any]] = [
        {}, {"gateway": True}, {"credentialsType": "ACCESS_TOKEN"}, {"deviceName": "other"},
        {"credentialsType": "X509_CERTIFICATE", "hash": "-----BEGIN"}, {"token": "mine"},
        {"provisionDeviceKey": "k"},
    ]  # fmt: skip
    found += [f"PROVISION\n{json.dumps(wanted | one)}" for one in more]
    shadows: list[Any] = [
        {"state": {"reported": {"a": 1, "limits": {"low": None}}}, "clientToken": "t"},
        {"state": {"reported": None, "desired": None}},
        {"state": {"desired": {"interval": 10, "deep": [{"a": [1, {"b": 2}]}]}}, "version": 7},
        {"state": {"reported": {"a": 1}}, "version": 3, "clientToken": "t" * 70},
        {"state": {}, "version": 0},
        {"clientToken": "t"},
        {"state": {"delta": {"a": 1}}},
        {"state": {"reported": {"a" * 300: 2**70}}},
    ]
    found += [
        f"SHADOW {verb}\n{body}"
        for verb in ("update", "get", "delete")
        for body in ("", *(json.dumps(one) for one in shadows))
    ]
    return [one.encode() for one in found]


if __name__ == "__main__":
    sys.exit(main("requests", Harness(), load_corpus(), held_bytes=0))
