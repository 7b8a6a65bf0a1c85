"""CoAP URIs to options and back (RFC 7252 6): path segments and query arguments are split
before they are unescaped, so that an escaped slash stays one character of a name.
"""

from urllib.parse import quote, unquote_to_bytes, urlsplit

from msgspec import Struct

from weft.wire.coap.faults import CoapError

PORTS = {"coap": 5683, "coaps": 5684}
_IN_SEGMENT = "!$&'()*+,;=:@"  # RFC 3986: pchar without escapes; letters and digits are kept anyway
_IN_ARGUMENT = "!$'()*+,;=:@/?"


class Target(Struct, frozen=True):
    """Where a request goes."""

    scheme: str
    host: str
    port: int
    path: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


def split_uri(uri: str) -> Target:
    """Take a URI apart (RFC 7252 6.4). Raises CoapError for what is none of CoAP's."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise CoapError("this is no URI", "RFC 7252 6.4") from error
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not parts.hostname:
        raise CoapError("a CoAP URI begins with coap:// or coaps:// and a host", "RFC 7252 6.1")
    if parts.fragment or parts.username is not None:
        raise CoapError("a CoAP URI has neither fragment nor user", "RFC 7252 6.4")
    path = split_path(parts.path)
    query = tuple(_unescaped(one) for one in parts.query.split("&")) if parts.query else ()
    for one in (*path, *query):
        if len(one.encode()) > 255:
            raise CoapError("a segment or argument has more than 255 bytes", "RFC 7252 5.10.1")
    return Target(scheme, parts.hostname, port or PORTS[scheme], path, query)


def split_path(path: str) -> tuple[str, ...]:
    """Segments of an absolute path; the root has none."""
    if path in {"", "/"}:
        return ()
    if not path.startswith("/"):
        raise CoapError("a path begins with a slash", "RFC 7252 6.4")
    segments = tuple(_unescaped(one) for one in path[1:].split("/"))
    if any(one in {".", ".."} for one in segments):
        raise CoapError("a path has a dot segment", "RFC 7252 5.10.1")
    return segments


def compose_path(path: tuple[str, ...], query: tuple[str, ...] = ()) -> str:
    """A relative reference that `split_path` reads the same (RFC 7252 6.5)."""
    text = "/" + "/".join(quote(one, safe=_IN_SEGMENT) for one in path)
    if query:
        text += "?" + "&".join(quote(one, safe=_IN_ARGUMENT) for one in query)
    return text


def compose_uri(target: Target) -> str:
    """The URI of a target; the scheme's own port is left out."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    port = "" if target.port == PORTS.get(target.scheme) else f":{target.port}"
    return f"{target.scheme}://{host}{port}{compose_path(target.path, target.query)}"


def _unescaped(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise CoapError("an escape is not UTF-8", "RFC 7252 6.4") from error
