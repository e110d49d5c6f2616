"""FakeSidecar: one daprd beside one application, in this process and on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from pillion.testing.sidecar.application import TOKEN, Application
from pillion.testing.sidecar.broker import FakeBroker, Stored
from pillion.testing.sidecar.delivery import Delivery, InboundRetry
from pillion.testing.sidecar.publishing import Publishing
from pillion.testing.sidecar.routing import Subscription, UnroutableError
from pillion.testing.sidecar.stores import Configurations, Secrets, States, failure

_log = logging.getLogger(__name__)
_HEALTH = frozenset({"/v1.0/healthz", "/v1.0/healthz/outbound"})
_HOP = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", TOKEN})
# What daprd says of the types that stand in for all others.
_CAPABILITIES = {"state.sqlite": ("ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX")}


class FakeSidecar:
    """daprd 1.18's HTTP API and app channel for tests, without daprd.

    Used with ``async with``; ``http_port`` is its port. Publish, bulk publish, subscriptions (single, bulk, raw,
    routed, dead letters), invocation, state, secrets, reading configuration, metadata, health and both tokens behave as
    measured on daprd 1.18.2, its faults included: in bulk, an event that no rule wants is posted to "/", 404 drops
    without dead letters, and publishing loses digits of large numbers.

    What is not like daprd: the broker is a dictionary (see ``FakeBroker``), state is SQLite-like; the app is looked for
    every 10 ms instead of 100; retries come after 50 ms instead of 500; publishing scopes, resiliency files,
    configuration updates, actors, jobs, bindings, gRPC, tracing, name resolution, body limits, the ``dapr-app-id``
    header and retries of invocation do not exist; errors have daprd's ``errorCode`` but not all of its ``details``; a
    trace field that is no string, which kills daprd, is passed over; rules see whole numbers as integers, not doubles.

    Args:
        broker: shared by the sidecars that are to reach each other.
        app_id: the application's name.
        app_port: where it listens on 127.0.0.1; None when it only calls out.
        components: the pub/sub components. ``broadcast`` has a consumer group of its own for each sidecar.
        state_stores: names of the state stores; ``<app_id>-state`` by default.
        secrets: values by store and name.
        configuration: values by store and key.
        retry: for deliveries that the application did not take.
        concurrency: single deliveries of a subscription at a time.
        delivery_timeout: seconds until a delivery counts as failed.
        api_token: DAPR_API_TOKEN, what clients have to present.
        app_token: APP_API_TOKEN, what is presented to the application.

    Attributes:
        empty_answers: while True, every call of the application that fails is taken for an empty 200, as daprd's HTTP
            channel does now and then when the application is down: a single delivery is then lost, a bulk one is not.
    """

    def __init__(
        self,
        broker: FakeBroker,
        app_id: str,
        app_port: int | None = None,
        *,
        components: Sequence[str] = ("pubsub", "replies", "broadcast", "slow"),
        state_stores: Sequence[str] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        configuration: Mapping[str, Mapping[str, str]] | None = None,
        retry: InboundRetry | None = None,
        concurrency: int = 300,
        delivery_timeout: float = 60.0,
        api_token: str | None = None,
        app_token: str | None = None,
    ) -> None:
        self.empty_answers = False
        self.http_port = 0
        self.app_id = app_id
        self._broker = broker
        self._app_port = app_port
        self._retry = retry or InboundRetry()
        self._concurrency = concurrency
        self._api_token = api_token
        self._app = Application(app_id, app_port, app_token, delivery_timeout)
        self._instance = str(uuid.uuid4())
        stores = (f"{app_id}-state",) if state_stores is None else tuple(state_stores)
        kinds = dict.fromkeys(components, "pubsub.redis") | dict.fromkeys(stores, "state.sqlite")
        kinds |= dict.fromkeys(secrets or {}, "secretstores.local.file")
        self._components = kinds | dict.fromkeys(configuration or {}, "configuration.redis")
        parts = (
            Publishing(broker, app_id, components),
            States(broker, stores),
            Secrets(secrets or {}),
            Configurations(configuration or {}),
        )
        self._routes = [*self._own_routes(), *(route for part in parts for route in part.routes())]
        self._ready = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._deliveries: list[Delivery] = []
        self._runner: web.AppRunner | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> str:
        """Base address of the HTTP API."""
        return f"http://127.0.0.1:{self.http_port}"

    async def start(self) -> None:
        """Open the port; the application is asked for its subscriptions as soon as it listens."""
        await self._app.open()
        application = web.Application(middlewares=[self._authenticate], client_max_size=4 << 20)
        application.add_routes(self._routes)
        self._runner = runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.http_port).start()
        self.http_port = runner.addresses[0][1]
        self._broker.join(self.app_id, self)
        self._starting = asyncio.create_task(self._meet_app())

    async def wait_ready(self) -> None:
        """Wait until the application listens and its subscriptions are served (``/v1.0/healthz`` is 204).

        Raises:
            ConfigurationError: a routing rule needs cel-python, and it is not installed.
        """
        if self._starting:
            await self._starting

    async def stop(self, grace: float = 5.0) -> None:
        """Like SIGTERM: take no more messages, wait ``grace`` seconds for the answers, then close the port.

        Harmless when it is stopped.
        """
        if self._runner is None:
            return
        await self._stop_meeting()
        await asyncio.gather(*(delivery.stop(grace) for delivery in self._deliveries))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._app.quiet(), grace)
        await self._close()

    async def kill(self) -> None:
        """Like SIGKILL: what is in hand goes to the next consumer of the group."""
        await self._stop_meeting()
        await asyncio.gather(*(delivery.abandon() for delivery in self._deliveries))
        await self._close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def call_app(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the application's answer; 500 when it does not answer."""
        status, got, answer = await self._app.call(method, path, headers, body)
        failed = not 200 <= status <= 299
        return (200, {}, b"") if failed and self.empty_answers else (status, got, answer)

    def _own_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1.0/healthz", self._healthz),
            web.get("/v1.0/healthz/outbound", self._healthz_outbound),
            web.get("/v1.0/metadata", self._metadata),
            web.route("*", "/v1.0/invoke/{app_id}/method/{path:.*}", self._invoke),
        ]

    async def _meet_app(self) -> None:
        if self._app_port is not None:
            await self._app.wait_listening()
            await self.call_app("GET", "/dapr/config", {}, b"")
            self._subscribe(await self._declared())
        self._ready.set()

    async def _declared(self) -> list[dict[str, Any]]:
        status, _, body = await self.call_app("GET", "/dapr/subscribe", {}, b"")
        try:
            declared = json.loads(body) if status == 200 else []
        except ValueError:
            declared = []
        return declared if isinstance(declared, list) else []

    def _subscribe(self, declared: list[dict[str, Any]]) -> None:
        try:
            subscriptions = [subscription for entry in declared if (subscription := Subscription.of(entry))]
        except UnroutableError as error:
            _log.warning("no subscription at all, as in daprd, because a rule is no valid CEL: %s", error)
            return
        self._subscriptions = [one for one in subscriptions if one.pubsub in self._components]
        self._deliveries = [self._delivery(subscription) for subscription in self._subscriptions]
        for delivery in self._deliveries:
            delivery.start()

    def _delivery(self, subscription: Subscription) -> Delivery:
        group = self._instance if subscription.pubsub == "broadcast" else self.app_id
        queue = self._broker.group(subscription.topic, group)
        return Delivery(
            subscription,
            queue,
            post=self._post,
            dead_letter=self._dead_letter,
            retry=self._retry,
            concurrency=self._concurrency,
        )

    def _dead_letter(self, topic: str, message: Stored) -> None:
        self._broker.publish(topic, Stored(message.data, message.metadata))

    async def _post(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        status, _, answer = await self.call_app("POST", path, headers, body)
        return status, answer

    async def _stop_meeting(self) -> None:
        self._broker.leave(self.app_id, self)
        if self._starting:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)

    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()
        await self._app.close()

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self._api_token and request.path not in _HEALTH and request.headers.get(TOKEN) != self._api_token:
            return web.Response(status=401, text="invalid api token")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _healthz(self, _: web.Request) -> web.Response:
        if self._ready.is_set():
            return web.Response(status=204)
        return failure(500, "ERR_HEALTH_NOT_READY", "dapr is not ready")

    async def _healthz_outbound(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _metadata(self, _: web.Request) -> web.Response:
        components = [
            {"name": name, "type": kind, "version": "v1", "capabilities": _CAPABILITIES.get(kind, ())}
            for name, kind in self._components.items()
        ]
        properties = {"port": self._app_port, "protocol": "http", "channelAddress": "127.0.0.1"}
        return web.json_response(
            {
                "id": self.app_id,
                "runtimeVersion": "1.18.2",
                "components": components,
                "subscriptions": [subscription.described() for subscription in self._subscriptions],
                "appConnectionProperties": properties if self._app_port else {},
                "resiliencies": [{"name": "zero-loss"}] if self._retry.limit else [],
            }
        )

    async def _invoke(self, request: web.Request) -> web.Response:
        app_id = request.match_info["app_id"]
        callee = self if app_id == self.app_id else self._broker.find(app_id)
        if callee is None:
            text = f"failed to invoke, id: {app_id}, err: no host found with the given ID"
            return failure(500, "ERR_DIRECT_INVOKE", text)
        query = f"?{request.query_string}" if request.query_string else ""
        path = f"/{request.match_info['path']}{query}"
        headers = {k.lower(): v for k, v in request.headers.items() if k.lower() not in _HOP}
        if callee is not self:  # daprd calls its own application directly, without these headers
            headers |= {"dapr-caller-app-id": self.app_id, "dapr-callee-app-id": app_id}
            headers["dapr-caller-namespace"] = "default"
        status, got, body = await callee.call_app(request.method, path, headers, await request.read())
        return web.Response(status=status, headers=got, body=body)
