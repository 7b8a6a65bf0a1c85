"""Places: where the settings of a tenant's own connector lead, and what of that is shown.

A secret goes only where it was given for: each address is compared with the one that the same
setting held before. Work orders belong to one system: what names it is compared as well. Of
an address nobody is shown more than where it is; what stands behind its path may be a secret.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from weft.connectors.base import ConnectorSettings
from weft.connectors.described import Setting, settings_of, table_of
from weft.errors import Invalid

Origin = tuple[str, str]  # scheme and host, in small letters


def shown(url: str) -> str:
    """Return scheme, host and path of an address: no user, query or fragment."""
    scheme, host, path = _split(url)
    return f"{scheme}://{host}{path}" if scheme and host else f"{scheme}:" if scheme else ""


def addresses_of(
    settings: Sequence[Setting], given: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield the addresses in these settings with their names: where secrets may be sent to.

    Kinds of other packages name them as they like, so whatever looks like one is one.
    """
    for one in settings:
        last = one.name.rpartition(".")[2]
        value = table_of(one.name, given).get(last)
        if isinstance(value, str):
            if last == "url" or last.endswith("_url") or "://" in value:
                yield one.name, value
        elif isinstance(value, list | tuple):
            for place, item in enumerate(value):
                if isinstance(item, str) and "://" in item:
                    yield f"{one.name}[{place}]", item


def origins_of(settings: Sequence[Setting], given: Mapping[str, Any]) -> dict[str, Origin]:
    """Return scheme and host of each of these addresses, by the setting's name."""
    return {name: _split(url)[:2] for name, url in addresses_of(settings, given)}


def moved_secrets(
    settings: Sequence[Setting], before: Mapping[str, Any], now: Mapping[str, Any]
) -> list[str]:
    """Return the addresses behind which another host stands than before, or stood none."""
    held = origins_of(settings, before)
    return [name for name, one in origins_of(settings, now).items() if held.get(name) != one]


def system_of(kind: type[ConnectorSettings], given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what names the system in which work orders of these settings stand."""
    held = {one.name: given.get(one.name, one.default) for one in settings_of(kind)}
    url = shown(str(held["url"])).rstrip("/")
    return (url, *(f"{name}={held.get(name) or ''}" for name in kind.place))


def require_plain(settings: Sequence[Setting], given: Mapping[str, Any]) -> None:
    """Raise `Invalid` for an address that holds what should be a secret."""
    for name, url in addresses_of(settings, given):
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Invalid(f"{name!r} is no address.", remedy="Give https://host/path.") from error
        if "@" in parts.netloc:
            raise Invalid(
                "An address holds a user name or password.",
                remedy="Give the address alone, and the password among the secrets.",
            )
        if name == "url" and ("?" in url or "#" in url):
            raise Invalid(
                "'url' holds a query, and everybody who sees connectors sees it.",
                remedy="Give scheme, host and path alone. What proves who you are belongs among "
                "the secrets; what is asked for belongs into the query of a request, where the "
                "kind has one.",
            )


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, host with its port, and path; nothing of what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", "", ""
    host = parts.netloc.rpartition("@")[2].lower()
    return parts.scheme.lower(), host, parts.path
