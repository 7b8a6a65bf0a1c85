"""Sockets towards devices: bytes in and out, TLS, and limits before anyone is known."""
