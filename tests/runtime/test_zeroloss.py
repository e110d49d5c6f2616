"""The shipped profiles lose nothing by their settings; each setting broken is named."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pillion.runtime.loss import Loss
from pillion.runtime.resources import Resource, read
from pillion.runtime.zeroloss import limits, losses, shared
from tests.profiles import COMPONENTS

PROFILES = sorted(folder.name for folder in COMPONENTS.iterdir() if folder.is_dir() and folder.name != "state")

Change = Callable[[dict[str, Any]], object]


def profile(name: str) -> list[Resource]:
    return read([COMPONENTS / name])


def changed(resources: list[Resource], name: str, change: Change) -> list[Resource]:
    """These resources, where the one of this name is changed."""
    copies = [replace(resource, data=deepcopy(resource.data)) for resource in resources]
    (found,) = (resource for resource in copies if resource.name == name)
    change(found.spec)
    return copies


def setting(name: str, value: str | None) -> Change:
    """Sets a component's setting; None takes it away."""

    def change(spec: dict[str, Any]) -> None:
        rest = [item for item in spec["metadata"] if item["name"] != name]
        spec["metadata"] = rest if value is None else [*rest, {"name": name, "value": value}]

    return change


def found(resources: list[Resource]) -> list[tuple[str, str]]:
    return [(loss.component, loss.setting) for loss in losses(resources)]


@pytest.mark.parametrize("name", PROFILES)
def test_a_shipped_profile_loses_nothing_by_its_settings(name: str) -> None:
    assert [str(loss) for loss in losses(profile(name))] == []


BROKEN = [
    ("redis", "pubsub", "redeliverInterval", "1s"),
    ("redis", "pubsub", "redeliverInterval", "0"),
    ("redis", "replies", "redeliverInterval", "1s"),
    ("redis", "pubsub", "processingTimeout", None),
    ("redis", "pubsub", "processingTimeout", "0"),
    ("redis", "pubsub", "concurrency", None),
    ("redis", "pubsub", "concurrency", "99"),
    ("redis", "pubsub", "maxLenApprox", "100"),
    ("redis", "pubsub", "streamTTL", "1h"),
    ("redis", "pubsub", "consumerID", "{uuid}"),
    ("redis", "slow", "consumerID", None),
    ("redis", "broadcast", "consumerID", None),
    ("rabbitmq", "pubsub", "durable", "false"),
    ("rabbitmq", "pubsub", "deletedWhenUnused", None),
    ("rabbitmq", "pubsub", "deletedWhenUnused", "true"),
    ("rabbitmq", "pubsub", "deliveryMode", None),
    ("rabbitmq", "pubsub", "publisherConfirm", "false"),
    ("rabbitmq", "pubsub", "requeueInFailure", None),
    ("rabbitmq", "pubsub", "autoAck", "true"),
    ("rabbitmq", "pubsub", "prefetchCount", "0"),
    ("rabbitmq", "pubsub", "reconnectWaitSeconds", "1"),
    ("rabbitmq", "pubsub", "maxLen", "10"),
    ("rabbitmq", "pubsub", "maxLenBytes", "1000000"),
    ("rabbitmq", "pubsub", "ttlInSeconds", "60"),
    ("rabbitmq", "slow-lane-2", "consumerID", None),
    ("nats", "pubsub", "concurrency", "parallel"),
    ("nats", "pubsub-lane-2", "concurrency", "parallel"),
    ("nats", "pubsub", "ackPolicy", "none"),
    ("nats", "pubsub", "durableName", None),
    ("nats", "pubsub", "durableName", "{uuid}"),
    ("nats", "pubsub", "queueGroupName", None),
    ("nats", "pubsub", "deliverPolicy", "new"),
    ("nats", "pubsub", "memoryStorage", "true"),
    ("nats", "pubsub", "maxDeliver", "3"),
    ("nats", "slow-lane-2", "durableName", "{appID}"),
    ("nats", "broadcast", "durableName", "{appID}"),
    ("kafka", "pubsub", "initialOffset", None),
    ("kafka", "pubsub", "consumeRetryEnabled", "false"),
    ("kafka", "pubsub", "producerRequiredAcks", "none"),
    ("kafka", "slow", "consumerID", None),
    ("kafka", "pubsub", "escapeHeaders", None),
    ("kafka", "pubsub", "consumerGroup", "{uuid}"),
    ("kafka", "broadcast", "consumerGroup", "all"),
    ("mqtt", "pubsub", "qos", "0"),
    ("mqtt", "pubsub", "cleanSession", "true"),
    ("mqtt", "replies", "consumerID", "{appID}"),
]


