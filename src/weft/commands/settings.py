"""Settings of commands: how long they may wait, and how many of them."""

from typing import Annotated

from msgspec import Meta, Struct


class CommandSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[commands]`: requests to devices."""

    ttl_s: int = 300  # where none is named: what nobody waits for any more is not carried out
    ttl_max_s: int = 7 * 24 * 3600  # a device that wakes once a week still gets it
    # To a device that asks again and has not answered: longer than most commands take, and ten
    # times in `ttl_s`. A poll that finds nothing due waits, so it never spins.
    hand_out_again_s: Annotated[int, Meta(ge=1)] = 30
    open_per_device: int = 100  # a device that is away does not gather a flood for its return
    input_max_bytes: int = 64 * 1024  # fits the packet of a small device's library
    wait_max_s: int = 50  # below the time-outs of proxies and of our own command line
    waiting_max: int = 1_000  # callers that wait for an outcome at the same time
    keep_days: int = 30  # ended commands, to be looked at
    bulk_devices_max: int = 10_000  # of one bulk
