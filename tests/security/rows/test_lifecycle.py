"""PR-6 and RV-1 by Hypothesis: whoever is let in is active and has a live credential."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.api.support import MAIN, World

from weft.errors import Conflict, QuotaExceeded, Unauthenticated
from weft.model.device import MOVES, Lifecycle
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import NewDevice
from weft.security.connections import Connection
from weft.security.rotation import Replacing

ADMIN = Principal(MAIN, PrincipalKind.USER, "ada", "uid-ada")
PEER = "192.0.2.7:40001"
GRACE_S = 60
NAMES = ("gate-1", "gate-2")


class Known:
    """What the model holds of one credential: its proof, and until when it is good."""

    def __init__(self, device: str, credential_id: str, proof: str | bytes) -> None:
        self.device = device
        self.credential_id = credential_id
        self.proof = proof
        self.ends_at: float = float("inf")


class Lifecycles(RuleBasedStateMachine):
    """Random moves, credentials, rotations and connections of two devices against a model."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._loop = asyncio.new_event_loop()
        self.world = World(Path(self._folder.name))
        self.states: dict[str, Lifecycle] = {}
        self.known: list[Known] = []
        self.live: dict[int, tuple[str, Known]] = {}
        self.cut_by_server: set[int] = set()
        self.count = 0
        self.moves = 0

    def teardown(self) -> None:
        self._loop.close()
        self._folder.cleanup()

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    @property
    def now_s(self) -> float:
        return self.world.clock.now() / 1e9

    # --- what may happen ---

    @rule(name=st.sampled_from(NAMES), lifecycle=st.sampled_from(list(Lifecycle)))
    def move_or_make(self, name: str, lifecycle: Lifecycle) -> None:
        old = self.states.get(name)
        if old is None:
            first = lifecycle if lifecycle is Lifecycle.PENDING else Lifecycle.ACTIVE
            self.run(self.world.devices.create(ADMIN, NewDevice(name, lifecycle=first)))
            self.states[name] = first
            return
        try:
            self.run(self.world.devices.move(ADMIN, name, lifecycle))
        except Conflict:
            assert lifecycle not in MOVES[old]
        else:
            assert lifecycle in MOVES[old]
            self.states[name] = lifecycle
            self.moves += 1
        self._drop(lambda device, _known: self.states[device] is not Lifecycle.ACTIVE)

    @precondition(lambda self: self.states)
    @rule(data=st.data(), certificate=st.booleans(), rotate=st.booleans())
    def give(self, data: Any, *, certificate: bool, rotate: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.states)))
        device = self.world.devices.get(MAIN, name)
        rotation, credentials = self.world.rotation, self.world.credentials
        try:
            if rotate and certificate:
                made: Any = self.run(rotation.rotate_certificate(ADMIN, device, Replacing(GRACE_S)))
            elif rotate:
                made = self.run(rotation.rotate_secret(ADMIN, device, Replacing(GRACE_S)))
            elif certificate:
                made = self.run(credentials.issue_certificate(ADMIN, device))
            else:
                made = self.run(credentials.issue_secret(ADMIN, device))
        except QuotaExceeded:
            return
        if rotate:
            for one in self.known:
                if one.device == name:
                    one.ends_at = min(one.ends_at, self.now_s + GRACE_S)
        proof = made.certificate.der if certificate else made.token
        self.known.append(Known(name, made.credential.credential_id, proof))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def revoke(self, data: Any) -> None:
        one = data.draw(st.sampled_from(self.known))
        device = self.world.devices.get(MAIN, one.device)
        self.run(self.world.credentials.revoke(ADMIN, device, one.credential_id))
        self.known.remove(one)
        self._drop(lambda device, _known: device == one.device)

    @rule(seconds=st.sampled_from([1, GRACE_S // 2, GRACE_S]))
    def wait(self, seconds: int) -> None:
        self.world.clock.turn(seconds)
        self.world.rotation.end_due()
        self._drop(lambda _device, known: known.ends_at <= self.now_s)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def connect(self, data: Any) -> None:
        one = data.draw(st.sampled_from(self.known))
        proof = self._prove(one)
        if proof is None:
            return
        number = self.count
        self.count += 1
        connection = Connection(proof.principal, "mqtts", PEER, lambda _why: self._cut(number))
        connection.credential_id = proof.credential_id
        self.world.connections.register(connection)
        self.live[number] = (one.device, one)

    # --- what must hold ---

    @invariant()
    def only_the_active_with_a_live_credential_get_in(self) -> None:
        for one in self.known:
            wanted = self.states[one.device] is Lifecycle.ACTIVE and self.now_s < one.ends_at
            assert (self._prove(one) is not None) == wanted, (self.states[one.device], one.ends_at)

    @invariant()
    def who_lost_the_right_is_cut_at_once_and_nobody_else(self) -> None:
        for number in self.live:
            assert number not in self.cut_by_server
        held = sum(
            len(self.world.connections.of_principal(self.world.devices.get(MAIN, name).uid))
            for name in self.states
        )
        assert held == len(self.live)

    @invariant()
    def every_move_is_on_record(self) -> None:
        found = self.run(self.world.audit.list_records(MAIN))
        assert [one.value.action for one in found].count("device.move") == min(self.moves, 100)

    # --- helpers ---

    def _cut(self, number: int) -> None:
        self.cut_by_server.add(number)

    def _drop(self, lost: Any) -> None:
        """Take out of the model what must have been cut, and see that it was."""
        for number, (device, known) in list(self.live.items()):
            if lost(device, known):
                assert number in self.cut_by_server, "it lives on"
                del self.live[number]

    def _prove(self, one: Known) -> Any:
        door = self.world.authenticator
        try:
            if isinstance(one.proof, bytes):
                return door.prove_certificate(one.proof, PEER)
            return door.prove_bearer(one.proof, PEER)
        except Unauthenticated:
            return None


TestPr6 = Lifecycles.TestCase
TestPr6.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


def test_pr_6_only_the_listed_moves_exist() -> None:
    """Decommissioned is the end; nothing comes back from revoked."""
    assert MOVES[Lifecycle.DECOMMISSIONED] == frozenset()
    assert MOVES[Lifecycle.REVOKED] == {Lifecycle.DECOMMISSIONED}
    assert all(Lifecycle.PENDING not in reached for reached in MOVES.values())