@pytest.mark.parametrize(("name", "component", "broken", "value"), BROKEN)
def test_a_setting_that_loses_is_named(name: str, component: str, broken: str, value: str | None) -> None:
    assert (component, broken) in found(changed(profile(name), component, setting(broken, value)))


WEAKER = [
    ("rabbitmq", "replies", "publisherConfirm", "false"),
    ("mqtt", "replies", "cleanSession", "true"),
    ("nats", "commands", "concurrency", "parallel"),
    ("kafka", "broadcast", "initialOffset", "newest"),
]


@pytest.mark.parametrize(("name", "component", "weak", "value"), WEAKER)
def test_components_of_calls_and_broadcasts_may_be_weaker(name: str, component: str, weak: str, value: str) -> None:
    assert found(changed(profile(name), component, setting(weak, value))) == []


def test_a_loss_says_where_what_and_what_to_write() -> None:
    (loss,) = losses(changed(profile("redis"), "pubsub", setting("redeliverInterval", "1s")))
    assert str(loss).startswith(
        f"{COMPONENTS}/redis/pubsub.yaml: pubsub: redeliverInterval is 1s: all but a plain number"
    )
    assert str(loss).endswith('write redeliverInterval: "1000", plain milliseconds')


def test_what_is_to_be_removed_is_said_so() -> None:
    assert Loss(Path("a.yaml"), "pubsub", "streamTTL", "1h", "", "…").remedy == "remove streamTTL"


def test_a_value_from_a_secret_is_not_judged() -> None:
    def hide(spec: dict[str, Any]) -> None:
        (item,) = (item for item in spec["metadata"] if item["name"] == "processingTimeout")
        del item["value"]
        item["secretKeyRef"] = {"name": "times", "key": "times"}

    assert found(changed(profile("redis"), "pubsub", hide)) == []


def test_names_and_values_are_read_as_daprd_does() -> None:
    resources = changed(profile("rabbitmq"), "pubsub", setting("requeueInFailure", None))
    assert found(changed(resources, "pubsub", setting("REQUEUEinfailure", "Yes"))) == []


def target(change: Change) -> Change:
    return lambda spec: change(spec["targets"]["components"])


def retry(**changes: Any) -> Change:
    return lambda spec: spec["policies"]["retries"]["endless"].update(changes)


RESILIENCY = [
    (target(lambda components: components.pop("slow")), "targets.components.slow.inbound.retry"),
    (target(lambda components: components["pubsub"].clear()), "targets.components.pubsub.inbound.retry"),
    (
        target(lambda components: components["pubsub"]["inbound"].pop("timeout")),
        "targets.components.pubsub.inbound.timeout",
    ),
    (
        target(lambda components: components["pubsub"]["inbound"].update(retry="typo")),
        "targets.components.pubsub.inbound.retry",
    ),
    (
        target(lambda components: components["pubsub"]["inbound"].update(circuitBreaker="cb")),
        "targets.components.pubsub.inbound.circuitBreaker",
    ),
    (retry(policy="exponential"), "policies.retries.endless.policy"),
    (retry(maxRetries=10), "policies.retries.endless.maxRetries"),
    (retry(matching={"httpStatusCodes": "500"}), "policies.retries.endless.matching"),
    (retry(duration="often"), "policies.retries.endless.duration"),
    (retry(maxInterval="5 min"), "policies.retries.endless.maxInterval"),
    (lambda spec: spec["policies"]["timeouts"].update(delivery="sixty"), "policies.timeouts.delivery"),
]


