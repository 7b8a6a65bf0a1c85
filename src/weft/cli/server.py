"""The server on a data folder, for commands that mean this folder and no other server.

`WEFT_URL` does not count here: a backup or a diagnosis is of the folder that is named.
"""

import os
from pathlib import Path

import msgspec

from weft.api.operator import Operator, read_key
from weft.app.folder import SERVER_FILE, ServerFile
from weft.cli.client import Client, NoServer
from weft.model.ids import TenantId
from weft.supervision import SystemClock


def find_server(data: Path) -> ServerFile | None:
    """Return what a running server says of itself; None if none runs."""
    try:
        found = msgspec.json.decode((data / SERVER_FILE).read_bytes(), type=ServerFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if _is_alive(found.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # another user's
    except OSError:
        return False
    return True


def find_address(data: Path) -> str:
    """Return where the server on a data folder answers, or raise `NoServer`."""
    found = find_server(data)
    if found is None:
        raise NoServer(
            f"No Weft runs on the data folder {data}.",
            remedy=f"Start one with `weft up --data {data}`, or name a server with --url.",
        )
    return found.http


def operator_client(data: Path, tenant: str = "main") -> Client:
    """Return a client of that server that speaks as the operator."""
    operator = Operator(read_key(data), SystemClock())
    return Client(find_address(data), lambda: operator.make_token(TenantId(tenant)))
