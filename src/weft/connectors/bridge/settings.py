"""Settings of bridges: where to, as whom, and what crosses in which direction."""

from urllib.parse import urlsplit

from msgspec import Struct

from weft.connectors.bridge.topics import TopicMaps, TopicRule
from weft.connectors.certified import ClientCertificate
from weft.connectors.credentials import require_reference
from weft.errors import ConfigurationError
from weft.model.ids import require_name
from weft.security.filters import contains


class BridgeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[bridges.NAME]`: another broker, both ways."""

    url: str  # mqtts://host:8883, or mqtt://host:1883 to a machine of your own
    key: str  # id of the service key whose rights the bridge has here
    tenant: str = "main"
    client_id: str = ""  # at the far side; empty: weft-NAME
    version: int = 5  # 4 is MQTT 3.1.1, which Azure IoT Hub speaks
    username: str = ""
    password: str = ""  # a reference
    sas_key: str = ""  # a reference; Azure: the device's key, of which tokens are made
    client_certificate: ClientCertificate | None = None  # AWS: the thing's
    allow: tuple[str, ...] = ()  # CIDRs of a broker in your own network
    ca_file: str = ""  # where the broker's certificate is from a CA of your own
    out: tuple[TopicRule, ...] = ()  # native topics, to theirs
    into: tuple[TopicRule, ...] = ()  # their topics, to native ones
    keep_alive_s: int = 30
    timeout_s: float = 10.0
    window: int = 50  # messages on their way at once, in either direction


class Address(Struct, frozen=True):
    """Where a broker listens."""

    host: str
    port: int
    tls: bool


def require_sound(name: str, settings: BridgeSettings) -> Address:
    """Return a bridge's address, or raise `ConfigurationError` for what cannot work."""
    setting = f"[bridges.{name}]"
    require_name(name, "bridge name")
    references = {"password": settings.password, "sas_key": settings.sas_key}
    if settings.client_certificate is not None:
        references["client_certificate.certificate"] = settings.client_certificate.certificate
        references["client_certificate.key"] = settings.client_certificate.key
    for field, text in references.items():
        if text or field.startswith("client"):
            require_reference(text, f"{setting} {field}")
    out = TopicMaps(settings.out, f"{setting} out")
    into = TopicMaps(settings.into, f"{setting} into")
    if not out and not into:
        raise ConfigurationError(
            f"{setting}: nothing crosses.", remedy="Give rules in `out`, `into` or both."
        )
    if settings.version not in (4, 5) or not 1 <= settings.window <= 1_000:
        raise ConfigurationError(
            f"{setting}: the version is 4 or 5, the window 1 to 1000.", remedy="Correct it."
        )
    if settings.version == 4:
        _require_no_loop(setting, settings)
    return _address_of(setting, settings.url)


def _require_no_loop(setting: str, settings: BridgeSettings) -> None:
    """MQTT 3.1.1 carries no mark by which we would know our own message again."""
    for rule in settings.out:
        for other in settings.into:
            plain = rule.to.replace("{topic}", "#") if rule.to == "{topic}" else rule.to
            wide = "/".join("+" if "{" in level else level for level in plain.split("/"))
            if contains(other.filter, wide) or contains(wide, other.filter):
                raise ConfigurationError(
                    f"{setting}: what goes out to {rule.to!r} would come back by {other.filter!r}.",
                    remedy="Keep the topics of both directions apart, or use version = 5.",
                )


def _address_of(setting: str, url: str) -> Address:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or parts.path.strip("/"):
        raise ConfigurationError(
            f"{setting} url: {url!r} names no broker.", remedy="Write mqtts://host:8883."
        )
    tls = parts.scheme == "mqtts"
    return Address(parts.hostname, port or (8883 if tls else 1883), tls)
