"""What reads, explains and proves the history of each partition: one of each for a partition, made when it is asked.

Every server answers about every partition, from the database; only who signs a new checkpoint must decide there. So a
question is never forwarded, and one that names a partition which the ledger does not have is refused.
"""

from collections.abc import Mapping
from typing import NamedTuple

from domain import ids
from domain.event import Policy
from domain.refusals import Refused, invalid
from ledger.audit.signing.checkpoints import Checkpoints
from ledger.rpc.audit_proofs import AuditProofs
from ledger.rpc.audit_questions import AuditQuestions, Replaying
from ledger.rpc.audit_reads import AuditReads
from ledger.rpc.gateway import Gateway
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.settings import RpcSettings
from ledger.rpc.whereabouts import check_partition


class Audit(NamedTuple):
    """What answers auditors about one partition."""

    log: LogReads
    reads: AuditReads
    questions: AuditQuestions
    proofs: AuditProofs


class Audits:
    """Answers about every partition. Used inside one running event loop."""

    def __init__(
        self,
        gateway: Gateway,
        checkpoints: Mapping[int, Checkpoints],
        log_reads: LogReads,
        reads: Reads,
        settings: RpcSettings,
        policy: Policy,
    ) -> None:
        """Take the checkpoints of every partition, and the reads of partition 0, which lead to those of the others."""
        self._gateway = gateway
        self._checkpoints = checkpoints
        self._log_reads = log_reads
        self._reads = reads
        self._settings = settings
        self._replaying = Replaying(gateway.engine.log, policy)
        self._utc_offset_seconds = policy.utc_offset_seconds
        self._made: dict[int, Audit] = {}

    def of(self, partition: int, field: str = "partition") -> Audit:
        """Return what answers about a partition that a field of a question names; raises Refused."""
        check_partition(partition, self._gateway.engines, field)
        found = self._made.get(partition)
        if found is None:
            found = self._made[partition] = self._make(partition)
        return found

    def of_account(self, account_id: int, asked: int = 0) -> Audit | None:
        """Return what answers about an account, None where the ledger has no such partition, and so no such account.

        Raises Refused where the question names another partition than the account's; 0 names none.
        """
        partition = ids.account_partition(account_id)
        if asked not in (0, partition):
            raise Refused(invalid("partition", "MISMATCH", f"is not the account's partition ({partition})"))
        return self.of(partition) if partition in self._gateway.engines else None

    def _make(self, partition: int) -> Audit:
        gateway, log_reads = self._gateway, self._log_reads.at(partition)
        reads = AuditReads(gateway, log_reads, self._settings)
        questions = AuditQuestions(gateway, reads, log_reads, self._reads, self._replaying, self._utc_offset_seconds)
        return Audit(
            log_reads, reads, questions, AuditProofs(gateway, self._checkpoints[partition], log_reads, self._reads)
        )

    async def close(self) -> None:
        """Wait for news no more."""
        for each in self._made.values():
            await each.reads.close()
