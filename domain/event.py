"""The base of every event, and of what a decision yields.

Events are frozen ``msgspec`` structs: half a microsecond to make and encode, where pydantic takes two and a
half and a declarative aggregate seventeen. A field that has its default value is left out of the stored form.
"""

from typing import ClassVar, NamedTuple

import msgspec

from domain.times import DAY_SECONDS
from domain.token_policy import TokenPolicy


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that happened. ``TOPIC`` is its stable, language-neutral name in the log, with its version."""

    TOPIC: ClassVar[str]


class Leg(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One movement of money: ``amount`` tyiyn from the debited to the credited account."""

    kind: str
    debit_account: int
    credit_account: int
    amount: int


class Change(NamedTuple):
    """A decided event and its place in the life of its aggregate."""

    originator_id: bytes
    version: int
    event: Event


class Context(NamedTuple):
    """What a decision reads beside the state and the command."""

    request_id: bytes
    now: int
    """Recorded time of the first event, in microseconds since the Unix epoch."""
    policy: "Policy"


class HoldRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long a hold lasts. Empty fields match everything; the first matching rule is used."""

    ttl_seconds: int
    kind: str = ""
    merchant_category_code: str = ""
    entry_mode: str = ""

    def matches(self, kind: str, merchant_category_code: str, entry_mode: str) -> bool:
        """Tell whether it is the rule of such a hold."""
        return (
            self.kind in ("", kind)
            and self.merchant_category_code in ("", merchant_category_code)
            and self.entry_mode in ("", entry_mode)
        )


class Policy(msgspec.Struct, frozen=True):
    """Settings that decisions depend on. Decided events carry the outcome."""

    version: str = "default-1"
    currencies: tuple[str, ...] = ("KGS",)
    hold_rules: tuple[HoldRule, ...] = ()
    hold_ttl_seconds: int = 7 * DAY_SECONDS
    payment_hold_ttl_seconds: int = 400 * DAY_SECONDS
    """How long a payment whose provider is asked holds its total at the most: until it ends, but not for ever."""
    early_reversal_ttl_seconds: int = 7 * DAY_SECONDS
    effective_time_back_seconds: int = 30 * DAY_SECONDS
    card_prefix: str = "9417"
    utc_offset_seconds: int = 6 * 3_600
    """Where days and months begin: how far the scheme's time is ahead of UTC (Asia/Bishkek: 6 hours, all year)."""
    tokens: TokenPolicy = TokenPolicy()
    proposal_ttl_seconds: int = 3 * DAY_SECONDS
    """How long a proposal waits for a second operator."""
    rules_tolerance_seconds: int = 300
    """How far back the effective time of proposed rules may lie, for clocks that differ."""
    quote_ttl_seconds: int = 300

    binding_ttl_seconds: int = 72 * 3_600
    binding_tries: int = 3
    binding_sessions_per_day: int = 3
    binding_sessions_per_month: int = 5
    binding_cards_per_day: int = 5
    bound_cards: int = 10
    several: int | msgspec.UnsetType = msgspec.UNSET
    """How many partitions the ledger has, where it has several: what is unset leaves no trace in the stored form."""

    @property
    def partitions(self) -> int:
        """How many partitions the ledger has."""
        return 1 if self.several is msgspec.UNSET else self.several

    def hold_ttl(self, kind: str, merchant_category_code: str, entry_mode: str) -> int:
        """Return how many seconds a hold of this sort lasts."""
        for rule in self.hold_rules:
            if rule.matches(kind, merchant_category_code, entry_mode):
                return rule.ttl_seconds
        return self.hold_ttl_seconds
