"""The Sparkplug host's state, said in every tenant: at start, at the end, and to those made since.

An edge node waits for the retained STATE of its host before it sends, so a tenant that is
made while Weft runs is told as soon as it is there. What a disk did not take is said again.
"""

import asyncio

from weft.errors import StorageError
from weft.ingest.dialects.sparkplug_answers import SparkplugAnswers
from weft.model.ids import TenantId
from weft.observability.log import get_logger
from weft.registry.tenants import Tenant, Tenants
from weft.supervision import keep_running

log = get_logger(__name__)


class HostState:
    """Says in which tenants the host is there."""

    def __init__(self, host: SparkplugAnswers, tenants: Tenants) -> None:
        self._host = host
        self._tenants = tenants
        self._told: set[TenantId] = set()
        self._news = asyncio.Event()
        self._is_leaving = False
        tenants.on_change(self._changed)

    def _changed(self, tenant: Tenant) -> None:
        if tenant.id not in self._told:
            self._news.set()

    async def run(self) -> None:
        """Tell tenants as they come, until cancelled."""

        def failed(error: Exception, wait_s: float) -> None:
            log.error("host_state_not_told", error=str(error), retry_in_s=round(wait_s, 1))

        await keep_running(self._follow, expected=(StorageError,), failed=failed)

    async def _follow(self) -> None:
        while True:
            self._news.clear()
            await self.tell_new()
            await self._news.wait()

    async def tell_new(self) -> None:
        """Say in every tenant that was not told yet that the host is there.

        Raises `StorageError` where the disk does not take it.
        """
        for tenant in self._tenants.list():
            if tenant.id not in self._told and not self._is_leaving:
                await self._host.tell_state([tenant.id], online=True)
                self._told.add(tenant.id)

    async def say_goodbye(self) -> None:
        """Say in every tenant that the host goes; a disk that fails now keeps nobody running."""
        self._is_leaving = True  # nobody is told afterwards that it is there
        told = [tenant.id for tenant in self._tenants.list()]
        try:
            await self._host.tell_state(told, online=False)
        except StorageError as error:
            log.error("host_state_not_told", error=error.detail, remedy=error.remedy)
