"""A ledger as naive as it can be, written from the domain's description alone.

Balances are sums over a list of movements, what is held is a sum over open authorisations, and a rule is an
``if`` in the order in which the rules are documented. It is slow, keeps everything, and shares no code with the
product: where the two disagree, one of them is wrong. Reasons are the names that stand on the wire.
"""

import copy
from collections.abc import Sequence
from typing import Any

DAY = 86_400_000_000
HOLD = 7 * DAY
KEPT = 7 * DAY
BACK = 30 * DAY
MAY_BE_NEGATIVE = ("settlement", "fee_income", "cash", "clearing")
LEAVES_NO_TRACE = (
    "INVALID_ARGUMENT",
    "EFFECTIVE_TIME_OUT_OF_BOUNDS",
    "CURRENCY_UNKNOWN",
    "ACCOUNT_NOT_FOUND",
    "TRANSFER_NOT_FOUND",
    "AUTHORIZATION_NOT_FOUND",
    "CLEARING_REFERENCE_NOT_FOUND",
    "CARD_NOT_FOUND",
    "REQUEST_ID_REUSED",
    "EXPECTED_VERSION_MISMATCH",
    "ACCOUNTS_UNKNOWN",
    "BULK_NOT_FOUND",
    "BULK_LEG_NOT_FOUND",
)

Movement = tuple[int, int, int]


