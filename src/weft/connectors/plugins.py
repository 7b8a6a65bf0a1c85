"""Plug-ins: kinds of connectors that other packages bring, by entry point.

A package names `weft.connectors` among its entry points: the kind, and a class with its
settings (see docs/howto/write-a-connector.md). It is imported only when the configuration
names the kind, so an installed package that nobody uses runs no code. A kind of ours cannot
be taken by another package. What does not fit is told at start, with the package's name.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from weft.connectors.base import ConnectorSettings, Quality
from weft.errors import ConfigurationError

GROUP = "weft.connectors"
_NEEDED = (
    "deliver", "plan", "poll", "note", "test", "close",
    "kind", "actions", "fields", "more_fields", "quality", "page",
)  # fmt: skip


def installed_kinds() -> list[str]:
    """Return the kinds that installed packages bring; nothing of them is imported."""
    return sorted({one.name for one in _entries()})


def find_plugin(kind: str) -> tuple[type[ConnectorSettings], Any] | None:
    """Return the settings and the class of a kind, or None where no package brings it.

    Raise `ConfigurationError` where it cannot be imported or is no connector.
    """
    found = [one for one in _entries() if one.name == kind]
    if not found:
        return None
    if len(found) > 1:
        packages = ", ".join(sorted(_package_of(one) for one in found))
        raise ConfigurationError(
            f"Several packages bring the connector kind {kind!r}: {packages}.",
            remedy="Uninstall all but one.",
        )
    [entry] = found
    try:
        made: Any = entry.load()
    except Exception as error:  # foreign code at start: whatever it raises, Weft says which
        raise ConfigurationError(
            f"The connector kind {kind!r} of {_package_of(entry)} cannot be imported "
            f"({type(error).__name__}: {error}).",
            remedy="Update or uninstall that package.",
        ) from error
    settings = getattr(made, "settings", None)
    missing = [name for name in _NEEDED if not hasattr(made, name)]
    if missing or not (isinstance(settings, type) and issubclass(settings, ConnectorSettings)):
        lacks = ", ".join(missing) or "settings made of ConnectorSettings"
        raise ConfigurationError(
            f"The connector kind {kind!r} of {_package_of(entry)} lacks: {lacks}.",
            remedy="See docs/howto/write-a-connector.md.",
        )
    if made.kind != kind or made.quality not in Quality:
        raise ConfigurationError(
            f"The connector kind {kind!r} of {_package_of(entry)} says that it is "
            f"{made.kind!r}, {made.quality!r}.",
            remedy="Its `kind` is the entry point's name; `quality` is one of weft's.",
        )
    return settings, made


def _entries() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


def _package_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
