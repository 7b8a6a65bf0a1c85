"""Routes of the pages: a few files of the wheel, the built dashboard, and nothing else.

Everything that is not a page goes on to the API, which answers as if there were no pages. A
page runs no script but ours, asks no other machine, is never framed, and sends no referrer: a
sign-up token stands in its address (behind the #, which no browser sends).

The dashboard is one document for all of its addresses: a browser that goes to a page (it says
so: it accepts HTML) is given it, whatever the address; which pages there are it knows itself.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from importlib import resources
from typing import Any

from weft.web.built import Built, File
from weft.web.map_file import PATH as MAP_PATH
from weft.web.map_file import MapFile, Part

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; worker-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types svelte-trusted-html default"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")  # on TLS only
NEVER = b"no-store"
FOREVER = b"public, max-age=31536000, immutable"  # a built file's name changes with its content

HTML = b"text/html; charset=utf-8"

# path -> (file, media type)
FILES: dict[bytes, tuple[str, bytes]] = {
    b"/sign-up": ("sign_up.html", HTML),
    b"/web/sign_up.js": ("sign_up.js", b"text/javascript; charset=utf-8"),
    b"/web/style.css": ("style.css", b"text/css; charset=utf-8"),
    b"/web/weft.svg": ("weft.svg", b"image/svg+xml"),
}
NOT_BUILT = "not_built.html"  # in the dashboard's place
# First parts of addresses that never are pages of the dashboard, whoever asks.
RESERVED = frozenset({b"api", b".well-known", b"assets", b"web", b"mqtt", b"sign-up", b"metrics"})


class Pages:
    """The pages, in front of the application that answers everything else."""

    def __init__(
        self,
        application: Application,
        built: Built | None = None,
        *,
        own_map: MapFile | None = None,
    ) -> None:
        self._application = application
        self._own_map = own_map
        folder = resources.files("weft.web")
        self._files = {
            path: File(folder.joinpath(name).read_bytes(), media_type)
            for path, (name, media_type) in FILES.items()
        }
        built = built or Built.read()
        self._assets = built.assets
        self._document = built.document or File(folder.joinpath(NOT_BUILT).read_bytes(), HTML)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page, or let the application answer (ASGI 3)."""
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}:
            path = scope["raw_path"]
            if (file := self._files.get(path)) is not None:
                await _answer(scope, send, file, NEVER)
                return
            if (file := self._assets.get(path)) is not None:
                await _answer(scope, send, file, FOREVER)
                return
            if path == MAP_PATH:
                await self._answer_map(scope, send)
                return
            if _goes_to_a_page(scope):
                await _answer(scope, send, self._document, NEVER)
                return
        await self._application(scope, receive, send)

    async def _answer_map(self, scope: Scope, send: Send) -> None:
        # A map that is not there is no error: the dashboard asks before it draws its own.
        part = Part(204, ())
        if self._own_map is not None:
            wanted = dict(scope["headers"]).get(b"range")
            part = await self._own_map.read(wanted, head=scope["method"] == "HEAD")
        headers = [*HEADERS, (b"cache-control", b"no-cache"), *part.headers]
        if part.status != 204:
            headers.append((b"content-type", b"application/octet-stream"))
            headers.append((b"content-length", str(len(part.content)).encode()))
        await send({"type": "http.response.start", "status": part.status, "headers": headers})
        await send({"type": "http.response.body", "body": part.content})


def _goes_to_a_page(scope: Scope) -> bool:
    """Whether a browser goes to an address of the dashboard."""
    path: bytes = scope["raw_path"]
    if path.split(b"/", 2)[1] in RESERVED:
        return False
    return b"text/html" in dict(scope["headers"]).get(b"accept", b"")


async def _answer(scope: Scope, send: Send, file: File, caching: bytes) -> None:
    content, encoding = file.choose(dict(scope["headers"]).get(b"accept-encoding", b""))
    headers = [
        *HEADERS,
        (b"cache-control", caching),
        (b"content-type", file.media_type),
        (b"content-length", str(len(content)).encode()),
    ]
    if file.encoded:
        headers.append((b"vary", b"accept-encoding"))
    if encoding:
        headers.append((b"content-encoding", encoding))
    if scope["scheme"] == "https":
        headers.append(STRICT_TRANSPORT)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = content if scope["method"] == "GET" else b""
    await send({"type": "http.response.body", "body": body})
