"""The profiles in ``components/``, as copies that meet a test's own servers and folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

COMPONENTS = Path(__file__).parents[1] / "components"
SERVICES = ("users", "inventory", "payments", "orders", "notifications")
STATES = ("sqlite", "redis", "postgresql")
_SECRETS = "secrets.example.json"

# Where the profiles look for each server.
_ADDRESSES = {
    "redis": "127.0.0.1:6379",
    "rabbitmq": "127.0.0.1:5672",
    "nats": "127.0.0.1:4222",
    "kafka": "127.0.0.1:9092",
    "mqtt": "127.0.0.1:1883",
    "postgresql": "127.0.0.1:5432",
}


def copy_profile(name: str, into: Path, *, state: str = "sqlite", **servers: str) -> Path:
    """A folder in ``into`` with ``components/<name>`` and ``components/state/<state>``; ``local`` has state of its own.

    ``servers`` are addresses by name, ``redis="127.0.0.1:4711"``. Files that components write are below ``into`` too.
    """
    folder, data = into / name, into / "data"
    folder.mkdir()
    data.mkdir(exist_ok=True)
    for source in sources(name, state):
        (folder / source.name).write_text(_adapt(source.read_text(), data, servers))
    # An MQTT broker's address is a secret, as it may hold a password.
    (data / _SECRETS).write_text(_adapt((COMPONENTS / _SECRETS).read_text(), data, servers))
    return folder


def sources(name: str, state: str = "sqlite") -> list[Path]:
    """The YAML files of a profile and its state."""
    folders = [COMPONENTS / name] if name == "local" else [COMPONENTS / name, COMPONENTS / "state" / state]
    return sorted(file for folder in folders for file in folder.glob("*.yaml"))


def copy_configuration(into: Path) -> Path:
    """A copy of ``components/config.yaml`` in ``into``, whose name resolution is a file below ``into``."""
    data = into / "data"
    data.mkdir(exist_ok=True)
    copy = into / "config.yaml"
    copy.write_text(_adapt((COMPONENTS / "config.yaml").read_text(), data, {}))
    return copy


def _adapt(text: str, data: Path, servers: Mapping[str, str]) -> str:
    for name, address in servers.items():
        text = text.replace(_ADDRESSES[name], address)
    return (
        text.replace(f"value: components/{_SECRETS}", f"value: {data / _SECRETS}")
        .replace("value: components/", f"value: {COMPONENTS}/")
        .replace("value: data/", f"value: {data}/")
        .replace("connectionString: data/", f"connectionString: {data}/")
    )
