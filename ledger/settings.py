"""Settings of a server: from ``ESEP_*`` environment variables, over those of an ``esep.toml`` file.

Every setting has a default that suits one server on one machine: SQLite files in a data directory.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from domain import forms
from domain.credentials import LEAFLET_2022
from domain.event import HoldRule, Policy
from domain.phone import HOME, Country
from domain.qr import DEFAULT_HOST
from domain.times import DAY_SECONDS, SECOND
from domain.token_policy import TokenPolicy
from domain.transfer_qr import PROVIDER
from ledger.audit.self_audit import Pace
from ledger.audit.signing.note import COSIGNATURE, VerifierKey
from ledger.engine.settings import EngineSettings
from ledger.log.connecting import completed
from ledger.rpc.callers import KnownCaller
from ledger.rpc.settings import ChildSettings, Endpoint, RpcSettings, fixed_zone, known_host, known_policy, utc_offset

_PREFIX = "ESEP_"
_CONFIG = "ESEP_CONFIG"
_OTHERS = frozenset(
    (
        _CONFIG,
        "ESEP_SERVER",
        "ESEP_PARTITION",
        "ESEP_CLIENT_CA_FILE",
        "ESEP_CLIENT_CERTIFICATE_FILE",
        "ESEP_CLIENT_KEY_FILE",
        "ESEP_CLIENT_TOKEN_FILE",
    )
)
"""No settings: the file of settings, where clients find a server and what they show it, the partition of a library's
application."""
_TESTS = "ESEP_TEST_"


def known_witness(text: str) -> str:
    """Return a witness's key as it is written; raises ValueError for anything else."""
    if VerifierKey.parse(text).kind != COSIGNATURE:
        raise ValueError("is a key that signs notes, not one that cosigns checkpoints")
    return text


Witness = Annotated[str, AfterValidator(known_witness)]


class SettingsError(ValueError):
    """A variable of the environment that sets nothing: it would be a setting that somebody believes in."""


