"""The processes beside the one that decides: one keeps the projections, another audits the history anew.

They have interpreters of their own, start before the engine, and end with the server, however it ends.
"""

from prometheus_client import CollectorRegistry

from ledger.rpc.projector import ProjectorProcess
from ledger.rpc.self_auditor import SelfAuditProcess
from ledger.rpc.settings import ChildSettings


class Children:
    """Starts and stops them together."""

    def __init__(self, told: ChildSettings, registry: CollectorRegistry, *, several: bool = False) -> None:
        """Take what they are told, where what they find is shown, and whether the ledger has several partitions."""
        projector, auditor = ProjectorProcess(told), SelfAuditProcess(told)
        auditor.show(registry, several=several)
        self._both = (projector, auditor)
        self.wake = projector.wake
        self.audited = auditor.audited

    def start(self) -> None:
        """Start them."""
        for child in self._both:
            child.start()

    def stop(self) -> None:
        """End them."""
        for child in reversed(self._both):
            child.stop()
