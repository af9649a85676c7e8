"""Compares a ledger with the journal of its clients, from outside and in full.

Every function returns what differs, in words, and nothing when all agrees.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ledger.rpc.client import Ledger
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_pb2 import StatementLine, TrialBalanceLine
from protos.esep.v1.statement_service_pb2 import (
    BatchGetBalancesRequest,
    GetStatementRequest,
    GetTrialBalanceRequest,
)
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest, GetOutcomeRequest
from scripts.demo_journal import Intent, Journal, Outcome
from scripts.demo_load import new_transfer

CALL_SECONDS: Final = 60.0
"""Answers wait until everything is projected that was acknowledged, much of it just now."""
_BATCH: Final = 1_000
_SHOWN: Final = 5


def differences(ledger: Ledger, journal: Journal, opening: Mapping[int, int]) -> list[str]:
    """Return everything in which the ledger and the journal disagree. The journal has no unanswered intents."""
    return [
        *(f"acknowledged twice, differently: {found}" for found in journal.contradictions),
        *shared_positions(journal),
        *changed_outcomes(ledger, journal),
        *wrong_balances(ledger, journal, opening),
        *wrong_movements(ledger, journal, list(opening)),
        *unbalanced(trial_balance(ledger, reached(journal))),
    ]


def reached(journal: Journal) -> LogPosition:
    """Return the last position that was acknowledged."""
    return LogPosition(position=max((outcome.position for outcome in journal.outcomes.values()), default=0))


def shared_positions(journal: Journal) -> list[str]:
    """Find outcomes that claim the same place in the log."""
    places = Counter(outcome.position for outcome in journal.outcomes.values())
    return [f"position {position} was given to {count} outcomes" for position, count in places.items() if count > 1]


def changed_outcomes(ledger: Ledger, journal: Journal) -> list[str]:
    """Send every acknowledged request again: each must be answered as a repetition, with its first outcome."""
    found: list[str] = []
    known = [journal.intents[request_id] for request_id in journal.outcomes]
    for start in range(0, len(known), _BATCH):
        found += _changed(ledger, journal, known[start : start + _BATCH])
    return found


def _changed(ledger: Ledger, journal: Journal, intents: Sequence[Intent]) -> Iterator[str]:
    request = CreateTransfersRequest(transfers=map(new_transfer, intents))
    answer = ledger.transfers.CreateTransfers(request, timeout=CALL_SECONDS)
    replayed = set(answer.replayed)
    refusals = {refusal.index: refusal.reason for refusal in answer.refusals}
    for index, (intent, position) in enumerate(zip(intents, answer.positions, strict=True)):
        first, now = journal.outcomes[intent.request_id], Outcome(position, refusals.get(index, ""))
        if first != now:
            yield f"{intent.request_id}: acknowledged as {first}, is now {now}"
        elif index not in replayed:
            yield f"{intent.request_id}: was lost, and made anew at the same position {position}"


def forgotten(ledger: Ledger, journal: Journal, request_ids: Sequence[str]) -> list[str]:
    """Ask for outcomes one by one: GetOutcome must know each as it was acknowledged."""
    found = []
    for request_id in request_ids:
        request = GetOutcomeRequest(request_id=request_id, min_position=reached(journal))
        answer = ledger.transfers.GetOutcome(request, timeout=CALL_SECONDS)
        now = Outcome(answer.receipt.position, answer.refusal.reason)
        if now != journal.outcomes[request_id]:
            found.append(f"{request_id}: acknowledged as {journal.outcomes[request_id]}, GetOutcome says {now}")
    return found


def wrong_balances(ledger: Ledger, journal: Journal, opening: Mapping[int, int]) -> list[str]:
    """Compare every account with the client's own arithmetic."""
    expected = journal.balances(opening)
    found: list[str] = []
    for start in range(0, len(expected), _BATCH):
        ids = list(expected)[start : start + _BATCH]
        request = BatchGetBalancesRequest(account_ids=ids, min_position=reached(journal))
        balances = ledger.statements.BatchGetBalances(request, timeout=CALL_SECONDS).balances
        found += [
            f"account {balance.account_id} has {balance.posted_tyiyn}, must have {expected[balance.account_id]}"
            for balance in balances
            if balance.posted_tyiyn != expected[balance.account_id]
        ]
    return found


def wrong_movements(ledger: Ledger, journal: Journal, accounts: Sequence[int]) -> list[str]:
    """Read every statement: each acknowledged transfer stands there once for either side, and nothing else does."""
    expected = Counter(
        (account, intent.request_id)
        for intent in journal.made
        for account in (intent.debit_account_id, intent.credit_account_id)
    )
    there = Counter(
        (account, line.transfer_id)
        for account in accounts
        for line in movements(ledger, account, reached(journal))
        if line.kind == "transfer"
    )
    found = [f"transfer {request} is missing from account {account}" for account, request in expected - there]
    found += [f"transfer {request} stands in account {account} without cause" for account, request in there - expected]
    return found[:_SHOWN]


def movements(ledger: Ledger, account_id: int, position: LogPosition) -> Iterator[StatementLine]:
    """Yield every movement of an account, oldest first."""
    request = GetStatementRequest(account_id=account_id, page_size=_BATCH, min_position=position)
    request.period_start.FromSeconds(0)
    request.period_end.FromSeconds(4_102_444_800)  # 2100-01-01
    while True:
        page = ledger.statements.GetStatement(request, timeout=CALL_SECONDS)
        yield from page.lines
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def trial_balance(ledger: Ledger, position: LogPosition) -> Sequence[TrialBalanceLine]:
    """Return the sums of all accounts by kind."""
    request = GetTrialBalanceRequest(min_position=position)
    return ledger.statements.GetTrialBalance(request, timeout=CALL_SECONDS).lines


def unbalanced(lines: Sequence[TrialBalanceLine]) -> list[str]:
    """Find the currencies whose books do not sum to zero."""
    sums: Counter[str] = Counter()
    for line in lines:
        sums[line.currency_code] += line.posted_tyiyn
    return [f"the books in {currency} sum to {total}" for currency, total in sums.items() if total]
