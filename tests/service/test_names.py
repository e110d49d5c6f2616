"""Names and the topics made of them are valid on every broker."""

from __future__ import annotations

import pytest

from pillion.errors import DeclarationError
from pillion.service.contract import Contract
from pillion.service.names import member_name, service_name, topic_name


@pytest.mark.parametrize("name", ["a", "payments", "pay-ments2", "a" * 63])
def test_service_names(name: str) -> None:
    assert service_name(name) == name


@pytest.mark.parametrize("name", ["", "Payments", "2pay", "pay_ments", "pay.ments", "-a", "a" * 64, "zahlüng", "a\n"])
def test_what_is_no_service_name(name: str) -> None:
    with pytest.raises(DeclarationError, match="Dapr app id"):
        service_name(name)


@pytest.mark.parametrize("name", ["", "2nd", "a.b", "a b", "a/b", "a" * 64, "a\n"])
def test_what_is_no_member_name(name: str) -> None:
    with pytest.raises(DeclarationError, match="payments: command"):
        member_name(name, "payments: command")


@pytest.mark.parametrize("name", ["a", "payments.v1.charged", "A-b_c.d", "a" * 249])
def test_topics(name: str) -> None:
    assert topic_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", ".a", "a.", "a/b", "a#", "a+b", "a*", "a>", "$a", "a b", "a" * 250, "a\n"]
)
def test_what_is_no_topic(name: str) -> None:
    with pytest.raises(DeclarationError, match="Kafka, NATS or MQTT"):
        topic_name(name)


def test_the_topics_of_a_contract() -> None:
    payments = Contract("payments", 2)
    charge = payments.command("charge", int, int)
    assert (charge.topic, charge.send_topic) == ("payments.v2.commands", "payments.v2.sends")
    assert payments.event("charged", int).topic == "payments.v2.charged"
    assert payments.dead_letter_topic == "payments.v2.deadletters"


def test_the_longest_names_make_a_valid_topic() -> None:
    longest = Contract("s" * 63, 999_999).command("c" * 63, int, int, announced=True)
    assert topic_name(longest.succeeded.topic) == longest.succeeded.topic


@pytest.mark.parametrize("name", ["commands", "sends", "deadletters"])
def test_names_of_topics_are_taken(name: str) -> None:
    with pytest.raises(DeclarationError, match="name of one of its topics"):
        Contract("payments").event(name, int)
