"""Configuration: a TOML file, then `WEFT_…` variables, then `--set`; checked as a whole.

Each station keeps its settings beside the code they steer; here they are put together and
read once. An unknown name, a wrong type or an unreadable file is refused with its place
and a suggestion: Weft does not start on a guess (OP-2).
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct, field

from weft.api.settings import ApiSettings
from weft.broker.settings import BrokerSettings
from weft.commands.settings import CommandSettings
from weft.connectors.bridge.settings import BridgeSettings
from weft.connectors.events.settings import EventSettings
from weft.connectors.kafka.settings import KafkaSettings
from weft.connectors.lorawan_servers import DownlinkSettings
from weft.connectors.notifier import NotificationSettings
from weft.connectors.outbox import OutboxSettings
from weft.connectors.own_settings import OwnSettings
from weft.connectors.poller import PollerSettings
from weft.errors import ConfigurationError
from weft.history.settings import HistorySettings
from weft.ingest.dialects.sparkplug_settings import SparkplugSettings
from weft.ingest.pipeline import PipelineSettings
from weft.ingest.rejections import RejectionSettings
from weft.rules.engine import RulesSettings
from weft.rules.suppressing import FloodSettings
from weft.security.authority import CertificateSettings
from weft.security.connections import ConnectionSettings
from weft.security.limits import LimitSettings
from weft.security.outbound import OutboundSettings
from weft.security.throttle import ThrottleSettings
from weft.transports.coap.settings import CoapSettings
from weft.transports.mqtt.settings import MqttSettings
from weft.web.map_file import WebSettings

ENVIRONMENT_PREFIX = "WEFT_"
NOT_SETTINGS = {"WEFT_DATA", "WEFT_CONFIG", "WEFT_URL", "WEFT_TOKEN", "WEFT_PYTHON"}


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[log]`: what Weft says of itself."""

    level: str = "info"  # debug, info, warning, error
    json: bool = False  # lines for a log collector; otherwise for people


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[journal]`: how long messages are kept to be read again."""

    keep_hours: float = 7 * 24.0  # a rule can be tried on the last week
    keep_bytes: int = 10 * 1024**3  # the oldest go first, never what a projection still needs


class SecuritySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[security]`: rates, connections and brute force."""

    limits: LimitSettings = field(default_factory=LimitSettings)
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)
    throttle: ThrottleSettings = field(default_factory=ThrottleSettings)
    certificates: CertificateSettings = field(default_factory=CertificateSettings)
    server_names: tuple[str, ...] = ()  # more names and addresses for the server certificate


class TransportsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[transports]`: the ways in for devices."""

    mqtt: MqttSettings = field(default_factory=MqttSettings)
    coap: CoapSettings = field(default_factory=CoapSettings)


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    log: LogSettings = field(default_factory=LogSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    web: WebSettings = field(default_factory=WebSettings)
    transports: TransportsSettings = field(default_factory=TransportsSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    rejections: RejectionSettings = field(default_factory=RejectionSettings)
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    sparkplug: SparkplugSettings = field(default_factory=SparkplugSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    notifications: NotificationSettings = field(default_factory=NotificationSettings)
    alarms: FloodSettings = field(default_factory=FloodSettings)
    rules: RulesSettings = field(default_factory=RulesSettings)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)
    events: EventSettings = field(default_factory=EventSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    work_orders: PollerSettings = field(default_factory=PollerSettings)
    own_connectors: OwnSettings = field(default_factory=OwnSettings)
    connectors: dict[str, dict[str, Any]] = {}
    lorawan: dict[str, DownlinkSettings] = {}
    bridges: dict[str, BridgeSettings] = {}
    kafka: dict[str, KafkaSettings] = {}


def load_config(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
) -> Config:
    """Read all sources, later ones winning; raise `ConfigurationError` naming what is wrong."""
    values = _read_file(file) if file is not None else {}
    source = os.environ if environment is None else environment
    for name, text in sorted(source.items()):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_SETTINGS:
            path = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
            _assign(values, path, text, f"the variable {name}")
    for assignment in assignments:
        path_text, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigurationError(
                f"--set {assignment!r} has no '='.", remedy="Write --set api.listen=127.0.0.1:8081"
            )
        _assign(values, path_text.strip().split("."), text.strip(), f"--set {assignment!r}")
    try:
        return msgspec.convert(values, Config, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The configuration {file} cannot be read: {error}.",
            remedy="Name a readable TOML file with --config.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"The configuration {file} is not TOML: {error}.", remedy="Mend that line."
        ) from error


def _assign(values: dict[str, Any], path: Sequence[str], text: str, source: str) -> None:
    node = values
    for name in path[:-1]:
        inner = node.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(
                f"{source}: {name!r} is a value, not a table.", remedy="Name a setting below it."
            )
        node = inner
    node[path[-1]] = _value(text)


def _value(text: str) -> Any:
    """Read a value as TOML would; what is no TOML value is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explained(text: str) -> ConfigurationError:
    """Turn msgspec's complaint into the setting's path and a suggestion."""
    where = re.search(r" - at `\$\.?([^`]*)`", text)
    path = where[1] if where else ""
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if unknown is None:
        problem = text.split(" - at", maxsplit=1)[0].replace("`", "")
        return ConfigurationError(f"Setting {path}: {problem}.", remedy="Correct the value.")
    known = _names_at(path)
    close = difflib.get_close_matches(unknown[1], known, n=1)
    full = f"{path}.{unknown[1]}" if path else unknown[1]
    return ConfigurationError(
        f"There is no setting {full}.",
        remedy=f"Did you mean {close[0]!r}?" if close else f"Known here: {', '.join(known)}.",
    )


def _names_at(path: str) -> list[str]:
    kind: Any = Config
    for name in filter(None, path.split(".")):
        kind = get_type_hints(kind).get(name, Struct)
    return list(getattr(kind, "__struct_fields__", ()))