class No(Exception):
    """A refusal, by the name of its reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: dict(each) if isinstance(each, dict) else each for key, each in value.items()}
    return copy.copy(value)


class Ledger:
    """Every account, transfer and authorisation in dictionaries. Ids are whatever the caller uses."""

    def __init__(self, currencies: Sequence[str] = ("KGS",), *, hold: int = HOLD) -> None:
        self.currencies = currencies
        self.hold = hold
        self.now = 0
        self.accounts: dict[int, dict[str, Any]] = {}
        self.movements: list[Movement] = []
        self.transfers: dict[Any, dict[str, Any]] = {}
        self.authorizations: dict[Any, dict[str, Any]] = {}
        self.numbers: set[tuple[str, str]] = set()
        self.clearing: set[str] = set()
        self.acquirer: dict[str, dict[str, Any]] = {}
        self.outcomes: dict[Any, tuple[Any, ...]] = {}

    # Asking.

    def ask(
        self,
        name: str,
        caller: str,
        request: Any,
        at: int,
        content: dict[str, Any],
        *,
        trial: bool = False,
    ) -> str:
        """Carry a command out, or not; return "OK", what the command says of more than that, or the reason.

        ``trial``: change nothing.
        """
        if request in self.outcomes:
            first_caller, first_name, first_content, outcome = self.outcomes[request]
            same = (first_caller, first_name, first_content) == (caller, name, content)
            return str(outcome) if same else "REQUEST_ID_REUSED"
        self.now = at
        before = self._copied() if trial else {}
        self.lapse()
        try:
            outcome = getattr(self, name)(request, caller, **content) or "OK"
        except No as no:
            outcome = no.reason
        if trial:
            self.__dict__.update(before)
        elif outcome not in LEAVES_NO_TRACE:
            self.outcomes[request] = (caller, name, copy.deepcopy(content), outcome)
        return str(outcome)

    def _copied(self) -> dict[str, Any]:
        """Return everything there is, to go back to: no command changes what stands deeper than this copies."""
        return {name: _copy(value) for name, value in self.__dict__.items()}

    # Figures.

    def posted(self, account: int) -> int:
        return sum(
            (amount if credit == account else 0) - (amount if debit == account else 0)
            for debit, credit, amount in self.movements
        )

    def held(self, account: int, at: int) -> int:
        return sum(
            int(one["remaining"])
            for one in self.authorizations.values()
            if one["account"] == account and one["state"] == "open" and at < one["expires"]
        )

    def available(self, account: int, at: int) -> int:
        own = self.accounts[account]
        return self.posted(account) - self.held(account, at) + int(own["overdraft"]) - int(own["minimum"])

    def lapse(self) -> None:
        for one in self.authorizations.values():
            if one["state"] == "open" and one["expires"] <= self.now:
                one["state"] = "expired"
                one["remaining"] = 0

    # Rules that several commands share.

    def exists(self, *accounts: int) -> None:
        for account in accounts:
            if account not in self.accounts:
                raise No("ACCOUNT_NOT_FOUND")

    def one_currency(self, currency: str, *accounts: int) -> None:
        kept = {self.accounts[account]["currency"] for account in accounts}
        if currency:
            kept.add(currency)
        if len(kept) > 1:
            raise No("CURRENCY_MISMATCH")

    def may(self, account: int, frozen: str) -> None:
        if self.accounts[account]["closed"]:
            raise No("ACCOUNT_CLOSED")
        if self.accounts[account][frozen]:
            raise No("ACCOUNT_FROZEN")

    def covers(self, account: int, amount: int) -> None:
        if self.accounts[account]["kind"] in MAY_BE_NEGATIVE:
            return
        if amount > self.available(account, self.now):
            raise No("INSUFFICIENT_FUNDS")

    def move_guarded(self, movements: list[Movement]) -> None:
        """Move money in order, all or nothing: a movement may spend what an earlier one brought in."""
        before = list(self.movements)
        try:
            for debit, credit, amount in movements:
                self.exists(debit, credit)
                self.one_currency("", debit, credit, movements[0][0])
                self.may(debit, "no_debits")
                self.may(credit, "no_credits")
                self.covers(debit, amount)
                self.movements.append((debit, credit, amount))
        except No:
            self.movements = before
            raise

    def effective(self, time: int | None) -> None:
        if time is not None and not self.now - BACK <= time <= self.now:
            raise No("EFFECTIVE_TIME_OUT_OF_BOUNDS")

    def unseen(self, reference: str) -> None:
        if reference in self.clearing:
            raise No("CLEARING_REFERENCE_SEEN")

    # Accounts.

    def open_account(
        self,
        request: Any,
        caller: str,
        *,
        participant: str,
        kind: str,
        currency: str,
        number: str,
        overdraft: int,
        minimum: int,
    ) -> None:
        if currency not in self.currencies:
            raise No("CURRENCY_UNKNOWN")
        if number and (participant, number) in self.numbers:
            raise No("ACCOUNT_NUMBER_TAKEN")
        if number:
            self.numbers.add((participant, number))
        self.accounts[len(self.accounts) + 1] = {
            "kind": kind,
            "currency": currency,
            "overdraft": overdraft,
            "minimum": minimum,
            "no_debits": False,
            "no_credits": False,
            "closed": False,
            "version": 1,
        }

    def _living(self, account: int, version: int | None) -> dict[str, Any]:
        self.exists(account)
        own = self.accounts[account]
        if version is not None and version != own["version"]:
            raise No("EXPECTED_VERSION_MISMATCH")
        if own["closed"]:
            raise No("ACCOUNT_CLOSED")
        return own

    def freeze(self, request: Any, caller: str, *, account: int, debits: bool, credits_: bool, version: Any) -> None:
        own = self._living(account, version)
        own["no_debits"] |= debits
        own["no_credits"] |= credits_
        own["version"] += 1

    def unfreeze(self, request: Any, caller: str, *, account: int, debits: bool, credits_: bool, version: Any) -> None:
        own = self._living(account, version)
        own["no_debits"] &= not debits
        own["no_credits"] &= not credits_
        own["version"] += 1

    def set_overdraft(self, request: Any, caller: str, *, account: int, limit: int, version: Any) -> None:
        own = self._living(account, version)
        own["overdraft"] = limit
        own["version"] += 1

    def set_minimum(self, request: Any, caller: str, *, account: int, minimum: int, version: Any) -> None:
        own = self._living(account, version)
        own["minimum"] = minimum
        own["version"] += 1

    def close(self, request: Any, caller: str, *, account: int, version: Any) -> None:
        own = self._living(account, version)
        holds = [one for one in self.authorizations.values() if one["account"] == account and one["state"] == "open"]
        if self.posted(account) != 0 or holds:
            raise No("ACCOUNT_NOT_EMPTY")
        own["closed"] = True
        own["version"] += 1

    # Transfers.

    def transfer(
        self, request: Any, caller: str, *, debit: int, credit: int, amount: int, currency: str, legs: Any, when: Any
    ) -> None:
        self.exists(debit, credit)
        self.one_currency(currency, debit, credit)
        self.may(debit, "no_debits")
        self.may(credit, "no_credits")
        self.effective(when)
        self.move_guarded([(debit, credit, amount), *legs])
        self.transfers[request] = {
            "debit": debit,
            "credit": credit,
            "amount": amount,
            "legs": list(legs),
            "reversed": 0,
            "whole": False,
        }

    def reverse_transfer(self, request: Any, caller: str, *, transfer: Any, amount: int | None) -> None:
        if transfer not in self.transfers:
            raise No("TRANSFER_NOT_FOUND")
        one = self.transfers[transfer]
        if one["whole"]:
            raise No("ALREADY_REVERSED")
        left = one["amount"] - one["reversed"]
        part = left if amount is None else amount
        if part > left:
            raise No("OVER_REVERSAL")
        legs = one["legs"] if amount is None else []
        back = [(credit, debit, sum_) for debit, credit, sum_ in reversed(legs)]
        if part:
            back.append((one["credit"], one["debit"], part))
        self.move_guarded(back)
        one["reversed"] += part
        one["whole"] = amount is None or (part == left and not one["legs"])

    def batch(self, request: Any, caller: str, *, items: Any) -> None:
        """Post every transfer or none."""
        before = self._copied()
        for item, content in items:
            try:
                if item in self.outcomes or item == request:
                    raise No("REQUEST_ID_REUSED")
                self.transfer(item, caller, **content)
            except No:
                self.__dict__.update(before)
                raise
            self.outcomes[item] = (caller, "transfer", copy.deepcopy(content), "OK")

    # Authorisations.

    def _earlier(self, reference: str) -> None:
        seen = self.acquirer.get(reference)
        if not reference or seen is None:
            return
        if seen["by"] is not None:
            raise No("ACQUIRER_REFERENCE_SEEN")
        if self.now < seen["reversed_at"] + KEPT:
            raise No("REVERSED_BEFORE")

    def _hold(self, request: Any, *, account: int, credit: int, amount: int, reference: str, state: str) -> None:
        self.authorizations[request] = {
            "account": account,
            "credit": credit,
            "currency": self.accounts[account]["currency"],
            "state": state,
            "remaining": amount if state == "open" else 0,
            "expires": self.now + self.hold,
            "captured": 0,
            "refunded": 0,
        }
        if reference and state == "open":
            self.acquirer[reference] = {"by": request, "reversed_at": None}

    def authorize(
        self,
        request: Any,
        caller: str,
        *,
        account: int,
        credit: int,
        amount: int,
        currency: str,
        reference: str,
        partial: bool,
    ) -> None:
        self.exists(account, credit)
        try:
            self.one_currency(currency, account, credit)
            self._earlier(reference)
            self.may(account, "no_debits")
            free = self.available(account, self.now)
            if partial and free > 0 and self.accounts[account]["kind"] not in MAY_BE_NEGATIVE:
                amount = min(amount, free)
            self.covers(account, amount)
        except No:
            self._hold(request, account=account, credit=credit, amount=0, reference="", state="declined")
            raise
        self._hold(request, account=account, credit=credit, amount=amount, reference=reference, state="open")

    def advise(
        self,
        request: Any,
        caller: str,
        *,
        account: int,
        credit: int,
        amount: int,
        currency: str,
        reference: str,
    ) -> None:
        self.exists(account, credit)
        try:
            self.one_currency(currency, account, credit)
            self._earlier(reference)
        except No:
            self._hold(request, account=account, credit=credit, amount=0, reference="", state="declined")
            raise
        self._hold(request, account=account, credit=credit, amount=amount, reference=reference, state="open")

    def _approved(self, authorization: Any) -> dict[str, Any]:
        if authorization not in self.authorizations:
            raise No("AUTHORIZATION_NOT_FOUND")
        one = self.authorizations[authorization]
        if one["state"] == "declined":
            raise No("AUTHORIZATION_DECLINED")
        return one

    def _open(self, authorization: Any) -> dict[str, Any]:
        one = self._approved(authorization)
        if one["state"] != "open":
            raise No("ALREADY_RESOLVED")
        return one

    def increment(self, request: Any, caller: str, *, authorization: Any, amount: int) -> None:
        one = self._open(authorization)
        self.may(one["account"], "no_debits")
        self.covers(one["account"], amount)
        one["remaining"] += amount

    def replace(self, request: Any, caller: str, *, authorization: Any, total: int) -> None:
        self._open(authorization)["remaining"] = total

    def reverse_part(self, request: Any, caller: str, *, authorization: Any, amount: int) -> None:
        one = self._open(authorization)
        if amount > one["remaining"]:
            raise No("OVER_REVERSAL")
        one["remaining"] -= amount

    def reverse(self, request: Any, caller: str, *, authorization: Any, reference: str) -> None:
        if authorization is None:
            seen = self.acquirer.get(reference)
            if seen is None or seen["by"] is None:
                self.acquirer[reference] = {"by": None, "reversed_at": self.now}
                return
            authorization = seen["by"]
        one = self._open(authorization)
        one["remaining"] = 0
        one["state"] = "reversed"

    def capture(
        self, request: Any, caller: str, *, authorization: Any, amount: int, final: bool, reference: str, parts: Any
    ) -> None:
        one = self._approved(authorization)
        self.unseen(reference)
        legs = parts or [(one["credit"], amount)]
        if sum(part for _, part in legs) != amount:
            raise No("INVALID_ARGUMENT")
        self._clear(one["account"], legs)
        self.clearing.add(reference)
        one["captured"] += amount
        one["remaining"] = 0 if final else max(0, one["remaining"] - amount)
        if final and one["state"] == "open":
            one["state"] = "captured"

    def _clear(self, account: int, legs: Any) -> None:
        for credit, _ in legs:
            self.exists(credit)
            if credit == account:
                raise No("INVALID_ARGUMENT")
            self.one_currency("", account, credit)
        self.movements += [(account, credit, amount) for credit, amount in legs]

    def force_post(self, request: Any, caller: str, *, account: int, credit: int, amount: int, reference: str) -> None:
        self.unseen(reference)
        self.exists(account, credit)
        if account == credit:
            raise No("INVALID_ARGUMENT")
        self.one_currency("", account, credit)
        self._clear(account, [(credit, amount)])
        self.clearing.add(reference)

    def refund(
        self, request: Any, caller: str, *, authorization: Any, account: int, merchant: int, amount: int, reference: str
    ) -> None:
        one = None
        if authorization is not None:
            one = self._approved(authorization)
            account, merchant = one["account"], one["credit"]
        self.unseen(reference)
        if one is not None and amount > one["captured"] - one["refunded"]:
            raise No("OVER_REFUND")
        self.exists(merchant, account)
        if one is None and self.accounts[merchant]["kind"] == "customer":
            self.one_currency("", merchant, account)
            self.may(merchant, "no_debits")
            self.covers(merchant, amount)
        self._clear(merchant, [(account, amount)])
        if one is not None:
            one["refunded"] += amount
        self.clearing.add(reference)

    def notice(self, request: Any, caller: str, *, reference: str, amount: int) -> None:
        if reference not in self.clearing:
            raise No("CLEARING_REFERENCE_NOT_FOUND")
