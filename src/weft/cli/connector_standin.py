"""`weft connector standin`: a business system to try things with, on this machine alone."""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from weft.connectors.standin import Department, StandIn, tryton_settings
from weft.connectors.standins.desk import Desk
from weft.connectors.standins.serving import (
    Served,
    Working,
    as_toml,
    read_or_make_key,
    serve,
)
from weft.connectors.standins.table import STAND_INS
from weft.supervision import SystemClock


@click.command("standin")
@click.argument("kind", type=click.Choice(sorted([*STAND_INS, "tryton"])))
@click.option("--port", default=0, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File with the secret that callers present; made if it is not there.",
)
@click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file that keeps the orders over a restart.",
)
@click.option("--repair-after", default=45.0, help="Seconds until an order is done; 0: never.")
@click.option(
    "--settings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write [connectors.erp] to, so that `weft up --config` reaches it.",
)
def connector_standin(
    kind: str,
    *,
    port: int,
    key_file: Path,
    file: Path | None,
    repair_after: float,
    settings: Path | None,
) -> None:
    """Serve a stand-in for a business system until Ctrl-C; the first line says where.

    It listens on the loopback interface and speaks the part of the system's published
    interface that the connector uses. A simulated technician ends each order. `/` lists
    them for people and `/orders.json` for programs.

    \b
    Example:
      weft connector standin odoo --key-file odoo.key --settings odoo.toml
    """
    read_or_make_key(key_file)
    app, table_of = _make(kind, key_file, repair_after, file)
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    table = table_of(url, f"file:{key_file.absolute()}")
    if settings is not None:
        settings.write_text(as_toml("erp", {**table, "allow": ["127.0.0.1/32"]}))
    click.echo(json.dumps({"url": url, "kind": table["kind"], "key_file": str(key_file)}))
    asyncio.run(serve(app, listener))


def _make(
    kind: str, key_file: Path, repair_after: float, file: Path | None
) -> tuple[Working, Callable[[str, str], dict[str, Any]]]:
    clock = SystemClock()
    if kind == "tryton":
        department = Department(repair_after_s=repair_after, file=file)
        return StandIn(department, key_file.read_text().strip(), clock), tryton_settings
    desk = Desk(clock.now, repair_after_s=repair_after, file=file)
    stand_in = STAND_INS[kind](desk, lambda: key_file.read_text().strip())
    return Served(kind, stand_in), stand_in.settings
