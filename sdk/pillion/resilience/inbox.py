"""The inbox: the effects of a message happen once, and the messages it caused leave with them or not at all.

Handling begins with a claim, which only one can have. It ends with a record of what came of it, written in one
transaction with the state that the handler changed, and only if there is no record yet: whoever lost its claim
meanwhile, and does not know, writes nothing. What finds a record handles nothing; it publishes what has not left, and
gives the answer again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec import Struct

from pillion.batches import Batches
from pillion.errors import ConfigurationError, ConflictError, PillionError, SidecarError, StoreError
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import Clock
from pillion.ports.store import Change, StateCapabilities, StateItem, StateStore, Upsert
from pillion.resilience.document import read
from pillion.resilience.marks import Marks
from pillion.resilience.newcomers import Newcomers
from pillion.resilience.record import Answer, Record

# A claim outlives its record by more than stores round, so that where a record is, nobody can claim afresh.
_LONGER = 60.0
_ATTEMPTS = 10
# How many messages begin with one request to the store.
_BATCH = 100


class Busy(PillionError):
    """Somebody else handles this message now.

    Attributes:
        until: their claim ends then, in seconds since 1970-01-01 UTC.
    """

    def __init__(self, until: float) -> None:
        super().__init__("this message is being handled elsewhere; deliver it again later")
        self.until = until


class LeaseOver(StoreError):
    """Handling took longer than its claim lasted; nothing was written."""


class Claim(NamedTuple):
    """The right to handle a message.

    Attributes:
        name: of the handler and the message.
        until: it ends then, in seconds since 1970-01-01 UTC.
        written: others can see it in the store.
    """

    name: str
    until: float
    written: bool = True


class _Holder(Struct, frozen=True):
    owner: str
    until: float


_decode_holder = msgspec.json.Decoder(_Holder).decode
_json = msgspec.json.Encoder().encode


class Inbox:
    """Which messages were handled, on the state store of the service that handles them.

    Where the store has no conditional transactions (Redis), the end of a claim is watched by the clock alone: a commit
    that is on its way to the store for longer than what is left of its claim may come after that of another.

    Args:
        store: what the handlers' state is kept in.
        clock: decides when claims end.
        window: seconds for which a handled message is known.
        lease: seconds that a claim lasts; longer than handlers may take.
        owner: ``<instance>/<boot id>``; claims of earlier boots of an instance are free.
        alone: whether no other process can get the same messages now. Then this one knows which it has in hand, and
            writes no claims. Default: others can.
        newcomers: tells messages that need not be looked for, when this process is alone. Default: there are none.
    """

    def __init__(
        self,
        store: StateStore,
        clock: Clock,
        window: float,
        lease: float,
        owner: str,
        alone: Callable[[], bool] = lambda: False,
        newcomers: Newcomers | None = None,
    ) -> None:
        self._store = store
        self._alone = alone
        self._newcomers = newcomers or Newcomers(lambda _: 0)
        self._fenced = store.capabilities.conditional_transactions
        self._now = clock.now
        self._window = window
        self._lease = lease
        self._owner = owner
        self._instance = owner.partition("/")[0]
        # Claims of this process, and when they end.
        self._mine: dict[str, float] = {}
        self._found: Batches[str, Record | None] = Batches(self._find, _BATCH)
        self._claimed: Batches[str, Claim] = Batches(self._claim_all, _BATCH)
        self._marks = Marks(store, clock)

    @staticmethod
    def check(capabilities: StateCapabilities, component: str) -> None:
        """Refuse a store that cannot keep an inbox.

        Raises:
            ConfigurationError: it lacks ETags, transactions or TTLs.
        """
        needs = {"ETags": capabilities.etags, "transactions": capabilities.transactions, "TTL": capabilities.ttl}
        lacks = [name for name, has in needs.items() if not has]
        if lacks:
            raise ConfigurationError(
                f"state component {component!r} has no {' and no '.join(lacks)}, which handlers with once=True need; "
                "choose another type in the profile, such as state.sqlite, state.postgresql or state.redis"
            )

    async def find(self, name: str) -> Record | None:
        """What came of a message, without a claim on it; None when it was not handled.

        Raises:
            StoreError: the store cannot do it.
        """
        return await self._found.put(name)

    async def begin(self, name: str) -> Claim | Record:
        """Claim a message, or learn what came of it.

        Args:
            name: of the handler and the message, as a part of keys in the store.

        Raises:
            Busy: somebody else has it.
            StoreError: the store cannot do it.
        """
        if name in self._mine:
            raise Busy(self._mine[name])
        self._mine[name] = self._now() + self._lease
        try:
            begun = await self._first(name)
        except BaseException:
            del self._mine[name]
            raise
        if isinstance(begun, Record):
            del self._mine[name]
        return begun

    async def commit(
        self,
        claim: Claim,
        changes: Sequence[Change],
        outgoing: Sequence[Outgoing],
        answer: Answer | None,
        fingerprint: str = "",
    ) -> Record:
        """Write the handler's changes and what came of the message, all or none.

        Args:
            claim: not given back before.
            changes: of state; without conditions where the store has no conditional transactions.
            outgoing: messages that are to leave; publish them next, then tell ``sent``.
            answer: to the caller of a command.
            fingerprint: of the request, to be found in the record.

        Raises:
            LeaseOver: the claim has ended; nothing was written.
            ConflictError: a change does not fit what is there, or somebody else handled the message; nothing was
                written.
            StoreError: the store cannot do it. Whether it was written is not known: begin again to learn it.
        """
        now = self._now()
        if claim.written and now >= claim.until:
            raise LeaseOver(
                f"handling took {now - claim.until + self._lease:.1f} s, longer than its claim of {self._lease:g} s; "
                "another instance may have begun, so nothing was written. Give the handler a shorter timeout"
            )
        record = Record.of(_record(claim.name), now + self._window, outgoing, answer, fingerprint)
        upsert = Upsert(record.key, record.encode(), ttl=self._window, first_write=self._fenced)
        try:
            await self._store.transact([*changes, upsert])
        except asyncio.CancelledError:
            self._mine.pop(claim.name, None)  # it has come to its end all the same
            raise
        self._mine.pop(claim.name, None)
        return record

    def sent(self, record: Record) -> None:
        """The messages of the record have left. That is written a little later, with others; nobody waits for it."""
        if not record.sent:
            self._marks.add(record)

    async def release(self, claim: Claim) -> None:
        """Give a claim back, so that the message can be handled again at once.

        Raises:
            StoreError: the store cannot do it; the claim ends by itself.
        """
        try:
            if claim.written and self._now() < claim.until:
                # Ended, not removed: when a commit of unknown outcome was written, whoever comes next must look.
                await self._store.write([self._upsert(claim.name, self._now())])
        finally:
            self._mine.pop(claim.name, None)

    async def close(self) -> None:
        """Write what ``sent`` was told and has not been written. Safe to call twice."""
        await self._marks.close()

    async def _first(self, name: str) -> Claim | Record:
        new = self._newcomers.begin(name)
        # What a commit cannot refuse, a claim has to.
        if self._fenced and self._alone():
            return (None if new else await self._found.put(name)) or Claim(name, math.inf, written=False)
        try:
            return await self._claimed.put(name)
        except ConflictError:
            return await self._contend(name)

    async def _find(self, names: Sequence[str]) -> list[Record | StoreError | None]:
        found = await self._store.get([_record(name) for name in names])
        return [self._tried(name, found) for name in names] if found else [None] * len(names)

    def _tried(self, name: str, found: Mapping[str, StateItem]) -> Record | StoreError | None:
        try:
            return self._read(name, found)
        except StoreError as error:
            return error

    def _read(self, name: str, found: Mapping[str, StateItem]) -> Record | None:
        item = found.get(_record(name))
        return None if item is None else self._marks.known(Record.read(_record(name), item))

    async def _claim_all(self, names: Sequence[str]) -> list[Claim]:
        """Claim these. What fails, fails for all, so with several each is to contend by itself."""
        until = self._now() + self._lease
        claims = [self._upsert(name, until, first_write=True) for name in names]
        if len(claims) == 1:
            await self._store.write(claims)
        else:
            try:
                await (self._store.transact(claims) if self._fenced else self._store.write(claims))
            except (StoreError, SidecarError) as error:
                raise ConflictError(str(error)) from error
        return [Claim(name, until) for name in names]

    async def _claim(self, name: str, etag: str | None) -> Claim:
        until = self._now() + self._lease
        await self._store.write([self._upsert(name, until, etag=etag, first_write=True)])
        return Claim(name, until)

    async def _contend(self, name: str) -> Claim | Record:
        for _ in range(_ATTEMPTS):
            found = await self._store.get([_held(name), _record(name)])
            if record := self._read(name, found):
                return record
            held = found.get(_held(name))
            self._refuse(name, held)
            with suppress(ConflictError):
                claim = await self._claim(name, held.etag if held else None)
                # The one who had it may have come to its end while we looked.
                return self._read(name, await self._store.get([_record(name)])) or claim
        raise Busy(self._now())

    def _refuse(self, name: str, held: StateItem | None) -> None:
        if held is None:
            return
        holder = read(_decode_holder, name, held)
        # Of an earlier boot, which is dead; or of a write of ours that was done although it was said to have failed:
        # what this process really has in hand it knows.
        ours = holder.owner.partition("/")[0] == self._instance
        if holder.until > self._now() and not ours:
            raise Busy(holder.until)

    def _upsert(self, name: str, until: float, *, etag: str | None = None, first_write: bool = False) -> Upsert:
        value = _json(_Holder(self._owner, until))
        ttl = self._lease + self._window + _LONGER
        return Upsert(_held(name), value, etag=etag, ttl=ttl, first_write=first_write)


def _held(name: str) -> str:
    return f"pillion:inbox:{name}:claim"


def _record(name: str) -> str:
    return f"pillion:inbox:{name}:done"
