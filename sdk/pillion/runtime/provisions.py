"""What one service gets at start: its settings, resources, stores and loggers."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from pillion.configuration import Configuration
from pillion.errors import ConfigurationError
from pillion.message import Message
from pillion.ports.store import StateStore
from pillion.runtime.stores import OpenStores
from pillion.secrets import Secrets
from pillion.service.service import Service, Setup
from pillion.state import State
from pillion.telemetry.logs import message_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class ServiceProvisions:
    """Everything the runtime opened for one service; implements ``pillion.pipeline.scope.Provisions``."""

    def __init__(self, service: Service[Any, Any], settings: Any, app: str) -> None:
        self.service = service
        self._app = app
        self.settings = settings
        self.resources: Any = None
        self._state: StateStore | None = None
        self._secrets: Secrets | None = None
        self._configuration: Configuration | None = None

    async def open(self, stores: OpenStores, stack: AsyncExitStack) -> None:
        """Get the service's stores and enter its ``resources`` lifespan; the stack leaves it."""
        self._state = await stores.state(self.service.state_component)
        secrets, configuration = await stores.secrets(), await stores.configuration()
        self._secrets = None if secrets is None else Secrets(secrets)
        self._configuration = None if configuration is None else Configuration(configuration)
        if self.service.resources is not None:
            setup = Setup(self.settings, self.secrets, self._state_of)
            self.resources = await stack.enter_async_context(self.service.resources(setup))

    def _state_of(self, tenant: str | None = None) -> State:
        if self._state is None:
            raise ConfigurationError(
                f'{self.service.group}: the profile has no state component "{self.service.state_component}"; '
                "add a component of that name, or give the service state=..."
            )
        return State(self._state, tenant=tenant)

    def state(self, message: Message) -> State:
        """The service's state; its ``tenant()`` is the message's."""
        return self._state_of(message.tenant_id)

    def secrets(self) -> Secrets:
        """The secret store."""
        if self._secrets is None:
            raise ConfigurationError(f'{self.service.group}: the profile has no secret store named "secrets"')
        return self._secrets

    def config(self) -> Configuration:
        """The configuration store."""
        if self._configuration is None:
            raise ConfigurationError(
                f'{self.service.group}: the profile has no configuration store named "configuration"'
            )
        return self._configuration

    def log(self, message: Message, address: str) -> FilteringBoundLogger:
        """A logger that knows app, service, handler and correlation."""
        return message_logger(message, address, self._app)
