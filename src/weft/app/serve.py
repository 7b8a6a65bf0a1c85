"""Serving: `weft up` from the first line printed to the last message drained."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

import uvloop
from msgspec import Struct

from weft.api.snippets import Endpoints
from weft.app.compose import MACHINE, MAIN, Weft
from weft.app.folder import DataFolder
from weft.config import Config
from weft.errors import WeftError
from weft.security.people import INVITATION_LIFE_S
from weft.supervision.memory import release_code, release_heap, seldom_collected


class Started(Struct, frozen=True):
    """What there is to tell once Weft serves."""

    endpoints: Endpoints
    data: str
    ready_s: float
    replayed: int
    sign_up_token: str  # empty once somebody has signed up
    sign_up_life_s: int = INVITATION_LIFE_S


Tell = Callable[[Started], None]
Beside = Callable[[Weft], AbstractAsyncContextManager[None]]


def serve(config: Config, folder: DataFolder, tell: Tell, beside: Beside | None = None) -> None:
    """Serve until a signal ends it. `tell` is called once; `beside` runs as long as we serve.

    Raises `ConfigurationError`, `Damaged` or `StorageError` when it cannot start.
    """
    try:
        uvloop.run(_serve(config, folder, tell, beside))
    except BaseExceptionGroup as group:
        ours, others = group.split(WeftError)
        if ours is None or others is not None:
            raise
        raise _innermost(ours) from None


def _innermost(error: BaseException) -> BaseException:
    """Return what went wrong in a task group within task groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _serve(config: Config, folder: DataFolder, tell: Tell, beside: Beside | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    ends = {signal.SIGINT, signal.SIGTERM}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
        ends.add(signal.SIGHUP)  # the terminal was closed
    for number in ends:
        loop.add_signal_handler(number, stop.set)
    started = loop.time()
    async with Weft.open(config, folder) as weft, weft.running():
        with seldom_collected():  # what holds for the process is for who runs the process
            token = await _first_invitation(weft)
            tell(
                Started(
                    endpoints=weft.endpoints,
                    data=str(folder.path),
                    ready_s=loop.time() - started,
                    replayed=weft.replayed,
                    sign_up_token=token,
                )
            )
            release_code()
            release_heap()
            async with beside(weft) if beside is not None else nullcontext():
                await stop.wait()


async def _first_invitation(weft: Weft) -> str:
    """Return a one-time token for the first administrator, until there is a user."""
    if not await weft.identity.people.is_empty():
        return ""
    return await weft.identity.people.invite_first(MACHINE, MAIN)
