"""Settings of Kafka: which cluster, as whom, and what crosses in which direction."""

from msgspec import Struct

from weft.connectors.bridge.topics import TopicMaps, TopicRule
from weft.connectors.credentials import require_reference
from weft.errors import ConfigurationError
from weft.model.ids import require_name


class KafkaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[kafka.NAME]`: a cluster, both ways. Its brokers are the operator's to name."""

    servers: tuple[str, ...]  # host:port, some of the cluster
    key: str  # id of the service key whose rights it has here
    tenant: str = "main"
    tls: bool = True
    ca_file: str = ""
    username: str = ""  # SASL
    password: str = ""  # a reference
    mechanism: str = "SCRAM-SHA-512"  # or SCRAM-SHA-256, PLAIN
    out: tuple[TopicRule, ...] = ()  # native topics, to theirs; keyed by the device
    into: tuple[str, ...] = ()  # their topics with messages of business systems
    group: str = ""  # of the consumer; empty: weft-NAME
    timeout_s: float = 30.0


def require_sound(name: str, settings: KafkaSettings) -> TopicMaps:
    """Return what goes out, or raise `ConfigurationError` for what cannot work."""
    setting = f"[kafka.{name}]"
    require_name(name, "name of a Kafka cluster")
    if settings.password:
        require_reference(settings.password, f"{setting} password")
    out = TopicMaps(settings.out, f"{setting} out")
    if not settings.servers or not (out or settings.into):
        raise ConfigurationError(
            f"{setting}: nothing crosses.", remedy="Give servers, and rules in `out` or `into`."
        )
    if settings.mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        raise ConfigurationError(
            f"{setting} mechanism: {settings.mechanism!r} is unknown.",
            remedy="Write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.",
        )
    return out
