"""All that decisions read: the state of one partition, changed only by evolving events.

Accounts stand in columns; open authorisations stand in memory; every other aggregate is looked up by whoever
asks for a decision and kept in a bounded cache while it is in use. Changes are noted in ``journal``.
"""

from collections.abc import Collection, Iterable
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from domain import account as accounts_domain
from domain import aggregate, engine
from domain.aggregate import Aggregate
from domain.authorization import Authorization
from domain.bulk import Bulk, BulkPosted, posted_legs
from domain.claim import Claim
from domain.columns import MISSING, Accounts, Journal, Names
from domain.credit import CreditLineRefused
from domain.crossing import TransferCompleted, TransferReceived, TransferRejected, TransferReturned, TransferSent
from domain.event import Change, Policy
from domain.ids import claim_id
from domain.limits import Usage
from domain.movements import movements
from domain.published import RULES_ID, PublishedRules
from domain.transfer import BatchDeclined, BatchPosted, TransferDeclined, TransferPosted

ABSENT = object()
"""Stands in the cache for an aggregate that is known not to exist."""

MOST_BULKS = 64
"""Bulks in the cache: each takes up to three megabytes, where anything else takes a kilobyte."""
_SPARE_EXPIRIES = 1_024
"""Expiries of resolved holds that are not worth clearing away."""

_UNREMEMBERED = (
    TransferPosted,
    TransferDeclined,
    BatchPosted,
    BatchDeclined,
    CreditLineRefused,
    TransferReceived,
    TransferRejected,
    engine.CommandDeclined,
)
"""Events that begin an aggregate nobody is likely to ask for soon: it is read from the log when asked for."""

_ACCOUNT_EVENTS = (
    accounts_domain.AccountOpened,
    accounts_domain.AccountFrozen,
    accounts_domain.AccountUnfrozen,
    accounts_domain.OverdraftLimitSet,
    accounts_domain.MinimumBalanceSet,
    accounts_domain.AccountClosed,
)


class NotAtHandError(LookupError):
    """The decision needs aggregates that have not been looked up, or not recently enough."""

    def __init__(self, aggregate_id: bytes, *others: bytes) -> None:
        super().__init__(aggregate_id.hex())
        self.aggregate_id = aggregate_id
        self.aggregate_ids = (aggregate_id, *others)


class InTransit(NamedTuple):
    """Money that was sent to another partition and is neither there nor back, as far as this one knows."""

    account: int
    amount: int
    position: int
    """Where it was sent."""


