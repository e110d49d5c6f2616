"""The brokers under test: each one an entry in ``BROKERS``, with what only it can do."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import nats

from tests import servers
from tests.mosquitto import mosquitto
from tests.nats import nats as nats_server
from tests.servers import Server, find_program

# Messages that a group has not read or not acknowledged, over all streams.
_REDIS_WAITING = """
local waiting = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'stream' then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local found = {}
      for index = 1, #group, 2 do found[group[index]] = group[index + 1] end
      if ARGV[1]:find('|' .. found['name'] .. '|', 1, true) then
        waiting = waiting + found['pending'] + (found['lag'] or 0)
      end
    end
  end
end
return waiting
"""


@dataclass
class Broker:
    """A running broker.

    Attributes:
        name: of its profile.
        server: its process.
        quiet: seconds without any effect after which nothing more is redelivered.
        waiting: how many messages it still holds for these groups; None when it cannot be asked.
        fill: makes it refuse or hold up publishes, as when it is full; None when that cannot be made here.
        empty: ends that.
    """

    name: str
    server: Server
    quiet: float
    waiting: Callable[[tuple[str, ...]], int] | None = None
    fill: Callable[[], None] | None = None
    empty: Callable[[], None] | None = None

    async def restart(self, away: float) -> None:
        """SIGKILL, and the same again with the same data after ``away`` seconds."""
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(away)
        await asyncio.to_thread(self.server.start)


# Starts one: with a folder of its own, what stops it, and the port that clients are to be told of when a proxy is in
# front of it.
Start: TypeAlias = Callable[[Path, ExitStack, int | None], Broker]


def _redis(folder: Path, stack: ExitStack, _: int | None) -> Broker:
    server = stack.enter_context(servers.redis(folder))

    def ask(*command: str) -> str:
        argv = [find_program("redis-cli"), "-p", str(server.port), *command]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def waiting(groups: tuple[str, ...]) -> int:
        return int(ask("EVAL", _REDIS_WAITING, "0", f"|{'|'.join(groups)}|"))

    return Broker(
        "redis", server, 18.0, waiting,
        fill=lambda: _nothing(ask("CONFIG", "SET", "maxmemory", "1")),
        empty=lambda: _nothing(ask("CONFIG", "SET", "maxmemory", "0")),
    )  # fmt: skip


def _rabbitmq(folder: Path, stack: ExitStack, _: int | None) -> Broker:
    mapper = stack.enter_context(servers.epmd(folder))
    server = stack.enter_context(servers.rabbitmq(folder, mapper))

    def control(*command: str) -> str:
        program = find_program("/usr/lib/rabbitmq/bin/rabbitmqctl", "rabbitmqctl")
        node = f"pillion{server.port}@localhost"
        environment = {**os.environ, "HOME": str(folder)}
        environment |= {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(mapper.port)}
        argv = [program, "--quiet", "--node", node, *command]
        return subprocess.run(argv, env=environment, check=True, capture_output=True, text=True).stdout

    def waiting(groups: tuple[str, ...]) -> int:
        queues = [
            line.split() for line in control("list_queues", "name", "messages", "--no-table-headers").splitlines()
        ]
        beginnings = tuple(f"{group}-" for group in groups)
        return sum(int(messages) for name, messages in queues if name.startswith(beginnings))

    alarm = "{resource_limit, memory, node()}"
    return Broker(
        "rabbitmq", server, 4.0, waiting,
        fill=lambda: _nothing(control("eval", f"rabbit_alarm:set_alarm({{{alarm}, []}}).")),
        empty=lambda: _nothing(control("eval", f"rabbit_alarm:clear_alarm({alarm}).")),
    )  # fmt: skip


def _kafka(folder: Path, stack: ExitStack, front: int | None) -> Broker:
    server = stack.enter_context(servers.kafka(folder, front))

    def configure(*change: str) -> None:
        argv = [find_program("java"), "-cp", servers.find_kafka(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        argv += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
        argv += ["kafka.admin.ConfigCommand", "--bootstrap-server", server.address]
        argv += ["--entity-type", "brokers", "--entity-default", "--alter", *change]
        subprocess.run(argv, check=True, capture_output=True)

    # A killed sidecar's messages come again when its session has timed out.
    return Broker(
        "kafka", server, 15.0,
        # Everything is too large: publishes are refused, and groups keep their old offsets.
        fill=lambda: configure("--add-config", "message.max.bytes=1"),
        empty=lambda: configure("--delete-config", "message.max.bytes"),
    )  # fmt: skip


def _nats(folder: Path, stack: ExitStack, _: int | None) -> Broker:
    server = stack.enter_context(nats_server(folder))
    url = f"nats://{server.address}"

    def waiting(groups: tuple[str, ...]) -> int:
        return asyncio.run(_nats_waiting(url, _with_slow(groups)))

    return Broker(
        # What a killed sidecar had in hand comes again after 30 s.
        "nats", server, 33.0, waiting,
        fill=lambda: asyncio.run(_nats_limit(url, 1)),
        empty=lambda: asyncio.run(_nats_limit(url, -1)),
    )  # fmt: skip


async def _nats_waiting(url: str, consumers: Collection[str]) -> int:
    async with await nats.connect(url) as client:
        jetstream = client.jetstream()
        names = [str(stream.config.name) for stream in await jetstream.streams_info()]
        found = [consumer for name in names for consumer in await jetstream.consumers_info(name)]
    return sum((one.num_pending or 0) + (one.num_ack_pending or 0) for one in found if one.name in consumers)


async def _nats_limit(url: str, size: int) -> None:
    """Set how many bytes a message may have, so that all are refused; -1 for any number."""
    async with await nats.connect(url) as client:
        jetstream = client.jetstream()
        for stream in await jetstream.streams_info():
            await jetstream.update_stream(stream.config, max_msg_size=size)


def _mqtt(folder: Path, stack: ExitStack, _: int | None) -> Broker:
    server = stack.enter_context(mosquitto(folder))

    def waiting(groups: tuple[str, ...]) -> int:
        clients = _with_slow(groups)
        return sum(client in clients for client in _queued((folder / "mosquitto.db").read_bytes()))

    return Broker("mqtt", server, 5.0, waiting)


def _queued(database: bytes) -> Iterator[str]:
    """The client of each message that waits for one, by Mosquitto's file, which it writes after every change.

    Source: the structs of https://github.com/eclipse-mosquitto/mosquitto/blob/v2.0.11/src/persist.h
    """
    chunk, message, client_message = struct.Struct("!II"), struct.Struct("!QHH4B"), 3
    at = 23  # after the magic bytes, a checksum and the version
    while at < len(database):
        kind, length = chunk.unpack_from(database, at)
        at += chunk.size
        if kind == client_message:
            name = at + message.size
            yield database[name : name + message.unpack_from(database, at)[2]].decode()
        at += length


_ONE = "one replica per app: MQTT gives a client id to one client, and two throw each other out"
BROKERS: Mapping[str, Start] = {
    "redis": _redis, "rabbitmq": _rabbitmq, "kafka": _kafka, "nats": _nats, "mqtt": _mqtt,
}  # fmt: skip
# Why a fault cannot be made with a broker, by broker and fault.
LACKS: Mapping[str, Mapping[str, str]] = {
    "mqtt": {"rolling": _ONE, "versions": _ONE, "full": "Mosquitto has no limit at which it refuses publishes"},
}
_FIRST = "the broker throws away what nobody listens to; start a consumer once before what it is to hear is published"
# Faults under which a broker itself loses messages, and why. They are run, and not in the total.
BEYOND: Mapping[str, Mapping[str, str]] = {"rabbitmq": {"new": _FIRST}, "mqtt": {"new": _FIRST}}
# How many orders it takes for a fault to be felt, by broker and fault: with fewer, all is published before it strikes.
LEAST: Mapping[str, Mapping[str, int]] = {"kafka": {"full": 400}}


def _with_slow(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Each group, and that of its slow subscriptions."""
    return (*groups, *(f"{group}-slow" for group in groups))


def _nothing(_: object) -> None:
    return None
