"""The command line's client: finds a server, signs for it, and speaks JSON with it.

`WEFT_URL` and `WEFT_TOKEN` name any server; otherwise the one that runs on the data folder
is asked, with a token that the key in that folder signs.
"""

import http.client
import json
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from weft.api.operator import Operator, read_key
from weft.errors import ConfigurationError, WeftError
from weft.model.ids import TenantId
from weft.supervision import SystemClock

TIMEOUT_S = 60.0
SERVER_FILE = "server.json"  # written by `weft up` at start
MAIN = "main"  # the tenant that is made at first start


class NoServer(WeftError):
    """Nothing answers where a server should be."""

    code = "no_server"


class Refused(WeftError):
    """The server answered with a problem."""

    code = "refused"

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        detail = str(problem.get("detail") or f"The server answered {status}.")
        super().__init__(detail, remedy=str(problem.get("remedy") or ""))
        self.status = status
        self.problem = problem

    def with_remedy(self, remedy: str) -> "Refused":
        """Return the same refusal with a better remedy."""
        return Refused(self.status, {**self.problem, "remedy": remedy})


class Received(NamedTuple):
    """An answer that is no problem."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def value(self) -> Any:
        """The answer's JSON; None where there is no content."""
        return json.loads(self.content) if self.content else None


class Client:
    """Speaks with one server. What makes tokens is asked for one with each request.

    An operator's token lives for a minute, and a replay or an import is followed for longer.
    """

    def __init__(self, url: str, token: str | Callable[[], str]) -> None:
        self._parts = urlsplit(url)
        self._token = token
        if self._parts.scheme not in {"http", "https"} or not self._parts.hostname:
            raise ConfigurationError(
                f"{url!r} is not the address of a server.",
                remedy="Write it as http://127.0.0.1:8080.",
            )

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"{self._parts.scheme}://{self._parts.netloc}"

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Received:
        """Send a request below /api/v1; raise `Refused` for a problem."""
        sent = {**self._authorization(), "Accept": "*/*", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = content_type
        connection = self._connection(timeout_s)
        try:
            connection.request(method, "/api/v1" + path, body, sent)
            response = connection.getresponse()
            content = response.read()
        except TimeoutError as error:
            raise NoServer(
                f"{self.url} has not answered within {timeout_s:.0f} s.",
                remedy="Try again, or ask for less at a time.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise NoServer(
                f"Nothing answers at {self.url}: {_reason(error)}.",
                remedy="Start it with `weft up`, or set WEFT_URL and WEFT_TOKEN.",
            ) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(response.status, _problem(content))
        received = {name.lower(): value for name, value in response.getheaders()}
        return Received(response.status, received, content)

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """Open an answer that goes on; raise `Refused` for a problem, `NoServer` when it breaks."""
        connection = self._connection(TIMEOUT_S)
        try:
            sent = {**self._authorization(), **headers}
            connection.request("GET", "/api/v1" + path, None, sent)
            response = connection.getresponse()
            if response.status >= 400:
                raise Refused(response.status, _problem(response.read()))
            yield response
        except TimeoutError as error:
            raise NoServer(
                f"{self.url} has not answered within {TIMEOUT_S:.0f} s.",
                remedy="Try again, or ask for less at a time.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise NoServer(
                f"{self.url} does not answer: {error}.", remedy="Start it with `weft up`."
            ) from error
        finally:
            connection.close()

    def _authorization(self) -> dict[str, str]:
        token = self._token if isinstance(self._token, str) else self._token()
        return {"Authorization": f"Bearer {token}"}

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        context = ssl.create_default_context(cafile=os.environ.get("WEFT_CA"))
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _problem(content: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    return problem if isinstance(problem, dict) else {}


def find_client(data: Path, tenant: str) -> Client:
    """Return a client of the server that is meant: by environment, or by data folder."""
    url = os.environ.get("WEFT_URL")
    if url:
        token = os.environ.get("WEFT_TOKEN", "")
        if not token:
            raise ConfigurationError(
                "WEFT_URL is set and WEFT_TOKEN is not.",
                remedy="Set WEFT_TOKEN to a service key or an access token.",
            )
        return Client(url, token)
    if not (data / SERVER_FILE).exists():
        raise NoServer(
            f"No Weft runs on the data folder {data}.", remedy=f"Start one: weft up --data {data}"
        )
    operator = Operator(read_key(data), SystemClock())
    address = _address(data)
    if tenant != MAIN:
        _require_tenant(Client(address, operator.make_token(TenantId(MAIN))), tenant)
    return Client(address, lambda: operator.make_token(TenantId(tenant)))


def _require_tenant(client: Client, tenant: str) -> None:
    """Raise unless there is such a tenant: in one that is not, all lists are empty."""
    try:
        client.send("GET", f"/tenants/{quote(tenant, safe='')}")
    except Refused as refused:
        raise refused.with_remedy(
            f"See `weft tenant list`, or make it: weft tenant add {tenant}"
        ) from refused


def _address(data: Path) -> str:
    path = data / SERVER_FILE
    try:
        found = json.loads(path.read_bytes())
        return str(found.get("http") or found["https"])
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise NoServer(
            f"{path} cannot be read: {error}.", remedy=f"Start Weft again: weft up --data {data}"
        ) from error
