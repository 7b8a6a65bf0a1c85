"""The server: its configuration, its ports, and what it says of itself where it runs."""

import errno
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from weft.api.server import parse_address
from weft.cli.checks.finding import Finding, fail, failed, ok, warn
from weft.cli.checks.stores import audit_finding
from weft.cli.client import NoServer, Refused
from weft.cli.server import operator_client
from weft.config import Config, load_config
from weft.errors import ConfigurationError, WeftError


def check_configuration(
    file: Path | None, assignments: Sequence[str]
) -> tuple[Config | None, Finding]:
    """Whether the settings are ones that Weft starts with."""
    try:
        config = load_config(file, None, assignments)
    except ConfigurationError as error:
        return None, failed("configuration", error)
    source = str(file) if file is not None else "the defaults"
    return config, ok("configuration", f"{source}, valid")


def addresses_of(config: Config) -> Iterator[tuple[str, str]]:
    """Yield each listener's name and address; those of CoAP are of UDP."""
    mqtt, coap, api = config.transports.mqtt, config.transports.coap, config.api
    for name, listen in (
        ("HTTP", api.listen),
        ("HTTPS", api.tls_listen),
        ("MQTT", mqtt.listen),
        ("MQTT over TLS", mqtt.listen_tls),
        ("CoAP", coap.listen),
        ("CoAP over DTLS", coap.listen_dtls),
    ):
        if listen:
            yield name, listen


def check_ports(config: Config, *, served: bool) -> Iterator[Finding]:
    """Whether each port is free; by a server of ours, on this folder, they are taken."""
    for name, listen in addresses_of(config):
        what = f"{name} on {listen}"
        try:
            host, port = parse_address(listen)
        except ConfigurationError as error:
            yield failed(what, error)
            continue
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            if name.startswith("CoAP"):
                _bind_datagrams(host, port, family)
            else:
                socket.create_server((host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE and served:
                yield ok(what, "in use, as a server runs")
                continue
            kind = "u" if name.startswith("CoAP") else "t"
            remedy = f"See who has it: ss -l{kind}np 'sport = :{port}' - or set another port."
            yield fail(what, f"{error.strerror or error}.", remedy)
        else:
            yield ok(what, "free")


def _bind_datagrams(host: str, port: int, family: socket.AddressFamily) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.bind((host, port))


def check_server(folder: Path) -> Iterator[Finding]:
    """What the running server says of itself, and the audit of each tenant."""
    try:
        health = operator_client(folder).send("GET", "/health").value
    except (WeftError, OSError) as error:
        detail = error.detail if isinstance(error, WeftError) else str(error)
        remedy = "If it is stopped or hangs, end that process and start it again: weft up"
        yield fail("server", f"The data folder is in use, and nobody answers: {detail}", remedy)
        return
    head = f"version {health['version']}, journal up to {health['journal_head']:,}"
    yield ok("server", f"{head}, {health['connections']:,} connections")
    for part, word in health["parts"].items():
        if word != "ok":
            yield warn(part, word or "not heard of yet", "See weft system health and the log.")
    yield from _audit(folder)


def _audit(folder: Path) -> Iterator[Finding]:
    try:
        tenants = operator_client(folder).send("GET", "/tenants?limit=1000").value["items"]
        for tenant in tenants:
            name = tenant["tenant_id"]
            client = operator_client(folder, name)
            found = client.send("POST", "/audit/verify").value
            yield audit_finding(name, found["records"], found["first_bad"], found["reason"])
    except (Refused, NoServer) as error:
        yield failed("audit", error)
