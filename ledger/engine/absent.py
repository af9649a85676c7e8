"""What stands for the engine of a partition that another process owns: it knows the log, and decides nothing."""

from collections.abc import Collection

from domain.refusals import Reason, Refused, refuse
from ledger.engine.tickets import Ticket
from ledger.log.api import Log


class AbsentEngine:
    """Refuses every ticket, and is never serving; whoever asks about the past reads the log."""

    durable = 0
    serving = False
    queued = 0

    def __init__(self, log: Log, partition: int) -> None:
        """Take a handle of the log, which is closed by whoever opened it."""
        self.log = log
        self.partition = partition

    def account_facts(self, account: int) -> tuple[str, str] | None:
        """Know of no account."""
        return None

    def kept_by(self, participant: str, accounts: Collection[int]) -> bool:
        """Know of no account."""
        return False

    def submit(self, ticket: Ticket) -> None:
        """Refuse: the process that owns the partition decides."""
        raise Refused(refuse(Reason.NOT_THE_OWNER))