class Books:
    """The decision state of one partition."""

    def __init__(
        self, partition: int, *, cache_size: int = 100_000, utc_offset_seconds: int = Policy().utc_offset_seconds
    ) -> None:
        self.partition = partition
        self.accounts = Accounts(partition)
        self.names = Names([], [])
        self.open: dict[bytes, Authorization] = {}
        self.holds: dict[int, dict[bytes, None]] = {}
        self.life = engine.EngineLife()
        self.rules = PublishedRules()
        self.usage = Usage(utc_offset_seconds)
        self.transit: dict[bytes, InTransit] = {}
        """What is on its way to other partitions, by transfer."""
        self.journal: Journal = []
        self._due: list[tuple[int, bytes]] = []
        self._cache: dict[bytes, tuple[Any, int]] = {}
        self._cache_size = cache_size
        self._bulks: dict[bytes, None] = {}
        """Those of the cache that are bulks, the one asked for last at the end."""
        self.evicted_at = 0
        """An aggregate outside the cache has not changed after this position, unless its id is recent."""

    # Reading.

    def claim(self, kind: str, key: str) -> Claim | None:
        """Return who holds a key, as far as is known here; the log has the last word."""
        found, _ = self._cache.get(claim_id(kind, key), (None, 0))
        return found if isinstance(found, Claim) else None

    def aggregate(self, aggregate_id: bytes) -> Aggregate | None:
        """Return an aggregate, None when it does not exist; raises NotAtHandError when that is not known."""
        authorization = self.open.get(aggregate_id)
        if authorization is not None:
            return authorization
        if aggregate_id == RULES_ID:
            return self.rules
        if aggregate_id not in self._cache:
            raise NotAtHandError(aggregate_id)
        found, _ = self._cache[aggregate_id]
        return None if found is ABSENT else found

    def aggregates(self, aggregate_ids: Iterable[bytes]) -> list[Aggregate | None]:
        """Return several aggregates; what is missing of them is looked up at once, not one after another."""
        wanted = list(aggregate_ids)
        missing = [each for each in wanted if not self.at_hand(each)]
        if missing:
            raise NotAtHandError(*missing)
        return [self.aggregate(each) for each in wanted]

    def at_hand(self, aggregate_id: bytes) -> bool:
        """Tell whether ``aggregate`` can answer."""
        return aggregate_id in self.open or aggregate_id in self._cache or aggregate_id == RULES_ID

    @property
    def currencies(self) -> list[str]:
        """The currencies of accounts, by the numbers in their column."""
        return self.names.currencies

    def facts(self, account: int) -> tuple[str, str] | None:
        """Return what never changes about an account, its participant and its currency; None when it is unknown."""
        index = self.accounts.find(account)
        if index < 0:
            return None
        accounts, names = self.accounts, self.names
        return names.participants[accounts.participant[index]], names.currencies[accounts.currency[index]]

    def kept_by(self, participant: str, accounts: Collection[int]) -> bool:
        """Tell whether each of these accounts exists and is this participant's. For any thread: no view is taken."""
        if not accounts or participant not in self.names.participants:
            return False
        column, base = self.accounts.participant, self.accounts.base
        if min(accounts) <= base or max(accounts) >= base + len(column):
            return False
        indexes = [account - base for account in accounts]
        return set(map(column.__getitem__, indexes)) == {self.names.participants.index(participant)}

    def in_currency(self, account: int, currency_code: str) -> bool:
        """Tell whether an existing account is kept in this currency; an empty code names the account's own."""
        index = self.accounts.find(account)
        return currency_code in ("", self.currencies[self.accounts.currency[index]])

    def sent_from(self, account: int) -> int:
        """Return how much is on its way from an account to other partitions, in tyiyn."""
        return sum(each.amount for each in self.transit.values() if each.account == account)

    def any_lapsed(self, now: int) -> bool:
        """Tell whether some hold may have ended by ``now``."""
        return bool(self._due) and self._due[0][0] <= now

    def lapsed(self, accounts: tuple[int, ...], now: int) -> list[Authorization]:
        """Return the open authorisations of these accounts whose hold has ended by ``now``."""
        return [
            self.open[held]
            for account in dict.fromkeys(accounts)
            for held in self.holds.get(account, ())
            if self.open[held].expires_at <= now
        ]

    def due(self, now: int, limit: int) -> list[Authorization]:
        """Return up to ``limit`` open authorisations whose hold has ended by ``now``, earliest first."""
        found: dict[bytes, Authorization] = {}
        while self._due and self._due[0][0] <= now and len(found) < limit:
            expires_at, held = heappop(self._due)
            authorization = self.open.get(held)
            if authorization is not None and authorization.expires_at == expires_at:
                found[held] = authorization
        for held, authorization in found.items():  # They leave for good when a later call finds them resolved.
            heappush(self._due, (authorization.expires_at, held))
        return list(found.values())

    def next_due(self) -> int | None:
        """Return when the earliest hold ends (it may have been resolved since), None when none is open."""
        return self._due[0][0] if self._due else None

    # Changing.

    def evolve(self, change: Change, recorded_at: int, position: int) -> None:
        """Take one event into the state."""
        event = change.event
        if type(event) is TransferPosted:  # The hot path, and the only one spelled out twice.
            self.accounts.move(event.debit_account, event.credit_account, event.amount, self.journal)
            for leg in event.legs:
                self.accounts.move(leg.debit_account, leg.credit_account, leg.amount, self.journal)
            self.forget_absence(change.originator_id)
            return
        self.usage.evolve(event, recorded_at, self.journal)
        if isinstance(event, BulkPosted):
            self.accounts.move_all(*posted_legs(event), self.journal)
            self.forget_absence(change.originator_id)
            return
        for leg in movements(event):
            self.accounts.move(leg.debit_account, leg.credit_account, leg.amount, self.journal)
        if isinstance(event, _ACCOUNT_EVENTS):
            account = int.from_bytes(change.originator_id, "big")
            self.accounts.evolve(account, change.version, event, self.names, self.journal)
        elif change.originator_id == engine.ENGINE_ID:
            self._set("life", aggregate.evolve(self.life, change, recorded_at))
        elif change.originator_id == RULES_ID:
            self._set("rules", aggregate.evolve(self.rules, change, recorded_at))
        elif not isinstance(event, _UNREMEMBERED):
            self._evolve_aggregate(change, recorded_at, position)

    def _set(self, name: str, value: Any) -> None:
        self.journal.append((self.__dict__, name, self.__dict__[name]))
        self.__dict__[name] = value

    def _evolve_aggregate(self, change: Change, recorded_at: int, position: int) -> None:
        key = change.originator_id
        if isinstance(change.event, TransferSent | TransferCompleted | TransferReturned):
            self._note_transit(key, change.event, position)
        before = self.open.get(key)
        if before is None and key in self._cache:
            cached = self._cache[key][0]
            before = None if cached is ABSENT else cached
        if before is None and change.version > 1:
            # Nobody has asked for it here; whoever does reads it from the log, at this position or later.
            self.journal.append((self.__dict__, "evicted_at", self.evicted_at))
            self.evicted_at = position
            return
        after = aggregate.evolve(before, change, recorded_at)
        held_before = before.remaining if isinstance(before, Authorization) else 0
        if isinstance(after, Authorization):
            if after.remaining != held_before:
                self.accounts.hold(after.account, after.remaining - held_before, self.journal)
            if after.open:
                self._keep_open(key, after)
                return
            self._drop_open(key, after)
        self._remember(key, after, position)

    def _note_transit(self, key: bytes, event: TransferSent | TransferCompleted | TransferReturned, at: int) -> None:
        self.journal.append((self.transit, key, self.transit.pop(key, MISSING)))
        if isinstance(event, TransferSent):
            self.transit[key] = InTransit(event.debit_account, event.amount, at)

    def _keep_open(self, key: bytes, authorization: Authorization) -> None:
        before = self.open.get(key, MISSING)
        self.journal.append((self.open, key, before))
        self.open[key] = authorization
        if before is MISSING:
            if authorization.account not in self.holds:
                self.journal.append((self.holds, authorization.account, MISSING))
                self.holds[authorization.account] = {}
            holds = self.holds[authorization.account]
            self.journal.append((holds, key, MISSING))
            holds[key] = None
            heappush(self._due, (authorization.expires_at, key))
            if len(self._due) > 2 * len(self.open) + _SPARE_EXPIRIES:
                self.recount_due()  # Most entries are of holds that have been resolved since.

    def _drop_open(self, key: bytes, authorization: Authorization) -> None:
        if key not in self.open:
            return
        self.journal.append((self.open, key, self.open.pop(key)))
        holds = self.holds[authorization.account]
        self.journal.append((holds, key, holds.pop(key)))
        if not holds:
            self.journal.append((self.holds, authorization.account, self.holds.pop(authorization.account)))

    # The cache.

    def remember(self, aggregate_id: bytes, found: Aggregate | None) -> None:
        """Keep an aggregate that was read from the log and is certainly not out of date."""
        if aggregate_id not in self.open:
            self._remember(aggregate_id, ABSENT if found is None else found, 0)

    def forget_absence(self, aggregate_id: bytes) -> None:
        """Forget that somebody asked for an aggregate before it was there: now it stands in the log."""
        if aggregate_id in self._cache:
            self.journal.append((self._cache, aggregate_id, self._cache.pop(aggregate_id)))

    def none_asked_for(self, aggregate_ids: list[bytes]) -> bool:
        """Tell whether nobody has asked for any of these."""
        return self._cache.keys().isdisjoint(aggregate_ids)

    def _remember(self, key: bytes, value: Any, position: int) -> None:
        before = self._cache.pop(key, MISSING)
        self.journal.append((self._cache, key, before))
        self._cache[key] = (value, position)
        if isinstance(value, Bulk):
            self.journal.append((self._bulks, key, self._bulks.pop(key, MISSING)))
            self._bulks[key] = None
            while len(self._bulks) > MOST_BULKS:
                self._evict(next(iter(self._bulks)))
        while len(self._cache) > self._cache_size:
            self._evict(next(iter(self._cache)))

    def _evict(self, key: bytes) -> None:
        if key in self._bulks:
            self.journal.append((self._bulks, key, self._bulks.pop(key)))
        entry = self._cache.pop(key, None)
        if entry is None:
            return
        self.journal.append((self._cache, key, entry))
        if entry[1] > self.evicted_at:
            self.journal.append((self.__dict__, "evicted_at", self.evicted_at))
            self.evicted_at = entry[1]

    def recount_due(self) -> None:
        """Make the order of expiries anew, after an undo or a snapshot."""
        self._due = [(authorization.expires_at, key) for key, authorization in self.open.items()]
        heapify(self._due)
