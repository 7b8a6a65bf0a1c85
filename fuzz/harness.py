"""What every fuzz target shares: mutators, the loop, and what to do with a find.

A target is a function of bytes that returns how many bytes it still holds after
eating them, and raises only what is the peer's fault. Anything else is a find: the input
is written as hex, and the run ends with 1.
"""

import argparse
import gc
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from weft.errors import PeerError

Target = Callable[[bytes], int]
Mutator = Callable[[random.Random, bytearray, Sequence[bytes]], None]

_LONGEST = 4096  # an input grows no further: most faults are near the head of a packet
_INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFF, 0xC0, 0xED, 0x23, 0x2B, 0x2F, 0x24)


def flip_bit(rng: random.Random, data: bytearray, _corpus: Sequence[bytes]) -> None:
    """One bit is wrong."""
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def set_byte(rng: random.Random, data: bytearray, _corpus: Sequence[bytes]) -> None:
    """One byte is another, often one that means something."""
    value = rng.choice(_INTERESTING) if rng.random() < 0.7 else rng.randrange(256)
    data[rng.randrange(len(data))] = value


def truncate(rng: random.Random, data: bytearray, _corpus: Sequence[bytes]) -> None:
    """The rest never came."""
    del data[rng.randrange(1, len(data) + 1) :]


def remove(rng: random.Random, data: bytearray, _corpus: Sequence[bytes]) -> None:
    """A piece is missing."""
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 8)]
    if not data:
        data.append(rng.randrange(256))


def repeat(rng: random.Random, data: bytearray, _corpus: Sequence[bytes]) -> None:
    """A piece stands several times."""
    at = rng.randrange(len(data))
    piece = bytes(data[at : at + rng.randrange(1, 32)])
    data[at:at] = piece * rng.randrange(1, 4)


def splice(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    """The head of one input, the tail of another."""
    other = rng.choice(corpus)
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :] or b"\x00"


def follow(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    """Another input right behind this one."""
    data += rng.choice(corpus)


def lie_short(rng: random.Random, data: bytearray, _corpus: Sequence[bytes]) -> None:
    """A one byte length is a little wrong, near the head where lengths are."""
    at = min(1 + rng.randrange(16), len(data) - 1)
    data[at] = (data[at] + rng.choice((-2, -1, 1, 2, 64))) & 0xFF


def lie_long(rng: random.Random, data: bytearray, _corpus: Sequence[bytes]) -> None:
    """A length claims far more than there is, or more bytes of length than allowed."""
    at = min(1, len(data) - 1)
    data[at : at + 1] = rng.choice(
        (b"\xff\x7f", b"\xff\xff\x7f", b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x01")
    )


MUTATORS: tuple[Mutator, ...] = (
    flip_bit,
    set_byte,
    truncate,
    remove,
    repeat,
    splice,
    follow,
    lie_short,
    lie_long,
)


def mutate(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A seed with one to four wounds."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        rng.choice(MUTATORS)(rng, data, corpus)
    return bytes(data[:_LONGEST])


class Find(Exception):
    """An input that the target did not take as it promised."""


def run(
    target: Target,
    corpus: Sequence[bytes],
    *,
    inputs: int,
    seed: int,
    held_bytes: int,
) -> dict[str, float]:
    """Feed mutated inputs; raise `Find` on the first foreign exception or broken bound."""
    rng = random.Random(seed)
    started = time.perf_counter()
    refused = 0
    for number in range(inputs):
        data = mutate(rng, corpus)
        try:
            held = target(data)
        except PeerError:
            refused += 1
            continue
        except Exception as error:
            raise Find(f"input {number}: {type(error).__name__}: {data.hex()}") from error
        if held > held_bytes:
            raise Find(f"input {number}: {held} bytes held, {held_bytes} allowed: {data.hex()}")
        if number % 500_000 == 499_999:
            rate = (number + 1) / (time.perf_counter() - started)
            print(f"{number + 1:>12,} inputs  {rate:,.0f}/s  {memory_mb():.0f} MB", flush=True)
    seconds = time.perf_counter() - started
    return {"inputs": inputs, "refused": refused, "per_s": inputs / seconds, "seconds": seconds}


def memory_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(name: str, target: Target, corpus: Sequence[bytes], *, held_bytes: int) -> int:
    """The command line of a target."""
    parser = argparse.ArgumentParser(prog=f"fuzz_{name}")
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grow-mb", type=float, default=64.0, help="memory growth allowed")
    parser.add_argument("--replay", type=Path, help="a file with one input as hex")
    parser.add_argument("--finds", type=Path, default=Path(), help="folder for finds")
    options = parser.parse_args()
    if options.replay:
        print("holds", target(bytes.fromhex(options.replay.read_text().strip())), "bytes")
        return 0
    for one in corpus:  # warm up: memory is measured from here
        try:
            target(one)
        except PeerError:
            continue
    gc.collect()
    before_mb = memory_mb()
    try:
        result = run(
            target, corpus, inputs=options.inputs, seed=options.seed, held_bytes=held_bytes
        )
    except Find as find:
        traceback.print_exception(find)
        path = options.finds / f"{name}-{options.seed}.hex"
        path.write_text(str(find).rsplit(" ", 1)[-1] + "\n")
        print(f"written to {path}; run again with --replay {path}", file=sys.stderr)
        return 1
    grown_mb = memory_mb() - before_mb
    print(
        f"{name}: {result['inputs']:,.0f} inputs in {result['seconds']:.0f} s, "
        f"{result['per_s']:,.0f}/s, {result['refused']:,.0f} refused, "
        f"memory grew by {grown_mb:.1f} MB"
    )
    if grown_mb > options.grow_mb:
        print(f"memory grew by more than {options.grow_mb} MB", file=sys.stderr)
        return 1
    return 0
