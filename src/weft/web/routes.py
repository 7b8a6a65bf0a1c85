"""Routes of the pages: a few files of the wheel, each named here, and nothing else.

Everything that is not in the list goes on to the API, which answers as if there were no
pages. A page runs no script but ours, asks no other machine, is never framed, and sends no
referrer: a sign-up token stands in its address (behind the #, which no browser sends).
"""

from collections.abc import Awaitable, Callable, MutableMapping
from importlib import resources
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")  # on TLS only

# path -> (file, media type)
FILES: dict[bytes, tuple[str, bytes]] = {
    b"/sign-up": ("sign_up.html", b"text/html; charset=utf-8"),
    b"/web/sign_up.js": ("sign_up.js", b"text/javascript; charset=utf-8"),
    b"/web/style.css": ("style.css", b"text/css; charset=utf-8"),
    b"/web/weft.svg": ("weft.svg", b"image/svg+xml"),
}


class Pages:
    """The pages, in front of the application that answers everything else."""

    def __init__(self, application: Application) -> None:
        self._application = application
        folder = resources.files("weft.web")
        self._content = {
            path: (folder.joinpath(name).read_bytes(), media_type)
            for path, (name, media_type) in FILES.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page, or let the application answer (ASGI 3)."""
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}:
            found = self._content.get(scope["raw_path"])
            if found is not None:
                await _answer(scope, send, *found)
                return
        await self._application(scope, receive, send)


async def _answer(scope: Scope, send: Send, content: bytes, media_type: bytes) -> None:
    headers = [
        *HEADERS,
        (b"content-type", media_type),
        (b"content-length", str(len(content)).encode()),
    ]
    if scope["scheme"] == "https":
        headers.append(STRICT_TRANSPORT)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = content if scope["method"] == "GET" else b""
    await send({"type": "http.response.body", "body": body})