class Settings(BaseSettings):
    """What a server needs to know."""

    model_config = SettingsConfigDict(env_prefix="ESEP_", extra="forbid", frozen=True)

    data_dir: Path = Path("data")
    """Where the SQLite files stand."""
    database_url: SecretStr | None = None
    """The log: ``sqlite:///path`` or ``postgresql://…``; by default ``log.db`` in the data directory."""
    archive: Path | None = None
    """The directory of archived events, which every server of the ledger reads; by default `archive` in `data_dir`."""
    projections_url: SecretStr | None = None
    """The log beside whose file, or in whose database, the projections are kept; by default the log itself."""
    listen: str = "127.0.0.1:50051"
    """Host and port of the gRPC server; port 0 lets the system choose."""
    advertise: str = ""
    """Host and port at which the ledger's other servers reach this one; by default what it listens on."""
    metrics_listen: str = ""
    """Host and port of the Prometheus endpoint; empty for none."""
    development: bool = False
    """Callers are believed who they say they are, and nothing is encrypted: on loopback alone, and never unasked."""
    certificate_file: Path | None = None
    """The server's certificate, in PEM, with those between it and its authority; needed outside development."""
    key_file: Path | None = None
    """The certificate's private key, in PEM; needed outside development."""
    client_authorities_file: Path | None = None
    """Certificates of the authorities that sign clients' certificates, in PEM; without them no client shows one."""
    callers: dict[str, KnownCaller] = {}
    """Who may call outside development: by the name in the certificate, an object with role and participant."""
    token_keys_file: Path | None = None
    """Public keys of the issuer of callers' tokens, as a JWK Set; without them no token is believed."""
    token_issuer: str = ""
    """What tokens say of who issued them (`iss`)."""
    token_audience: str = ""
    """What tokens say of whom they are meant for (`aud`): this ledger."""
    token_leeway_seconds: Annotated[int, Field(ge=0, le=120)] = 30
    """How far the clock of the issuer may be from this server's."""
    token_lifetime_seconds: Annotated[int, Field(ge=1, le=86_400)] = 3_600
    """How long a token may be valid at most, from its issue to its end."""
    forwarding_keys_file: Path | None = None
    """Keys that the servers of a ledger of several partitions share, one a line, to forward calls to each other."""
    server_authorities_file: Path | None = None
    """Certificates of the authorities that sign servers' certificates, in PEM; needed with the former."""
    page_token_key: SecretStr | None = None
    """The secret that keeps page tokens from being forged; without one it follows from the master keys."""
    clock_offset_file: Path | None = None
    """A file with seconds to add to the clock; only in development."""
    services_file: Path | None = None
    """The catalogue of services that can be paid for, in JSON; by default the one that comes with Esep."""
    reflection: bool = True
    """Whether the server describes its services to whoever asks."""
    bench_methods: bool = False
    """Whether the empty methods are served that benchmarks compare with."""
    caller_calls_per_second: Annotated[float, Field(ge=0)] = 2_000.0
    """How often one caller may call, with bursts of two seconds' worth; 0 for no limit."""
    tries_per_minute: Annotated[float, Field(ge=1)] = 20.0
    """How often PIN, password, codes and held amount of one customer, or card, are tried or told."""
    lookups_per_minute: Annotated[float, Field(ge=1)] = 60.0
    """How often one customer may look up whom a phone number, card, code or provider's account belongs to."""
    max_deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """A call without a deadline gets this one; a longer one is cut to it."""
    max_concurrent_calls: Annotated[int, Field(ge=1)] = 1_000
    """Calls under way at once; more are answered RESOURCE_EXHAUSTED."""
    max_streams: Annotated[int, Field(ge=0)] = 500
    """Streams open at once, which count among the calls and must be fewer; more are answered RESOURCE_EXHAUSTED."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    """After how long without news a stream says that it lives."""
    notification_retention_seconds: Annotated[int, Field(ge=0)] = 180 * DAY_SECONDS
    """How long notifications are kept at least, by the log's own time; 0 keeps them for ever."""
    stream_permission_seconds: Annotated[float, Field(gt=0)] = 5.0
    """For how long a stream's caller is sent messages before it is looked at again what it may read."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 20.0
    """How long calls under way may take to finish when the server is stopped."""
    log_format: Annotated[str, Field(pattern="^(auto|json|console)$")] = "auto"
    """How log lines are written: for people (console), one JSON object a line (json), or, with auto, for people on a
    terminal and in JSON everywhere else."""

    max_queued: Annotated[int, Field(ge=1)] = 50_000
    """Requests that may wait, each transfer of a batch counted; more are answered RESOURCE_EXHAUSTED."""
    takeover_after_seconds: Annotated[float, Field(gt=0)] = 5.0
    """A standby takes over when the owner has given no sign of life for so long."""
    snapshot_every: Annotated[int, Field(ge=1)] = 1_000_000
    """Events between snapshots of the decision state."""

    partition_count: Annotated[int, Field(ge=1, le=1_024)] | None = None
    """How many partitions a ledger is made with, 1 by default; one that exists keeps its own number for good."""
    distribute: Annotated[str, Field(pattern="^(citus)?$")] = ""
    """``citus``: spread the log's tables over the machines of a Citus cluster, by partition."""
    partitions: Annotated[str, Field(pattern=r"^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$")] | None = None
    """Which partitions this server owns, like ``0-3`` or ``0,5``; by default all of them."""

    master_keys_file: Path | None = None
    """Keys that wrap customers' keys; by default `master-keys.json` in the data directory. Made in development."""
    checkpoint_keys_file: Path | None = None
    """Keys that sign checkpoints; by default `checkpoint-keys.json` in the data directory. Made in development."""
    ledger_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}(/[a-z0-9.-]{1,32}){0,3}$")] = "esep.kg/ledger"
    """What checkpoints call this ledger, followed by the partition: like a host and a path, unlike any other's."""
    witnesses: tuple[Witness, ...] = ()
    """Public keys of the witnesses whose cosignatures of checkpoints are kept, as notes write them."""
    self_audit_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The share of one processor that the ledger's audit of itself takes; 0 for none."""
    self_audit_again_seconds: Annotated[float, Field(gt=0)] = float(DAY_SECONDS)
    """How long the audit follows the newest events before it begins at the first one again."""
    password_policy: Annotated[str, AfterValidator(known_policy)] = LEAFLET_2022
    """The rule for customers' passwords, by its name."""
    confirmation_tries: Annotated[int, Field(ge=1)] = 5
    """Wrong confirmation codes after which a registration is void."""
    confirmation_ttl_seconds: Annotated[int, Field(ge=1, le=3_000)] = 600
    """How long a registration can be confirmed."""
    pin_tries: Annotated[int, Field(ge=1)] = 5
    """Wrong PINs in a row after which the application's PIN is locked until another is set."""
    password_tries: Annotated[int, Field(ge=1)] = 5
    """Wrong passwords in a row after which none is checked for a while."""
    password_lock_seconds: Annotated[int, Field(ge=1)] = 900
    """How long that while is."""

    providers: dict[str, Endpoint] = {}
    """Where providers answer, by their ids in the directory: {"target", "authority_file"}; `*` for all others."""
    provider_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long a provider may take to answer one question."""
    provider_patience_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long the confirmation of a payment waits for its provider before it answers."""
    provider_poll_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How soon a provider that did not say is asked again; then less and less often."""

    currencies: tuple[Annotated[str, Field(pattern=forms.whole(forms.CURRENCY))], ...] = ("KGS",)
    """ISO 4217 codes of the currencies in which accounts may be opened."""
    hold_ttl_seconds: Annotated[int, Field(ge=1)] = 7 * DAY_SECONDS
    """How long an authorisation holds its amount."""
    payment_hold_ttl_seconds: Annotated[int, Field(ge=1)] = 400 * DAY_SECONDS
    """How long a payment whose provider is asked holds its total at the most; no rule of holds shortens it."""
    hold_rules: tuple[dict[str, Any], ...] = ()
    """Exceptions to the hold's duration: objects with ttl_seconds and kind, merchant_category_code, entry_mode."""
    early_reversal_ttl_seconds: Annotated[int, Field(ge=1)] = 7 * DAY_SECONDS
    """How long a reversal that arrived before its original is kept."""
    effective_time_back_seconds: Annotated[int, Field(ge=0)] = 30 * DAY_SECONDS
    """How far back the effective time of a movement may lie."""
    proposal_ttl_seconds: Annotated[int, Field(ge=1)] = 3 * DAY_SECONDS
    """How long an adjustment, or new rules, can be approved by a second operator."""
    rules_tolerance_seconds: Annotated[int, Field(ge=0)] = 300
    """How far back the effective time of proposed rules may lie, for clocks that differ."""
    card_prefix: Annotated[str, Field(pattern="^[0-9]{1,6}$")] = "9417"
    """The first digits of every card number of the scheme."""
    token_bin: Annotated[str, Field(pattern="^[0-9]{6}$")] = TokenPolicy().bin
    """The first six digits of every token number; no card number begins with them."""
    minimum_android_version: Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){0,3}$")] = "6.0.1"
    """The oldest Android on which a token is put into a phone."""
    token_inactive_seconds: Annotated[int, Field(ge=1)] = TokenPolicy().inactive_seconds
    """How long a token may be in a phone before contactless payment is switched on; then it ends."""
    token_months: Annotated[int, Field(ge=1, le=120)] = TokenPolicy().months
    """How long a token number is valid after it was put into a phone."""
    token_key_uses: Annotated[int, Field(ge=1)] = TokenPolicy().key_uses
    """Taps that one key of a phone is good for."""
    token_key_amount_tyiyn: Annotated[int, Field(ge=1)] = TokenPolicy().key_amount
    """What may be paid with one key of a phone altogether."""
    token_key_seconds: Annotated[int, Field(ge=1)] = TokenPolicy().key_seconds
    """How long one key of a phone is good."""
    tap_tolerance_days: Annotated[int, Field(ge=0, le=365)] = TokenPolicy().tap_days
    """How many days the date of a tap may be before or after the ledger's, of the business time zone."""
    tokens_per_card: Annotated[int, Field(ge=1, le=100)] = TokenPolicy().per_card
    """Tokens that one card may have in its life."""
    alias_code_tries: Annotated[int, Field(ge=1)] = 5
    """Wrong codes after which another must be sent before a phone number is linked to a card."""
    alias_code_ttl_seconds: Annotated[int, Field(ge=1, le=3_000)] = 600
    """How long a code that was sent links its phone number."""
    alias_codes_sent: Annotated[int, Field(ge=1)] = 5
    """Codes sent for one customer, and not used, after which none is sent for a while."""
    alias_codes_lock_seconds: Annotated[int, Field(ge=1)] = 900
    """How long that while is."""
    phone_countries: tuple[Country, ...] = (HOME,)
    """ISO 3166 codes of the countries whose phone numbers can be linked to cards."""
    qr_provider: Annotated[str, Field(pattern=PROVIDER)] = "p2p.elcart.kg"
    """The provider id of codes that ask for a transfer of this ledger."""
    qr_host: Annotated[str, AfterValidator(known_host)] = DEFAULT_HOST
    """What the link of such a code begins with."""
    quote_ttl_seconds: Annotated[int, Field(ge=1, le=DAY_SECONDS)] = 300
    """How long a quoted transfer can be confirmed."""
    binding_ttl_seconds: Annotated[int, Field(ge=1)] = 72 * 3_600
    """How long the amount held for binding a card can be named, and stays held."""
    binding_tries: Annotated[int, Field(ge=1)] = 3
    """Wrong amounts after which a binding is locked."""
    binding_sessions_per_day: Annotated[int, Field(ge=1)] = 3
    """How often the binding of one card may be begun within 24 hours."""
    binding_sessions_per_month: Annotated[int, Field(ge=1)] = 5
    """How often it may be begun within 30 days."""
    binding_cards_per_day: Annotated[int, Field(ge=1)] = 5
    """How many different cards one customer may begin to bind within 24 hours."""
    bound_cards: Annotated[int, Field(ge=1)] = 10
    """How many cards may be bound to one customer."""
    card_details_tries: Annotated[int, Field(ge=1)] = 5
    """Wrong card details, of one customer or of one card, after which no more are checked for a day."""
    business_time_zone: Annotated[str, AfterValidator(fixed_zone)] = "Asia/Bishkek"
    """Where the business day ends at midnight, and with a month's last one the cards that are valid through it."""

    @field_validator("hold_rules")
    @classmethod
    def _rules(cls, rules: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for rule in rules:
            msgspec.convert(rule, HoldRule)
        return rules

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what was passed, then the environment, then the file; raises SettingsError."""
        _check_variables(settings_cls)
        file = Path(os.environ.get(_CONFIG, "esep.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @property
    def log_url(self) -> str:
        """The url of the log, with how a database that is dead or demoted is noticed."""
        if self.database_url is not None:
            return completed(self.database_url.get_secret_value())
        return f"sqlite:///{(self.data_dir / 'log.db').absolute()}"

    @property
    def page_key(self) -> bytes | None:
        """The secret of page tokens, as bytes."""
        return None if self.page_token_key is None else self.page_token_key.get_secret_value().encode()

    @property
    def read_url(self) -> str:
        """The url of the projections."""
        return self.log_url if self.projections_url is None else completed(self.projections_url.get_secret_value())

    @property
    def access_url(self) -> str:
        """Where privileged reads are noted: a file of its own on SQLite, else the log's database."""
        if self.log_url.startswith("sqlite"):
            return f"sqlite:///{(self.data_dir / 'access.db').absolute()}"
        return self.log_url

    @property
    def vault_url(self) -> str:
        """The url of the vault: `vault.db` in the data directory, or the log's PostgreSQL database."""
        if self.log_url.startswith("sqlite"):
            return f"sqlite:///{(self.data_dir / 'vault.db').absolute()}"
        return self.log_url

    @property
    def archive_dir(self) -> Path:
        """Where the segments of archived events stand."""
        return (self.archive or self.data_dir / "archive").absolute()

    @property
    def keys_file(self) -> Path:
        """Where the master keys stand."""
        return self.master_keys_file or self.data_dir / "master-keys.json"

    @property
    def codes_file(self) -> Path:
        """Where confirmation codes are written in development."""
        return self.data_dir / "confirmation-codes"

    @property
    def signing_keys_file(self) -> Path:
        """Where the keys that sign checkpoints stand."""
        return self.checkpoint_keys_file or self.data_dir / "checkpoint-keys.json"

    @property
    def witness_keys(self) -> tuple[VerifierKey, ...]:
        """The witnesses' keys."""
        return tuple(map(VerifierKey.parse, self.witnesses))

    @property
    def policy(self) -> Policy:
        """What decisions of a ledger of one partition depend on; its version changes with its content."""
        return self.policy_of(1)

    def policy_of(self, partitions: int) -> Policy:
        """Return what decisions of a ledger of so many partitions depend on."""
        policy = Policy(
            several=msgspec.UNSET if partitions == 1 else partitions,
            hold_ttl_seconds=self.hold_ttl_seconds,
            payment_hold_ttl_seconds=self.payment_hold_ttl_seconds,
            hold_rules=tuple(msgspec.convert(rule, HoldRule) for rule in self.hold_rules),
            early_reversal_ttl_seconds=self.early_reversal_ttl_seconds,
            effective_time_back_seconds=self.effective_time_back_seconds,
            currencies=tuple(sorted(set(self.currencies))),
            utc_offset_seconds=utc_offset(self.business_time_zone),
            card_prefix=self.card_prefix,
            tokens=TokenPolicy(
                bin=self.token_bin,
                minimum_android=self.minimum_android_version,
                inactive_seconds=self.token_inactive_seconds,
                months=self.token_months,
                key_uses=self.token_key_uses,
                key_amount=self.token_key_amount_tyiyn,
                key_seconds=self.token_key_seconds,
                tap_days=self.tap_tolerance_days,
                per_card=self.tokens_per_card,
            ),
            quote_ttl_seconds=self.quote_ttl_seconds,
            binding_ttl_seconds=self.binding_ttl_seconds,
            binding_tries=self.binding_tries,
            binding_sessions_per_day=self.binding_sessions_per_day,
            binding_sessions_per_month=self.binding_sessions_per_month,
            binding_cards_per_day=self.binding_cards_per_day,
            bound_cards=self.bound_cards,
            proposal_ttl_seconds=self.proposal_ttl_seconds,
            rules_tolerance_seconds=self.rules_tolerance_seconds,
        )
        content = msgspec.json.encode(policy, order="deterministic")
        return msgspec.structs.replace(policy, version=f"settings-{sha256(content).hexdigest()[:12]}")

    def owned(self, partitions: int) -> list[int]:
        """Return which of the ledger's partitions this server owns; raises ValueError for one that there is not."""
        if self.partitions is None:
            return list(range(partitions))
        spans = [[int(end) for end in span.split("-")] for span in self.partitions.split(",")]
        owned = sorted({each for span in spans for each in range(span[0], span[-1] + 1)})
        if not owned or owned[-1] >= partitions:
            raise ValueError(f"partitions {self.partitions} are not all below {partitions}, which the ledger has")
        return owned

    @property
    def children(self) -> ChildSettings:
        """What the processes beside the one that decides are told."""
        return ChildSettings(
            log_url=self.log_url,
            archive=self.archive_dir,
            store_url=self.read_url,
            log_format=self.log_format,
            keep_notices=self.notification_retention_seconds * SECOND,
            audit_file=self.data_dir / "self-audit.json",
            pace=Pace(self.self_audit_share, self.self_audit_again_seconds),
        )

    @property
    def rpc(self) -> RpcSettings:
        """Settings of the gRPC edge: those of the same names."""
        return RpcSettings(**{name: getattr(self, name) for name in RpcSettings.model_fields if hasattr(self, name)})

    @property
    def engine(self) -> EngineSettings:
        """The engine's own settings."""
        return EngineSettings(
            max_queued=self.max_queued,
            takeover_after=self.takeover_after_seconds,
            beat_interval=min(1.0, self.takeover_after_seconds / 5),
            snapshot_every=self.snapshot_every,
        )


def complaints(error: Exception) -> str:
    """Return what is wrong with which settings, without the values: one may be a secret under a misspelt name.

    Of an error that is about something else, its text.
    """
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(str(step) for step in found['loc']) or 'settings'}: {found['msg'].removeprefix('Value error, ')}"
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _check_variables(settings: type[BaseSettings]) -> None:
    """Raise SettingsError for a variable that is no setting, and for a file that is named and not there."""
    known = {f"{_PREFIX}{name.upper()}" for name in settings.model_fields} | _OTHERS
    given = {name for name in os.environ if name.upper().startswith(_PREFIX) and not name.startswith(_TESTS)}
    unknown = sorted(name for name in given if name.upper() not in known)
    if unknown:
        raise SettingsError(f"there is no setting {', '.join(unknown)}")
    file = os.environ.get(_CONFIG)
    if file is not None and not Path(file).exists():
        raise SettingsError(f"{_CONFIG} names {file}, which does not exist")
