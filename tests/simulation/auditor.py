"""The auditor: sees every row that is settled and every answer that reaches a client, and believes nothing else.

It shares no code with the engine. Rows are told apart by their columns and the plain JSON of their states, and what
a request should have come to is what the reference ledger says (``tests/reference``, written from the rules alone),
asked the same in the order of the log. It looks after every step that changes anything.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Final

from domain.ports import Row
from tests.faults.race import items_of
from tests.faults.rival import Ask, Told
from tests.reference.ledger import BACK, LEAVES_NO_TRACE
from tests.simulation.bulks import BulkLedger, as_asked, outcome_in, verdicts
from tests.simulation.database import Database
from tests.simulation.scheduler import SECOND

LOST: Final = "lost"
DUPLICATED: Final = "duplicated"
DIVERGED: Final = "diverged"
_TRIALS: Final = 3
_READS_NO_BALANCE: Final = ("force_post", "refund", "issue_card")
_NO_BULK: Final = frozenset(("BULK_NOT_FOUND", "BULK_LEG_NOT_FOUND"))
"""What may be said of a leg whose bulk is not there when it is asked for, and may be there when that is decided."""
_CLOCKS_DIFFER: Final = 11 * SECOND
_BESIDE: Final = ("claim.", "early_reversal.")
"""Topics of rows that stand in one append with the request that made them."""


class Violation(AssertionError):
    """Something that must never be. ``kind`` is what it is counted as."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Auditor:
    """Checks rows as they are settled, answers as they arrive, and figures whenever somebody shows any."""

    def __init__(self, database: Database, *, hold_seconds: int) -> None:
        self.reference = BulkLedger(currencies=("KGS", "USD"), hold=hold_seconds * SECOND)
        self.position = 0
        """How far the log has been audited."""
        self.epoch = 0
        self.owner = ""
        self.acknowledged = 0
        self.recorded: dict[bytes, tuple[str, int]] = {}
        """What the log says of each request: the verdict and the position."""
        self.acked: dict[bytes, tuple[str, int]] = {}
        """What clients were told of each request that is recorded."""
        self.kinds: Counter[str] = Counter()
        """Verdicts, by command."""
        self._database = database
        self._asked: dict[bytes, Ask] = {}
        self._asked_at: dict[bytes, int] = {}
        self._writer = ""
        self._hashes: list[bytes] = []
        self._versions: defaultdict[bytes, int] = defaultdict(int)
        self.recorded_at = 0
        """When the last row was recorded that has been audited."""
        self._expired: set[bytes] = set()
        self._items: list[bytes] = []
        """Transfers of an atomic batch whose rows are still to come."""
        self._firsts: Counter[bytes] = Counter()
        """How often each request was told to be done now, and not before."""
        self._trials: dict[int, tuple[Ask, set[str]]] = {}
        self.on_takeover: Callable[[str, str], None] = lambda before, after: None
        """Hears whose process owned the partition, and whose does from now on."""
        database.watchers.append(self.look)

    # Requests.

    def asked(self, ask: Ask) -> None:
        """Hear what a client is about to ask for the first time."""
        items = [ask._replace(name="transfer", request=key, content=each) for key, each in ask.content.get("items", ())]
        for one in (ask, *items):
            self._asked.setdefault(one.request, one)
            self._asked_at.setdefault(one.request, self._database.scheduler.now)

    def tried(self, tag: int, ask: Ask) -> None:
        """Hear of a trial run that is about to be asked for."""
        if len(self._trials) >= _TRIALS:
            del self._trials[next(iter(self._trials))]  # Nobody will be told: its messages were lost.
        self._trials[tag] = ask, set()
        self._try(ask, self._trials[tag][1])

    def _try(self, ask: Ask, verdicts: set[str]) -> None:
        # A record's time may be ahead of the clock, and the clocks of engines differ.
        for at in (self.recorded_at + 1, self._database.scheduler.now):
            verdicts.add(self.reference.ask(ask.name, ask.caller, ask.request, at, ask.content, trial=True))

    # Rows.

    def look(self) -> None:
        """Audit what has been settled since."""
        while self.position < self._database.settled:
            self._audit(self._database.rows[self.position], self._database.writers[self.position])
            self.position += 1
            for ask, possible in self._trials.values():
                self._try(ask, possible)

    def _audit(self, row: Row, writer: str) -> None:
        place = f"position {row.position}, {row.topic}"
        require(row.position == self.position + 1, DIVERGED, f"{place} stands after {self.position}")
        require(row.recorded_at > self.recorded_at, DIVERGED, f"{place} was recorded before the one before it")
        version = self._versions[row.originator_id] + 1
        require(row.originator_version == version, DIVERGED, f"{place} is not version {version} of its aggregate")
        self.recorded_at = row.recorded_at
        self._versions[row.originator_id] = version
        self._hashes.append(fingerprint(row))
        if row.topic.startswith("engine.started."):
            self._started(json.loads(row.state), writer, place)
            return
        require(writer == self._writer, DIVERGED, f"{place} was written by {writer}, the owner is {self._writer}")
        key = row.request_id or (row.originator_id if row.originator_version == 1 else b"")
        if key in self._asked:
            self._request(key, row, place)
        elif row.topic.startswith("authorization.expired."):
            self._expiry(row, place)
        else:
            known = row.topic.startswith(("engine.", *_BESIDE))
            require(known, DIVERGED, f"{place} is something that nobody asked for")
            if row.topic.startswith(_BESIDE):
                before = self._database.rows[row.position - 2]
                require(not before.topic.startswith("engine."), DIVERGED, f"{place} stands by itself")

    def _started(self, state: dict[str, Any], writer: str, place: str) -> None:
        require(state["epoch"] == self.epoch + 1, DIVERGED, f"{place} begins epoch {state['epoch']} after {self.epoch}")
        before, self._writer = self._writer, writer
        self.epoch, self.owner = state["epoch"], state["owner"]
        self.on_takeover(before, writer)

    def _request(self, key: bytes, row: Row, place: str) -> None:
        require(key not in self.recorded, DUPLICATED, f"{place} is the second outcome of {key.hex()}")
        ask = self._asked[key]
        require(row.caller == ask.caller, DIVERGED, f"{place} is recorded as {row.caller}'s, not {ask.caller}'s")
        state = json.loads(row.state)
        require(as_asked(ask, row, state), DIVERGED, f"{place} is not what was asked for: {ask}")
        said = outcome_in(row.topic, state)
        if self._items:
            require(key == self._items.pop(0), DIVERGED, f"{place} is not the next transfer of its batch")
            due = "OK"  # The reference has moved it with its batch.
        else:
            if ask.name not in _READS_NO_BALANCE:
                self._lapsed(ask.content, row.recorded_at, place)
            due = self.reference.ask(ask.name, ask.caller, key, row.recorded_at, ask.content)
            if ask.name == "batch" and said == "OK":
                self._items = [item for item, _ in ask.content["items"]]
        require(said == due, DIVERGED, f"{place} says {said}, the rules say {due}: {ask}")
        self.recorded[key] = said, row.position
        self.kinds.update(verdicts(ask, said))

    def _lapsed(self, content: dict[str, Any], at: int, place: str) -> None:
        """Require that holds which had lapsed by then on what a command is about were ended before it."""
        about = {content.get("account"), content.get("debit"), *(leg[0] for leg in content.get("legs", ()))}
        if (content.get("bulk"), content.get("leg")) in self.reference.bulk_legs:
            about.add(self.reference.bulk_legs[content["bulk"], content["leg"]]["credit"])
        for key, one in self.reference.authorizations.items():
            if key == content.get("authorization") or one["account"] in about:
                ended = one["expires"] > at or key in self._expired or one["state"] not in ("open", "expired")
                require(ended, DIVERGED, f"{place} was decided as if a hold of {one['account']} had not lapsed")

    def _expiry(self, row: Row, place: str) -> None:
        one = self.reference.authorizations.get(row.originator_id)
        if one is None:
            raise Violation(DIVERGED, f"{place} ends a hold that does not exist")
        lapsed = one["state"] == "expired" or (one["state"] == "open" and one["expires"] <= row.recorded_at)
        require(lapsed, DIVERGED, f"{place} ends a hold that is {one['state']} before its time")
        require(row.originator_id not in self._expired, DUPLICATED, f"{place} ends a hold a second time")
        self._expired.add(row.originator_id)
        one["state"], one["remaining"] = "expired", 0

    # Answers.

    def answered(self, ask: Ask, told: Iterable[Told], *, known: frozenset[bytes], missing: frozenset[str]) -> None:
        """Hear what a client was told about its request.

        ``known`` of its items were recorded when it was asked, and this was ``missing`` of what it names.
        """
        for item, one in zip(items_of(ask), told, strict=True):
            self.acknowledged += 1
            if one.position:
                self._acknowledged(item, one)
                continue
            text = f"{ask.name} {item.hex()} was answered {one.verdict}"
            require(item not in known, LOST, f"{text} after it had been recorded")
            require(one.verdict in LEAVES_NO_TRACE, DIVERGED, f"{text} without a record")
            if one.verdict.endswith(("_NOT_FOUND", "_UNKNOWN")):
                require(one.verdict in missing, LOST, f"{text}, but everything it names was there")
            if one.verdict == "EFFECTIVE_TIME_OUT_OF_BOUNDS":
                require(self._out_of_bounds(ask), DIVERGED, f"{text}, but that was never so: {ask}")

    def _out_of_bounds(self, ask: Ask) -> bool:
        """Tell whether an effective time may have been out of its bounds since it was asked for."""
        earliest = self._asked_at[ask.request] - _CLOCKS_DIFFER
        latest = max(self._database.scheduler.now, self.recorded_at) + _CLOCKS_DIFFER
        return not latest - BACK <= ask.content["when"] <= earliest

    def _acknowledged(self, item: bytes, told: Told) -> None:
        text = f"{item.hex()} was answered {told.verdict} at {told.position}"
        require(told.position <= self._database.settled, LOST, f"{text} before that was durable")
        require(self.recorded.get(item) == (told.verdict, told.position), LOST, f"{text}: {self.recorded.get(item)}")
        require(self.acked.setdefault(item, (told.verdict, told.position)) == (told.verdict, told.position), LOST, text)
        if not told.replayed:
            self._firsts[item] += 1
            require(self._firsts[item] == 1, DUPLICATED, f"{text} for the first time, twice")

    def answered_reused(self, ask: Ask, told: Told) -> None:
        """Hear what was told about other content under an id that had its outcome."""
        require(told.verdict == "REQUEST_ID_REUSED", DUPLICATED, f"other content under {ask.request.hex()}: {told}")

    def answered_trial(self, tag: int, told: Told) -> None:
        """Hear what a trial run would have come to: what it would have at some moment since it was asked for."""
        if tag not in self._trials:
            return
        ask, verdicts = self._trials.pop(tag)
        self._try(ask, verdicts)
        require(told.verdict in verdicts, DIVERGED, f"a trial of {ask} says {told.verdict}, the rules say {verdicts}")
        require(told.position == 0, DIVERGED, f"a trial of {ask} stands at {told.position}")

    def known(self, ask: Ask) -> frozenset[bytes]:
        return frozenset(item for item in items_of(ask) if item in self.recorded)

    def missing(self, ask: Ask) -> frozenset[str]:
        """Return as what a request may be refused because something that it names is not there."""
        ledger = self.reference
        found = set()
        for content in [content for _, content in ask.content.get("items", ())] or [ask.content]:
            accounts = {content.get(name) for name in ("account", "debit", "credit", "merchant")} - {None}
            accounts |= {account for leg in content.get("legs", ()) for account in leg[:2]}
            if accounts - ledger.accounts.keys():
                found |= {"ACCOUNT_NOT_FOUND", "ACCOUNTS_UNKNOWN"}
            if content.get("transfer", b"") not in {b"", *ledger.transfers}:
                found.add("TRANSFER_NOT_FOUND")
            if content.get("authorization") not in {None, *ledger.authorizations}:
                found.add("AUTHORIZATION_NOT_FOUND")
            if {content.get("card"), content.get("by")} - {None, *ledger.cards}:
                found.add("CARD_NOT_FOUND")
            if "bulk" in content and (content["bulk"], content["leg"]) not in ledger.bulk_legs:
                found |= {"BULK_LEG_NOT_FOUND"} if content["bulk"] in ledger.bulks else _NO_BULK
        return frozenset(found)

    # Figures.

    def compare(self, whose: str, figures: Callable[[int], tuple[int, int] | None], *, lapsed: bool = True) -> None:
        """Compare what somebody who has seen as much of the log has of each account: what is posted and held.

        ``lapsed``: holds count until it is recorded that they have ended.
        """
        ledger = self.reference
        total: Counter[str] = Counter()
        for account, own in ledger.accounts.items():
            posted = ledger.posted(account)
            total[own["currency"]] += posted
            found = figures(account)
            due = posted, ledger.held(account, self.recorded_at) if lapsed else ledger.held(account, 1 << 62)
            require(found == due, DIVERGED, f"{whose} at {self.position}: account {account} has {found}, not {due}")
        require(not any(total.values()), DIVERGED, f"the books sum to {dict(total)}")

    def finish(self) -> None:
        """Check at the end that nothing that was seen once is other or gone, and nothing is left half done."""
        self.look()
        rows = self._database.rows
        require(len(rows) == len(self._hashes), LOST, f"{len(self._hashes)} rows were settled, {len(rows)} are there")
        for row, seen in zip(rows, self._hashes, strict=True):
            require(fingerprint(row) == seen, LOST, f"position {row.position} is not what it was")
        for item, told in self.acked.items():
            require(self.recorded.get(item) == told, LOST, f"{item.hex()} was answered {told}")
        require(not self._items, DIVERGED, "a batch lacks transfers")


def require(holds: object, kind: str, text: str) -> None:
    if not holds:
        raise Violation(kind, text)


def fingerprint(row: Row) -> bytes:
    return sha256(repr(tuple(row)).encode()).digest()