@pytest.mark.parametrize(("change", "place"), RESILIENCY, ids=[place for _, place in RESILIENCY])
def test_a_resiliency_that_gives_up_is_named(change: Change, place: str) -> None:
    assert place in {name for _, name in found(changed(profile("redis"), "zero-loss", change))}


def test_durations_are_read_as_daprd_does() -> None:
    def change(spec: dict[str, Any]) -> None:
        spec["policies"]["retries"]["endless"]["duration"] = "500"
        spec["policies"]["timeouts"]["delivery"] = "1m0.5s"

    assert found(changed(profile("redis"), "zero-loss", change)) == []


def test_groups_of_kafka_are_told_apart_by_either_name() -> None:
    shared = profile("kafka")
    for component in ("pubsub", "slow"):
        shared = changed(shared, component, setting("consumerGroup", "shop"))
    assert ("slow", "consumerGroup") in found(shared)


def test_default_policies_hold_for_components_that_no_target_names() -> None:
    def rename(spec: dict[str, Any]) -> None:
        policies = spec["policies"]
        policies["retries"]["DefaultPubsubComponentInboundRetryPolicy"] = policies["retries"].pop("endless")
        policies["timeouts"]["DefaultTimeoutPolicy"] = policies["timeouts"].pop("delivery")
        del spec["targets"]

    assert found(changed(profile("redis"), "zero-loss", rename)) == []


def test_dapr_retries_for_ever_unless_told_otherwise() -> None:
    assert (
        found(changed(profile("redis"), "zero-loss", lambda spec: spec["policies"]["retries"].update(endless={}))) == []
    )


def test_a_resiliency_behind_another_document_is_one_that_daprd_does_not_load(tmp_path: Path) -> None:
    files = [COMPONENTS / "redis" / name for name in ("pubsub.yaml", "resiliency.yaml")]
    (tmp_path / "all.yaml").write_text("\n---\n".join(file.read_text() for file in files))
    assert found(read([tmp_path])) == [
        ("pubsub", "targets.components.pubsub.inbound.retry"),
        ("pubsub", "targets.components.pubsub.inbound.timeout"),
        ("zero-loss", "Resiliency"),
    ]


def test_what_a_type_loses_whatever_its_settings_is_told() -> None:
    (limit,) = limits(profile("local"))
    assert limit.startswith("pubsub.in-memory: what is in flight is lost")


@pytest.mark.parametrize("name", ["rabbitmq", "mqtt"])
def test_that_a_broker_keeps_nothing_for_the_first_subscriber_is_told(name: str) -> None:
    assert any(
        "before its first subscriber has ever started is thrown away" in limit for limit in limits(profile(name))
    )


@pytest.mark.parametrize("name", ["redis", "kafka", "nats"])
def test_of_brokers_that_lose_nothing_nothing_is_told(name: str) -> None:
    assert limits(profile(name)) == []


GROUPS = [
    ("redis", "pubsub", "consumerID"),
    ("nats", "pubsub-lane-2", "durableName"),
    ("kafka", "slow", "consumerGroup"),
]


@pytest.mark.parametrize(("name", "component", "group"), GROUPS)
def test_a_group_of_all_apps_is_told(name: str, component: str, group: str) -> None:
    (sentence,) = shared(changed(profile(name), component, setting(group, "shop")))
    assert f"{component}: {group} is shop for each app" in sentence


def test_a_group_of_one_app_may_have_any_name() -> None:
    resources = changed(profile("redis"), "pubsub", setting("consumerID", "shop"))
    for resource in resources:
        resource.data["scopes"] = ["orders"]
    assert list(shared(resources)) == []


@pytest.mark.parametrize("name", PROFILES)
def test_in_a_shipped_profile_each_app_has_a_group_of_its_own(name: str) -> None:
    assert list(shared(profile(name))) == []
