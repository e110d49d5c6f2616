"""Makes the streams that ``pubsub.jetstream`` needs, and removes the consumers that it leaves behind.

Needs nats-py (``pip install pillion[nats]``); import it only where JetStream is in use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from pillion.errors import ConfigurationError, SidecarError

# What nobody handled in this time is gone; without an end, disks are full one day.
KEEP_SECONDS = 7 * 24 * 3600.0
KEEP_REPLIES_SECONDS = 600.0
REPLIES = "replies.>"
# Consumers of one sidecar's life, by their names in the profile; and when one that nobody reads is left behind.
_PASSING = ("replies-", "broadcast-")
_LEFT_BEHIND = timedelta(hours=1)
# By default it tries again for two minutes.
_ONCE: dict[str, Any] = {
    "allow_reconnect": False,
    "connect_timeout": 5,
    "max_reconnect_attempts": 1,
    "reconnect_time_wait": 0,
}


async def make_streams(url: str, subjects: Collection[str]) -> None:
    """Make a stream for each of these subjects, unless there is one; those that are there are not changed.

    Args:
        url: of the server as ``pubsub.jetstream`` wants it, ``nats://user:password@host:4222``; ``tls://`` trusts what
            the system trusts.
        subjects: of the topics; ``REPLIES`` for all replies.

    Raises:
        ConfigurationError: a stream has other subjects beside one of these.
        SidecarError: the server cannot be reached, or refuses.
    """
    async with _connected(url) as jetstream:
        for subject in subjects:
            name = await _make(jetstream, subject)
            await _sweep(jetstream, name)


async def unread(url: str, subjects: Collection[str], consumer: str) -> list[str]:
    """Those of these subjects whose consumer of this name is there, but nobody reads it.

    Args:
        url: of the server, see ``make_streams``.
        subjects: each with a stream.
        consumer: its name in each of the streams.

    Raises:
        SidecarError: the server cannot be reached, or refuses.
    """
    async with _connected(url) as jetstream:
        return [subject for subject in subjects if await _is_unread(jetstream, subject, consumer)]


async def _is_unread(jetstream: JetStreamContext, subject: str, consumer: str) -> bool:
    try:
        stream = await jetstream.find_stream_name_by_subject(subject)
        return not (await jetstream.consumer_info(stream, consumer)).push_bound
    except NotFoundError:
        return False


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[JetStreamContext]:
    async def quiet(_: Exception) -> None:
        """What goes wrong is raised where it happens."""

    try:
        client = await nats.connect(url, name="pillion", error_cb=quiet, **_ONCE)
        try:
            yield client.jetstream()
        finally:
            await client.close()
    except (Error, OSError) as error:
        raise SidecarError(
            f"NATS: {error or type(error).__name__}; see that nats-server runs with JetStream (-js)"
        ) from None


async def _make(jetstream: JetStreamContext, subject: str) -> str:
    try:
        return await _find(jetstream, subject)
    except NotFoundError:
        name = subject.removesuffix(".>").replace(".", "_")
    keep = KEEP_REPLIES_SECONDS if subject == REPLIES else KEEP_SECONDS
    try:
        await jetstream.add_stream(StreamConfig(name, subjects=[subject], max_age=keep))
    except BadRequestError:  # somebody else was faster, with another version of this
        return await _find(jetstream, subject)
    return name


async def _find(jetstream: JetStreamContext, subject: str) -> str:
    name = await jetstream.find_stream_name_by_subject(subject)
    subjects = (await jetstream.stream_info(name)).config.subjects
    if subjects != [subject]:
        raise ConfigurationError(
            f"the JetStream stream {name} has the subjects {', '.join(subjects or ())}; give {subject} a stream of its "
            "own: an app has one consumer for each stream, and would get only one of its topics"
        )
    return name


async def _sweep(jetstream: JetStreamContext, stream: str) -> None:
    for consumer in await jetstream.consumers_info(stream):
        if is_left_behind(consumer):
            await jetstream.delete_consumer(stream, consumer.name)


def is_left_behind(consumer: ConsumerInfo) -> bool:
    """Whether a consumer was for one sidecar, which is gone."""
    created = consumer.created or datetime.now(UTC)
    passing = consumer.name.startswith(_PASSING) and not consumer.push_bound
    return passing and datetime.now(UTC) - created > _LEFT_BEHIND
