"""A real Kafka broker (KRaft, one node): started, killed and started again on its folder."""

import asyncio
import importlib.util
import shutil
import socket
from pathlib import Path

import pytest

JARS = Path(__file__).parents[3] / ".kafka" / "jars"

needs_kafka = pytest.mark.skipif(
    not (JARS.exists() and shutil.which("java") and importlib.util.find_spec("aiokafka")),
    reason="there is no Kafka broker (scripts/kafka-env) or aiokafka is not installed",
)


class Kafka:
    """One broker that keeps everything on disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.port, controller = _free_port(), _free_port()
        self._log = folder / "broker.log"
        self._file = folder / "server.properties"
        self._file.write_text(
            "process.roles=broker,controller\nnode.id=1\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}\n"
            "controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            f"log.dirs={folder}/data\noffsets.topic.replication.factor=1\n"
            "offsets.topic.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\n"
            "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
        )
        self._process: asyncio.subprocess.Process | None = None

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def format(self) -> None:
        done = await self._java(
            "kafka.tools.StorageTool", "format", "-t", "abcdefghijklmnopqrstuv",
            "-c", str(self._file),
        )  # fmt: skip
        assert await done.wait() == 0, self._log.read_text()

    async def start(self) -> None:
        self._process = await self._java("kafka.Kafka", str(self._file))
        async with asyncio.timeout(60):
            while True:
                assert self._process.returncode is None, self._log.read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _java(self, *arguments: str) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                "java", "-Xmx384m", "-cp", f"{JARS}/*", *arguments, stdout=log, stderr=log
            )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
