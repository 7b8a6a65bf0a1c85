"""DTLS 1.2 on one datagram socket: who is it, proven before anything is kept for it."""
