"""Server TLS: the contexts of our listeners, exchanged under them while they listen.

A listener keeps the context that it was given. Each handshake is handed on to the newest
one, so a renewed certificate of ours and an authority that a customer has just registered
count from the next handshake on, and one that was taken away counts no more.

Which groups keys are agreed on in is left to OpenSSL, whose own list has the hybrid
X25519MLKEM768 in front from 3.5 on: naming groups here would pin it to what was known once.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Clients = Literal["none", "optional", "required"]

# TLS 1.2 suites with forward secrecy and AEAD; those of 1.3 are all such.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ServerTls:
    """Makes contexts for listeners, and new ones in their place."""

    def __init__(self, certificate: Path, key: Path, passphrase: bytes) -> None:
        self._files = (certificate, key)
        self._passphrase = passphrase
        self._trusted = ""
        self.generation = 0  # grows with each renewal, for listeners whose TLS is not Python's
        self._newest: dict[Clients, ssl.SSLContext] = {}

    def trust(self, certificates: Sequence[str]) -> None:
        """Trust these authorities (PEM) for client certificates, and no others, from now on."""
        self._trusted = "".join(certificates)
        self.renew()

    def renew(self) -> None:
        """Read our certificate again; handshakes that begin from now on see it."""
        self.generation += 1
        self._newest = {clients: self._make(clients) for clients in self._newest}

    def context(self, clients: Clients) -> ssl.SSLContext:
        """Return a context for a listener: TLS 1.2 and 1.3, no resumption (RV-2)."""
        entry = self._make(clients)
        self._newest.setdefault(clients, entry)

        def hand_on(
            tls: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
        ) -> int | None:
            # Python cannot turn off TLS 1.2's cache of session ids; so it is asked here, in
            # each handshake. The alert makes both ends forget the session.
            if tls.session_reused:
                return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
            newest = self._newest[clients]
            if newest is not tls.context:
                tls.context = newest
            return None

        entry.sni_callback = hand_on
        return entry

    def _make(self, clients: Clients) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        # Tickets of TLS 1.2 need the option, those of 1.3 the number: either alone leaves one.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        context.load_cert_chain(*self._files, password=self._passphrase)
        if clients != "none":
            context.load_verify_locations(cadata=self._trusted)
            # What is trusted is what was registered, be it a root or an intermediate.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            required = clients == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        return context
