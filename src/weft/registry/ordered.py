"""Ordered names: each tenant's names in order, for pages that begin anywhere in memory.

Asking for a page is a search and a slice, so a filter over all devices of a tenant reads
no disk and sorts nothing.
"""

from bisect import bisect_left, bisect_right

from weft.model.ids import TenantId


class OrderedNames:
    """Names of all tenants, each in the order of its characters."""

    def __init__(self) -> None:
        self._names: dict[TenantId, list[str]] = {}

    def add(self, tenant: TenantId, name: str) -> None:
        """Take a name in; again changes nothing."""
        names = self._names.setdefault(tenant, [])
        if not names or name > names[-1]:  # loading goes in order
            names.append(name)
            return
        place = bisect_left(names, name)
        if names[place] != name:
            names.insert(place, name)

    def drop(self, tenant: TenantId, name: str) -> None:
        """Let a name go; one that is not there is no fault."""
        names = self._names.get(tenant, [])
        place = bisect_left(names, name)
        if place < len(names) and names[place] == name:
            del names[place]

    def behind(self, tenant: TenantId, after: str, limit: int) -> list[str]:
        """Return the names behind one, at most so many."""
        names = self._names.get(tenant, [])
        begin = bisect_right(names, after) if after else 0
        return names[begin : begin + limit]
