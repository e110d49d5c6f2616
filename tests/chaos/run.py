"""``python -m tests.chaos.run``: kills things while orders are handled, and prints what was lost and doubled."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pillion.telemetry.logs import configure
from tests.chaos.brokers import BEYOND, BROKERS, LACKS, LEAST
from tests.chaos.faults import FAULTS
from tests.chaos.report import head, markdown, row, total
from tests.chaos.scenario import Fault, Plan, Result, play
from tests.profiles import STATES

# A broker that never comes back keeps the publisher waiting for ever.
_LIMIT_SECONDS = 240.0
_LIMIT_SECONDS_PER_MESSAGE = 0.2


def main() -> int:
    """Run what the command line asks for; 1 when anything was lost or, unless ``--no-once``, doubled."""
    asked, begun = _arguments(), time.monotonic()
    configure(level="error")
    plan = Plan(asked.profile, asked.state, asked.messages, asked.seed, asked.once)
    print(head(), flush=True)
    lacks = {name: why for name, why in LACKS.get(asked.profile, {}).items() if name in (asked.fault or FAULTS)}
    for name, why in lacks.items():
        print(f"{name}: skipped, {why}", flush=True)
    beyond = BEYOND.get(asked.profile, {})
    faults = [FAULTS[name] for name in asked.fault or FAULTS if name not in lacks]
    results: list[Result] = []
    for fault in faults:
        played = _played(_enough(plan, fault), fault, asked.keep)
        if isinstance(played, Result):
            results.append(played)
        else:
            lacks[fault.name] = played
        if asked.markdown is not None and results:
            _write(asked, results, lacks, time.monotonic() - begun)
    if len(results) > 1:
        print(total(results, beyond), flush=True)
    return 0 if len(results) == len(faults) and all(_is_good(result) for result in results) else 1


def _write(asked: Namespace, results: Sequence[Result], lacks: Mapping[str, str], seconds: float) -> None:
    """Write what there is so far: a profile takes long, and may be interrupted."""
    beyond = BEYOND.get(asked.profile, {})
    text = markdown(results, lacks, beyond, _command(asked), f"{datetime.now(UTC):%Y-%m-%d}", seconds / 60)
    asked.markdown.write_text(text)


def _command(asked: Namespace) -> str:
    """What runs the same again."""
    command = f"python -m tests.chaos.run --profile {asked.profile} --state {asked.state}"
    command += f" --messages {asked.messages} --seed {asked.seed}"
    faults = "".join(f" --fault {name}" for name in asked.fault or ())
    return command + faults + ("" if asked.once else " --no-once")


def _enough(plan: Plan, fault: Fault) -> Plan:
    return replace(plan, messages=max(plan.messages, LEAST.get(plan.profile, {}).get(fault.name, 0)))


def _played(plan: Plan, fault: Fault, keep: bool) -> Result | str:
    """The result, or why there is none."""
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{plan.profile}-{fault.name}-"))
    try:
        result = asyncio.run(_within_reason(plan, fault, folder))
    except Exception as error:  # noqa: BLE001 - one run that cannot be made does not stop the others
        print(f"{fault.name}: {type(error).__name__}: {error}; its logs are in {folder}", flush=True)
        return f"the run ended with {type(error).__name__}: {error}"
    print(row(result), flush=True)
    if keep or not _is_good(result):
        print(f"    its logs are in {folder}", flush=True)
    else:
        shutil.rmtree(folder)
    return result


async def _within_reason(plan: Plan, fault: Fault, folder: Path) -> Result:
    """Run it; SIGTERM ends it as Ctrl-C does, so that nothing it started is left behind."""
    playing = asyncio.ensure_future(play(plan, fault, folder))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    async with asyncio.timeout(_LIMIT_SECONDS + plan.messages * _LIMIT_SECONDS_PER_MESSAGE):
        return await playing


def _is_good(result: Result) -> bool:
    """Without ``once`` only loss is a fault, and what the broker itself loses is none of ours."""
    if result.fault.name in BEYOND.get(result.plan.profile, {}):
        return not result.verdict.doubled
    return result.verdict.good if result.plan.once else not result.verdict.lost


def _positive(text: str) -> int:
    """A number of orders; none at all would prove nothing."""
    if (number := int(text)) < 1:
        raise ArgumentTypeError(f"{number} is less than 1")
    return number


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--profile", choices=list(BROKERS), default="redis")
    parser.add_argument("--state", choices=STATES, default="sqlite")
    parser.add_argument("--fault", choices=list(FAULTS), action="append", help="default: all; may be given again")
    parser.add_argument("--messages", type=_positive, default=500, help="orders per fault, default 500")
    parser.add_argument("--seed", type=int, default=1, help="reproduces a run: orders, and when the fault strikes")
    parser.add_argument("--once", action=BooleanOptionalAction, default=True, help="declare handlers once=True")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a table for the documents")
    parser.add_argument("--keep", action="store_true", help="keep the logs of good runs too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
