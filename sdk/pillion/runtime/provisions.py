"""What one service gets at start: its settings, resources, stores and loggers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any

from pillion.configuration import Configuration
from pillion.errors import ConfigurationError, DeclarationError
from pillion.message import Message
from pillion.pipeline.facilities import Ids
from pillion.ports.clock import Clock
from pillion.ports.store import StateStore
from pillion.resilience.inbox import Inbox
from pillion.resilience.letters import Letters
from pillion.resilience.newcomers import Newcomers
from pillion.resilience.shelf import Shelf
from pillion.runtime.ownership import key_scope
from pillion.runtime.stores import OpenStores
from pillion.secrets import Secrets
from pillion.service.catalog import handlers
from pillion.service.service import Service
from pillion.service.setup import Setup
from pillion.state import State
from pillion.telemetry.logs import message_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


# How long a handler without a time-out may have a parked message before another instance takes it. Seconds.
_UNLIMITED = 600.0
_GRACE = 30.0


class ServiceProvisions:
    """Everything the runtime opened for one service; implements ``pillion.pipeline.scope.Provisions``."""

    def __init__(
        self,
        service: Service[Any, Any],
        settings: Any,
        app: str,
        clock: Clock,
        owner: str,
        alone: Callable[[], bool],
        ids: Ids,
    ) -> None:
        self.service = service
        self._scope = key_scope(service)
        self._alone = alone
        self._ids = ids
        self._app = app
        self._clock = clock
        self._owner = owner
        self.settings = settings
        self.resources: Any = None
        self.store: StateStore | None = None
        self.shelf: Shelf | None = None
        self.letters: Letters | None = None
        self._inboxes: dict[tuple[float, float], Inbox] = {}
        self._secrets: Secrets | None = None
        self._configuration: Configuration | None = None

    async def open(self, stores: OpenStores, stack: AsyncExitStack) -> None:
        """Get the service's stores and enter its ``resources`` lifespan; the stack leaves it."""
        self.store = await stores.state(self.service.state_component)
        self._check_once()
        if self.store is not None and self.store.capabilities.etags:
            lease = self._longest() + _GRACE
            self.shelf = Shelf(
                self.store, self.service.group, self._clock, lease=lease, owner=self._owner, alone=self._alone
            )
            self.letters = Letters(self.store, self.service.group, self._clock)
            stack.push_async_callback(self._close_inboxes)
        name = self.service.name
        secrets, configuration = await stores.secrets(name), await stores.configuration(name)
        self._secrets = None if secrets is None else Secrets(secrets)
        self._configuration = None if configuration is None else Configuration(configuration)
        if self.service.resources is not None:
            setup = Setup(self.settings, self.secrets, self._state_of)
            lifespan = self.service.resources(setup)
            if not isinstance(lifespan, AbstractAsyncContextManager):
                wrong = f"{self.service.group}: resources= made {lifespan!r}"
                raise DeclarationError(f"{wrong}; decorate its function with @asynccontextmanager")
            self.resources = await stack.enter_async_context(lifespan)

    def lost_letters(self) -> str:
        """A sentence when the service has no place for the letters of its subscriptions, else nothing."""
        if self.letters is not None or not any(found.dead_letter for found in self.service.subscriptions.values()):
            return ""
        return (
            f"dead letters of {self.service.group} are logged and lost: the profile has no state component "
            f'"{self.service.state_component}" to keep them in; add one'
        )

    def inbox(self, window: float, lease: float) -> Inbox:
        """The messages that were handled, remembered for ``window`` seconds; claims last ``lease`` seconds."""
        found = self._inboxes.get((window, lease))
        if found is None:
            store = self._opened()
            newcomers = Newcomers(self._ids.number)
            found = Inbox(store, self._clock, window, lease, self._owner, self._alone, newcomers)
            self._inboxes[window, lease] = found
        return found

    def _opened(self) -> StateStore:
        if self.store is None:
            raise ConfigurationError(
                f'{self.service.group}: the profile has no state component "{self.service.state_component}"; '
                "add a component of that name, or give the service state=..."
            )
        return self.store

    def _state_of(self, tenant: str | None = None) -> State:
        return State(self._opened(), scope=self._scope, tenant=tenant)

    def state(self, message: Message, held: StateStore | None = None) -> State:
        """The service's state, or what goes through ``held`` to it; its ``tenant()`` is the message's."""
        store = self._opened() if held is None else held
        return State(store, scope=self._scope, tenant=message.tenant_id)

    def secrets(self) -> Secrets:
        """The secret store."""
        if self._secrets is None:
            raise ConfigurationError(
                f'{self.service.group}: the profile has no secret store named "secrets" that it may use; add one, or '
                "its name to the scopes"
            )
        return self._secrets

    def config(self) -> Configuration:
        """The configuration store."""
        if self._configuration is None:
            raise ConfigurationError(
                f'{self.service.group}: the profile has no configuration store named "configuration" that it may use; '
                "add one, or its name to the scopes"
            )
        return self._configuration

    def _check_once(self) -> None:
        """Refuse a store that cannot do what handlers with ``once=`` need."""
        if any(handler.once is not None for handler in handlers(self.service)):
            Inbox.check(self._opened().capabilities, self.service.state_component)

    def _longest(self) -> float:
        return max((handler.timeout or _UNLIMITED for handler in handlers(self.service)), default=0.0)

    async def _close_inboxes(self) -> None:
        for inbox in self._inboxes.values():
            await inbox.close()

    def log(self, message: Message, address: str) -> FilteringBoundLogger:
        """A logger that knows app, service, handler and correlation."""
        return message_logger(message, address, self._app)
