"""The instrumentor turns tracing on and off, in a program and from the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.service.service import Service
from pillion.telemetry.instrumentor import PillionInstrumentor


@pytest.fixture
def instrumentor() -> Iterator[PillionInstrumentor]:
    instrumentor = PillionInstrumentor()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def host() -> Host:
    return Host(Service("greeter"), bridge=MemoryBridge(), stores=Stores(lambda _: None))


def test_hosts_made_while_it_is_on_trace(instrumentor: PillionInstrumentor) -> None:
    instrumentor.instrument(tracer_provider=TracerProvider())
    assert host().tracer is not None


def test_without_a_provider_it_takes_the_global_one(instrumentor: PillionInstrumentor) -> None:
    instrumentor.instrument()
    assert host().tracer is not None


def test_hosts_made_after_it_is_off_do_not_trace(instrumentor: PillionInstrumentor) -> None:
    instrumentor.instrument(tracer_provider=TracerProvider())
    instrumentor.uninstrument()
    assert host().tracer is None


def test_opentelemetry_finds_it_by_its_entry_point() -> None:
    (found,) = entry_points(group="opentelemetry_instrumentor", name="pillion")
    assert found.load() is PillionInstrumentor


def test_opentelemetry_instrument_turns_it_on() -> None:
    command = Path(sys.executable).parent / "opentelemetry-instrument"
    program = "from pillion.telemetry.provider import Instrumented; print(Instrumented.provider is not None)"
    ran = subprocess.run([command, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "True"


def test_a_host_without_tracing_does_not_import_opentelemetry() -> None:
    program = "import sys, pillion.runtime.host; print('opentelemetry' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
