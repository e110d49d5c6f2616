"""Takes over an MQTT client's session for a moment, so that the broker sends again what that client left unfinished.

Needs paho-mqtt (``pip install pillion[mqtt]``); import it only where MQTT is in use.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from pillion.errors import ConfigurationError, SidecarError

_TLS = ("ssl", "tls", "tcps", "mqtts")
_PLAIN = ("tcp", "mqtt")


def take_over(url: str, client_id: str, timeout: float = 5.0) -> bool:
    """Connect with this client id and leave again; blocks, so call it in a thread.

    The broker drops the client that had the id, which then connects again and gets everything that it has not
    acknowledged. Nothing is acknowledged here.

    Args:
        url: of the broker as ``pubsub.mqtt3`` wants it, ``tcp://user:password@host:1883``; ``ssl://`` trusts what the
            system trusts.
        client_id: whose session it is.
        timeout: seconds.

    Returns:
        Whether there was a session of that id. If not, none is left behind.

    Raises:
        ConfigurationError: the URL is none of a broker, or the broker does not let us in.
        SidecarError: the broker cannot be reached.
    """
    found = _visit(url, client_id, False, timeout)
    if not found:
        _visit(url, client_id, True, timeout)
    return found


def _visit(url: str, client_id: str, clean: bool, timeout: float) -> bool:
    answers: list[tuple[ConnectFlags, ReasonCode]] = []

    def connected(_: Client, __: Any, flags: ConnectFlags, reason: ReasonCode, *___: Any) -> None:
        answers.append((flags, reason))

    # manual_ack: what the broker sends us is the other's, and must stay so.
    client = Client(CallbackAPIVersion.VERSION2, client_id, clean, None, MQTTv311, manual_ack=True)
    client.on_connect = connected
    client.connect_timeout = timeout
    host, port = _prepare(client, url)
    try:
        client.connect(host, port)
        _until_answered(client, answers, timeout)
    except OSError as error:
        raise SidecarError(f"the MQTT broker {host}:{port} cannot be reached: {error}") from error
    finally:
        client.disconnect()
    flags, reason = answers[0]
    if reason.is_failure:
        raise ConfigurationError(f"the MQTT broker {host}:{port} does not let {client_id} in: {reason}; see mqtt-url")
    return bool(flags.session_present)


def _prepare(client: Client, url: str) -> tuple[str, int]:
    """Host and port, once the client knows the rest of the URL."""
    parts = urlsplit(url)
    if parts.scheme not in _TLS + _PLAIN or not parts.hostname or not _has_port(parts):
        raise ConfigurationError("mqtt-url is no address of a broker; write it as tcp://user:password@host:1883")
    if parts.scheme in _TLS:
        client.tls_set()
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password) if parts.password else None)
    return parts.hostname, parts.port or (8883 if parts.scheme in _TLS else 1883)


def _has_port(parts: SplitResult) -> bool:
    """Whether its port, if there is one, is a number."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _until_answered(client: Client, answers: list[Any], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not answers:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer within {timeout:g} s")
        client.loop(0.1)
