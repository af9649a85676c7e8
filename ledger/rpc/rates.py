"""How often one may call: each caller, and about each person or card where a secret is tried or a name is looked up.

A limit is a token bucket, which is kept as one number: the instant at which it is full again (the generic cell rate
algorithm). They bound the pace, are of this process, and begin anew with it. How many wrong tries there may be is
counted where the secret is kept, in the vault or the log, and outlives every restart: a pace is no such count.

Whoever may not do a thing is refused before it is counted, so nobody uses up the tries of somebody else's customer.
"""

from collections.abc import Mapping
from time import monotonic_ns
from typing import Any, Final, NamedTuple

from domain.refusals import Reason, Refused, refuse
from ledger.rpc.callers import Caller, Role
from ledger.rpc.errors import RETRY_AFTER
from ledger.rpc.settings import RpcSettings

SECOND: Final = 1_000_000_000
BURST_SECONDS: Final = 2
"""A caller may be ahead of its rate by as many seconds of it: computers wake up and send what has gathered."""
_KEPT: Final = 100_000
_LONGEST_ID: Final = 40
"""Characters of a subject's id that count: a longer one is none, and is refused afterwards."""


class Buckets:
    """Token buckets of one size, by whose they are. Times are in nanoseconds. For one thread."""

    def __init__(self, per_second: float, burst: float, *, kept: int = _KEPT) -> None:
        self._interval = round(SECOND / per_second)
        self._tolerance = (max(1, round(burst)) - 1) * self._interval
        self._full_at: dict[str, int] = {}
        self._kept = kept

    def wait(self, whose: str, now: int) -> int:
        """Take a token and return 0; or take none, and return after how long there will be one."""
        full_at = max(self._full_at.get(whose, now), now)
        ahead = full_at - now
        if ahead > self._tolerance:
            return ahead - self._tolerance
        if len(self._full_at) >= self._kept and whose not in self._full_at:
            self._forget(now)
        self._full_at[whose] = full_at + self._interval
        return 0

    def _forget(self, now: int) -> None:
        """Leave out the buckets that are full again, which are as if they had never been; else the half made first."""
        self._full_at = {whose: at for whose, at in self._full_at.items() if at > now}
        if len(self._full_at) >= self._kept:
            for whose in list(self._full_at)[: self._kept // 2]:
                del self._full_at[whose]


class Paced(NamedTuple):
    """A method that is limited by subject: the limit that it draws on, and the field that names the subject."""

    limit: str
    field: str


TRIES: Final = "tries"
LOOKUPS: Final = "lookups"
_CUSTOMER, _CARD = "customer_id", "card_id"
PACED: Final[Mapping[str, Paced]] = {
    "/esep.v1.CustomerService/ConfirmRegistration": Paced(TRIES, _CUSTOMER),
    "/esep.v1.CustomerService/SetPin": Paced(TRIES, _CUSTOMER),
    "/esep.v1.CustomerService/VerifyPin": Paced(TRIES, _CUSTOMER),
    "/esep.v1.AliasService/SendAliasCode": Paced(TRIES, _CUSTOMER),
    "/esep.v1.AliasService/LinkPhone": Paced(TRIES, _CUSTOMER),
    "/esep.v1.CardBindingService/RequestCardBinding": Paced(TRIES, _CUSTOMER),
    "/esep.v1.CardBindingService/ConfirmCardBinding": Paced(TRIES, _CUSTOMER),
    "/esep.v1.CardBindingService/DiscloseHeldAmount": Paced(TRIES, _CARD),
    # These tell whose a telephone number, a card, a code or an account of a provider is.
    "/esep.v1.QuoteService/CreateQuote": Paced(LOOKUPS, _CUSTOMER),
    "/esep.v1.PaymentService/PrepareServicePayment": Paced(LOOKUPS, _CUSTOMER),
    "/esep.v1.PaymentService/PrepareQrPayment": Paced(LOOKUPS, _CUSTOMER),
}
"""By the full names of methods."""


class Rates:
    """Refuses what comes too fast. The developer is held to nothing, here as elsewhere."""

    def __init__(self, settings: RpcSettings) -> None:
        general = settings.caller_calls_per_second
        self._everybody = _of_callers(general)
        self._callers = {
            name: _of_callers(known.calls_per_second)
            for name, known in settings.callers.items()
            if known.calls_per_second is not None
        }
        self._subjects = {
            TRIES: Buckets(settings.tries_per_minute / 60, settings.tries_per_minute),
            LOOKUPS: Buckets(settings.lookups_per_minute / 60, settings.lookups_per_minute),
        }

    def admit_caller(self, caller: Caller) -> None:
        """Return unless the caller has called too often; else raise Refused."""
        buckets = self._callers.get(caller.name, self._everybody)
        if buckets is None or caller.role is Role.DEVELOPER:
            return
        wait = buckets.wait(caller.name, monotonic_ns())
        if wait:
            raise _too_fast("caller", wait)

    def admit_subject(self, method: str, request: Any, caller: Caller) -> None:
        """Return unless too much was asked about the subject of a request that is allowed; else raise Refused."""
        paced = PACED.get(method)
        if paced is None or caller.role is Role.DEVELOPER:
            return
        named = f"{paced.field} {getattr(request, paced.field)[:_LONGEST_ID].replace('-', '').lower()}"
        wait = self._subjects[paced.limit].wait(named, monotonic_ns())
        if wait:
            raise _too_fast(paced.field, wait)


def _of_callers(per_second: float) -> Buckets | None:
    return Buckets(per_second, per_second * BURST_SECONDS) if per_second else None


def _too_fast(whose: str, wait: int) -> Refused:
    tenths = -(-wait * 10 // SECOND)
    return Refused(refuse(Reason.RATE_LIMITED, limited=whose, **{RETRY_AFTER: tenths / 10}))
