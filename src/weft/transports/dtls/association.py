"""One DTLS peer: OpenSSL's machine between datagrams and messages, over memory BIOs.

It knows no socket and no clock; the door says what came and when, and sends what it is given.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from weft.security.authentication import KeyOffer, Proof
from weft.security.claim_keys import Visit
from weft.security.connections import Connection
from weft.transports.addresses import write_address
from weft.transports.dtls.contexts import Chosen
from weft.transports.dtls.cookies import Address
from weft.transports.dtls.records import (
    HANDSHAKE,
    ClientHello,
    datagrams_of,
    epoch_of,
    split_records,
)
from weft.transports.tls_reasons import explain_certificate, explain_name

CHANGE_CIPHER_SPEC = 20
EPOCHS = 2  # in the clear, and with the keys that are being agreed on
OUTPUT_MAX = 64 * 1024  # of one flight; ours with a chain has 2 KiB

Send = Callable[[bytes, Address], None]
Offer = Callable[[str], KeyOffer]


class Association:
    """The server's end of DTLS with one address."""

    __slots__ = (
        "_changes",
        "_connection",
        "_finished",
        "_keys",
        "_mtu",
        "_newest",
        "_send",
        "address",
        "handshake_bytes",
        "has_ended",
        "heard_at",
        "held",
        "offer",
        "peer",
        "proof",
        "random",
        "received",
        "registered",
        "sent",
        "state",
        "visit",
    )

    def __init__(
        self, chosen: Chosen, hello: ClientHello, address: Address, send: Send, mtu_bytes: int
    ) -> None:
        self.address = address
        self.peer = write_address(address)
        self.random = hello.random
        self.heard_at = 0.0
        self.handshake_bytes = 0
        self.has_ended = False
        self.held: list[bytes] | None = None  # what came while it is written down, for once
        self.offer: KeyOffer | None = None  # once a name has come
        self.proof: Proof | None = None
        self.visit: Visit | None = None  # of who has no identity yet, in place of a proof
        self.registered: Connection | None = None
        self.state: object = None  # whatever the protocol inside keeps with it
        self.received = 0
        self.sent = 0
        self._send = send
        self._mtu = mtu_bytes
        self._keys = chosen.keys
        self._changes = self._finished = False
        self._newest: dict[int, int] = {}  # record of each epoch so far
        self._connection = SSL.Connection(chosen.context, None)
        self._connection.set_accept_state()
        self._connection.set_ciphertext_mtu(mtu_bytes)

    @property
    def has_wrong_key(self) -> bool:
        """Whether all of the client's half has come, in order, and its end does not open.

        OpenSSL drops a record that does not open without a word, as DTLS asks of it; and one
        that overtook what belongs before it (RFC 6347 4.1). So only what comes in its order
        counts: a flight that the network has mixed up comes again.
        """
        return self.offer is not None and self._changes and self._finished

    def begin(self, datagram: bytes, offer: Offer) -> bool:
        """Take the ClientHello whose cookie was found good; return as `shake` does."""
        self._connection.bio_write(datagram)
        self._connection.DTLSv1_listen()
        return self.shake(b"", offer)

    def shake(self, datagram: bytes, offer: Offer) -> bool:
        """Go on with the handshake; return whether it is done. Raises `SSL.Error`."""
        self.handshake_bytes += len(datagram)
        if self._keys is not None:
            self._keys.find = lambda identity: self._key(identity, offer)
        try:
            if not datagram:
                return self._step()
            return any(self._step_with(record) for record in split_records(datagram))
        finally:
            if self._keys is not None:
                self._keys.find = None
            self._flush()

    def _step_with(self, record: bytes) -> bool:
        """Take one record and note what it was, for what came before it was taken by now.

        Neither what was overtaken counts nor a copy: OpenSSL drops both.
        """
        epoch, sequence = epoch_of(record), int.from_bytes(record[5:11], "big")
        if sequence > self._newest.get(epoch, -1) and epoch < EPOCHS:
            self._newest[epoch] = sequence
            if self.offer is not None and record[0] == CHANGE_CIPHER_SPEC:
                self._changes = True
            elif record[0] == HANDSHAKE and epoch:
                self._finished = self._changes
        self._connection.bio_write(record)
        return self._step()

    def _step(self) -> bool:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def _key(self, identity: str, offer: Offer) -> bytes:
        self.offer = offer(identity)
        return self.offer.key

    def send_again(self) -> None:
        """Send the last flight again if it is time; raises `SSL.Error` after too many times."""
        if self._connection.DTLSv1_get_timeout() == 0:
            self._connection.DTLSv1_handle_timeout()
            self._flush()

    def certificate(self) -> bytes:
        """Return the client's certificate, verified, in DER."""
        found = self._connection.get_peer_certificate(as_cryptography=True)
        return b"" if found is None else found.public_bytes(Encoding.DER)

    def explain(self, error: SSL.Error) -> str:
        """Put OpenSSL's words into ones that a person can act on."""
        found = error.args[0] if error.args else ""
        if isinstance(found, list) and found:
            found = found[-1][-1]
        text = str(found) or type(error).__name__
        verdict = self._connection.get_app_data()
        if isinstance(verdict, int):
            detail, remedy = explain_certificate(verdict, text)
        else:
            detail, remedy = explain_name(text.upper().replace(" ", "_").replace("SSL/", "SSLV3_"))
        return f"{detail} {remedy}".strip()

    def open_record(self, record: bytes) -> bytes:
        """Return the plaintext of a record, empty if it has none for us.

        Raises `SSL.ZeroReturnError` when the peer has said good-bye, `SSL.Error` when it has
        broken the protocol; what anybody could have forged raises nothing.
        """
        connection = self._connection
        connection.bio_write(record)
        try:
            return connection.recv(len(record))
        except SSL.WantReadError:
            self._flush()  # the last flight again, when the peer has not got it
            return b""

    def send(self, message: bytes) -> None:
        """Encrypt and send one message, as one datagram; nothing once it has ended."""
        if self.has_ended:
            return
        connection = self._connection
        connection.send(message)
        self.sent += 1
        self._send(connection.bio_read(len(message) + 256), self.address)

    def say_goodbye(self) -> None:
        """Send close_notify; the peer's is not waited for."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return  # in the middle of a handshake there is nobody to say it to
        self._flush()

    def _flush(self) -> None:
        try:
            output = self._connection.bio_read(OUTPUT_MAX)
        except SSL.WantReadError:
            return
        for datagram in datagrams_of(output, self._mtu):
            self._send(datagram, self.address)
