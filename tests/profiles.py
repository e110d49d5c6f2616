"""The profiles in ``components/``, as copies that meet a test's own servers and folders."""

from __future__ import annotations

from pathlib import Path

COMPONENTS = Path(__file__).parents[1] / "components"
SERVICES = ("users", "inventory", "payments", "orders", "notifications")


def copy_profile(name: str, into: Path, *, redis: str = "127.0.0.1:6379", rabbitmq: str = "127.0.0.1:5672") -> Path:
    """A copy of ``components/<name>`` in ``into``, with these server addresses; its files are below ``into`` too."""
    folder, data = into / name, into / "data"
    folder.mkdir()
    data.mkdir(exist_ok=True)
    for source in sorted((COMPONENTS / name).glob("*.yaml")):
        (folder / source.name).write_text(_adapt(source.read_text(), data, redis, rabbitmq))
    return folder


def copy_configuration(into: Path) -> Path:
    """A copy of ``components/config.yaml`` in ``into``, whose name resolution is a file below ``into``."""
    data = into / "data"
    data.mkdir(exist_ok=True)
    copy = into / "config.yaml"
    copy.write_text(_adapt((COMPONENTS / "config.yaml").read_text(), data, "", ""))
    return copy


def _adapt(text: str, data: Path, redis: str, rabbitmq: str) -> str:
    return (
        text.replace("value: 127.0.0.1:6379", f"value: {redis}")
        .replace("value: 127.0.0.1:5672", f"value: {rabbitmq}")
        .replace("value: components/", f"value: {COMPONENTS}/")
        .replace("value: data/", f"value: {data}/")
        .replace("connectionString: data/", f"connectionString: {data}/")
    )
