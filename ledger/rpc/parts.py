"""What the services share: one of each for a server, put together from the engine, the projections and the vault."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from domain.event import Policy
from domain.ports import Clock
from domain.services.catalogue import Catalogue
from ledger.audit.access import AccessLog
from ledger.audit.signing.checkpoints import Checkpoints
from ledger.issuer import LocalIssuer
from ledger.rpc.accesses import Accesses
from ledger.rpc.aliases import Aliases
from ledger.rpc.audits import Audits
from ledger.rpc.balance_watch import BalanceWatch
from ledger.rpc.bindings import Bindings
from ledger.rpc.cards import Cards
from ledger.rpc.customers import Customers
from ledger.rpc.facts import AccountFacts
from ledger.rpc.gateway import Gateway, LedgerEngine, Threads
from ledger.rpc.metrics import Metrics
from ledger.rpc.notifications import Notifications
from ledger.rpc.operations import Operations
from ledger.rpc.paging import Pager
from ledger.rpc.payments import Payments
from ledger.rpc.personal import PersonalData
from ledger.rpc.proposals import ProposalReads
from ledger.rpc.providers import GrpcProviders
from ledger.rpc.quotes import Quotes
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.settings import RpcSettings, utc_offset
from ledger.rpc.tellers import Teller
from ledger.rpc.tokens import Tokens
from ledger.rpc.vault_port import VaultPort
from ledger.rpc.vault_work import VaultWork
from projections.queries import Reader


class Parts:
    """One of each, for one edge. Made inside a running event loop."""

    def __init__(
        self,
        engine: LedgerEngine,
        reader: Reader,
        vault: VaultPort,
        checkpoints: Mapping[int, Checkpoints],
        access_log: AccessLog,
        settings: RpcSettings,
        *,
        policy: Policy,
        clock: Clock,
        catalogue: Catalogue,
        page_key: bytes | None,
        registry: CollectorRegistry,
        others: Sequence[LedgerEngine] = (),
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.catalogue = catalogue
        self.zone = ZoneInfo(settings.business_time_zone)
        self.utc_offset_seconds = utc_offset(settings.business_time_zone)
        self.metrics = Metrics(registry)
        self.threads = Threads.start(settings.read_threads)
        # Questions.
        self.gateway = gateway = Gateway(engine, self.threads, others)
        self.facts = AccountFacts(gateway)
        self.operations = Operations(gateway, self.facts)
        self.pager = Pager(page_key or vault.vault.secret("page tokens"))
        self.log_reads = LogReads(gateway, settings.position_poll_seconds)
        self.reads = Reads(gateway, reader, self.pager, clock, settings.position_poll_seconds)
        self.proposals = ProposalReads(self.log_reads, self.reads, clock)
        self.accesses = Accesses(access_log, clock)
        self.audits = Audits(gateway, checkpoints, self.log_reads, self.reads, settings, policy)
        # What needs the vault.
        kept, providers = vault.vault, GrpcProviders(settings.providers, settings.provider_timeout_seconds)
        self.vault_work = work = VaultWork(settings.max_concurrent_calls)
        personal = PersonalData(gateway, work, kept)
        self.customers = customers = Customers(gateway, work, vault, personal, clock, settings)
        self.cards = Cards(gateway, work, kept, clock)
        self.tokens = Tokens(gateway, work, kept, personal, clock, settings)
        self.bindings = Bindings(gateway, work, vault, personal, clock, settings)
        self.aliases = Aliases(gateway, work, vault, personal, clock, settings)
        self.quotes = Quotes(gateway, work, customers, self.aliases, kept, settings.qr_host)
        self.payments = Payments(gateway, work, kept, personal, catalogue, providers, reader, clock, settings)
        self.balance_watch = BalanceWatch(self.reads, gateway.engines, settings)
        self.notifications = Notifications(gateway, self.reads, self.log_reads, customers, settings)
        self.teller = Teller(
            gateway, self.facts, customers, self.bindings, self.aliases, self.quotes, self.tokens, self.payments
        )
        self.personaliser = vault.issuer if settings.development and isinstance(vault.issuer, LocalIssuer) else None
