"""The harness: services on the memory bridge, and what a test does with them and sees of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel

from pillion.errors import Failure
from pillion.message import Message
from pillion.pipeline.outbound import Cause
from pillion.ports.clock import Clock
from pillion.ports.store import StateStore
from pillion.resilience.deadletter import opened
from pillion.runtime.host import Host
from pillion.runtime.ownership import key_scope
from pillion.runtime.settings import HostSettings
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.guard import Check, Guard
from pillion.service.service import Service
from pillion.state import State
from pillion.testing.doubles import Double, Unanswered, stand_ins
from pillion.testing.parts import Parts
from pillion.testing.quiet import until_quiet
from pillion.testing.replacements import configs, guards

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output
P = TypeVar("P")

HostFactory: TypeAlias = Callable[..., AbstractAsyncContextManager["Harness"]]


class Harness:
    """Services that run for one test. Made by the ``pillion_host`` fixture, or by ``hosted``.

    Attributes:
        host: the running host.
    """

    def __init__(self, host: Host, parts: Parts) -> None:
        self.host = host
        self._parts = parts

    async def call(
        self,
        command: Command[I, O],
        payload: I,
        *,
        tenant: str | None = None,
        principal: str | None = None,
        correlation: str | None = None,
        timeout: float | None = None,
        key: str | None = None,
        idempotency_key: str | None = None,
    ) -> O:
        """Call a command as an outside caller, and wait for its answer.

        Raises:
            Failure: as for ``Context.call``.
            MissingDoubleError: a handler called what nothing in this test answers.
        """
        cause = Cause(correlation_id=correlation, tenant_id=tenant, principal_id=principal)
        try:
            return await self.host.call(
                command, payload, timeout=timeout, key=key, idempotency_key=idempotency_key, cause=cause
            )
        except Failure as failure:
            self._parts.blame(failure)
            raise

    async def send(
        self,
        command: Command[I, Any],
        payload: I,
        *,
        tenant: str | None = None,
        principal: str | None = None,
        correlation: str | None = None,
        key: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """Send a command without waiting for an answer."""
        cause = Cause(correlation_id=correlation, tenant_id=tenant, principal_id=principal)
        await self.host.send(command, payload, key=key, idempotency_key=idempotency_key, cause=cause)

    async def emit(
        self,
        event: Event[P],
        payload: P,
        *,
        tenant: str | None = None,
        principal: str | None = None,
        correlation: str | None = None,
        key: str | None = None,
    ) -> None:
        """Publish an event, as the service that declares it would."""
        cause = Cause(correlation_id=correlation, tenant_id=tenant, principal_id=principal)
        await self.host.emit(event, payload, key=key, cause=cause)

    async def until_quiet(self, *, limit: float = 10.0) -> None:
        """Wait until no message is queued, being handled, or parked and due.

        With a ``FakeClock``, waits between retries are skipped, and those of parked messages.

        Raises:
            TimeoutError: it takes longer than ``limit`` seconds.
            MissingDoubleError: a handler called what nothing in this test answers.
        """
        await until_quiet(self._parts.broker, self._parts.clock, limit, self.host.keepers)
        self._parts.blame(None)

    @property
    def messages(self) -> Sequence[Message]:
        """Every message since the start, in order: commands, replies, events, dead letters.

        Raises:
            RuntimeError: nothing was captured, because the host was not asked to.
        """
        return [message for _, message in self._parts.captured()]

    @property
    def letters(self) -> Sequence[Message]:
        """The dead letters among ``messages``: each as the message that was set aside, with its own id.

        ``subscriber`` is the handler that failed, ``failure_code`` and ``failure_title`` say why, ``attempt`` how often
        it was tried.
        """
        return [opened(message) for topic, message in self._parts.captured() if topic.endswith(".deadletters")]

    def emitted(self, event: Event[P]) -> list[P]:
        """The payloads of all events of this kind, in order; needs ``capture=True``."""
        found = [message for topic, message in self._parts.captured() if topic == event.topic]
        wanted = (
            (None, *(message.type for message in found)) if event.cloudevent_type is None else (event.cloudevent_type,)
        )
        return [event.payload.decode(message) for message in found if message.type in wanted]

    def state(self, service: Service[Any, Any], *, tenant: str | None = None) -> State:
        """The state of a service, or of one of its tenants."""
        state = State(self._parts.state(service.state_component), scope=key_scope(service))
        return state if tenant is None else state.tenant(tenant)


@asynccontextmanager
async def hosted(
    *services: Service[Any, Any],
    doubles: Iterable[Double[Any, Any]] = (),
    replace_guards: Mapping[str, Guard | Check] | None = None,
    config: Mapping[str, BaseModel | Mapping[str, Any]] | None = None,
    secrets: Mapping[str, str] | None = None,
    configuration: Mapping[str, str] | None = None,
    stores: Mapping[str, StateStore] | None = None,
    clock: Clock | None = None,
    capture: bool = False,
    drain_seconds: float = 5.0,
) -> AsyncIterator[Harness]:
    """Run services on a memory bridge and memory stores of their own, for as long as the ``async with`` lasts.

    Args:
        services: what to run.
        doubles: answers for commands of services that do not run here, see ``double``.
        replace_guards: other checks in place of guards, by the guard's name; ``lambda context, payload: True`` lets all
            pass.
        config: settings of services by name (``payments``) or name and version (``payments.v1``), as their model or as
            a mapping; the others get their defaults.
        secrets: the secret store's content.
        configuration: the configuration store's content.
        stores: state stores by component name, such as ``orders-state``, for example those of an earlier host: what it
            parked is then handled here. The others begin empty.
        clock: tells the time; give a ``FakeClock`` to skip the waits between retries.
        capture: keep all messages for ``messages``, ``emitted`` and ``letters``. Default False.
        drain_seconds: how long to finish what is in hand at the end. Default 5.

    Raises:
        DeclarationError: the declarations do not fit together, or a name is unknown.
        MissingDoubleError: at the end, when a handler called what nothing answers, and no one saw it.
    """
    doubles = tuple(doubles)
    parts = Parts(clock, Unanswered(services, doubles), capture=capture, states=stores or {})
    host = Host(
        *services,
        *stand_ins(services, doubles),
        bridge=parts.bridge,
        stores=parts.stores(secrets or {}, configuration),
        settings=HostSettings(app=services[0].name if services else "", drain_seconds=drain_seconds),
        configs=configs(services, config or {}),
        guards=guards(services, replace_guards or {}),
        clock=clock,
    )
    async with host:
        yield Harness(host, parts)
    parts.blame(None)
