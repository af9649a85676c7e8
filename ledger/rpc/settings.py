"""Settings of the gRPC edge, validated once by whoever starts it.

Fields that the server's own settings have as well bear the same names there.
"""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from domain.credentials import LEAFLET_2022, PASSWORD_POLICIES
from domain.phone import HOME, Country
from domain.qr import DEFAULT_HOST, is_host
from domain.token_policy import TokenPolicy
from domain.transfer_qr import PROVIDER
from ledger.audit.self_audit import Pace
from ledger.rpc.callers import KnownCaller

MEBIBYTE = 1 << 20
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
ANYWHERE = ("0.0.0.0", "[::]", "")  # noqa: S104 - what is no address to be reached at
MAX_PORT = 65_535
ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[1-9][0-9]{0,4}")


def known_policy(name: str) -> str:
    """Return the name of a password policy; raises ValueError for one that nobody wrote."""
    if name not in PASSWORD_POLICIES:
        raise ValueError(f"is not one of {', '.join(PASSWORD_POLICIES)}")
    return name


def known_zone(name: str) -> str:
    """Return the name of a time zone; raises ValueError for one that nobody lives in."""
    if name not in available_timezones():
        raise ValueError("is no time zone of the IANA database")
    return name


class ChildSettings(NamedTuple):
    """What the processes beside the one that decides are told."""

    log_url: str
    archive: Path
    """Where archived events stand."""
    store_url: str
    """Of the projections."""
    log_format: str
    keep_notices: int
    """For how many microseconds notifications are kept, 0 for ever."""
    audit_file: Path
    """Where the result of the ledger's audit of itself stands; of partitions other than 0, beside it."""
    pace: Pace
    """How fast, and how often, the ledger audits itself."""
    partitions: tuple[int, ...] = (0,)
    """Which partitions are projected and audited."""


class Endpoint(BaseModel):
    """Where a provider of services answers. Without an authority the connection is plain: only on loopback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    """``host:port``."""
    authority_file: Path | None = None
    """Certificates of the authorities that sign the provider's, in PEM."""

    @model_validator(mode="after")
    def _plain_on_loopback(self) -> Self:
        if self.authority_file is None and self.target.rpartition(":")[0] not in LOOPBACK:
            raise ValueError("a provider elsewhere than on loopback needs an authority_file")
        return self


def fixed_zone(name: str) -> str:
    """Return the name of a time zone whose clocks do not change; raises ValueError for any other."""
    winter, summer = (datetime(2026, month, 1, tzinfo=ZoneInfo(known_zone(name))).utcoffset() for month in (1, 7))
    if winter is None or winter != summer:
        raise ValueError("is a time zone whose clocks change: the days of limits would not be of one length")
    return name


def utc_offset(zone: str) -> int:
    """Return how many seconds a time zone whose clocks do not change is ahead of UTC."""
    ahead = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).utcoffset()
    if ahead is None:
        raise TypeError(f"{zone} without an offset")
    return ahead // timedelta(seconds=1)


def known_host(link: str) -> str:
    """Return the beginning of a code's link; raises ValueError for one that no code can have."""
    if not is_host(link):
        raise ValueError("is not a link that begins with https:// or http:// and has no #")
    return link


class RpcSettings(BaseModel):
    """How the edge listens and what it bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str = "127.0.0.1:50051"
    """``host:port``; port 0 takes a free one."""
    development: bool = False
    """Plain text and the development identity. Loopback only."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    client_authorities_file: Path | None = None
    """Certificates of the authorities that sign clients' certificates; without them no client is asked for one."""
    advertise: str = ""
    """``host:port`` at which other servers reach this one, where that is not what it listens on."""
    forwarding_keys_file: Path | None = None
    """Keys that the servers of a ledger share; without them nothing is forwarded, but in development."""
    server_authorities_file: Path | None = None
    """Certificates of the authorities that sign servers' certificates."""
    takeover_after_seconds: Annotated[float, Field(gt=0)] = 5.0
    """After how long without a sign of life nothing is forwarded to a server any more."""
    callers: dict[str, KnownCaller] = {}
    """Who may call outside development, by the name in the certificate; and what a token may say of these names."""
    token_keys_file: Path | None = None
    """Public keys of the issuer of tokens, a JWK Set; without them no token is believed."""
    token_issuer: str = ""
    token_audience: str = ""
    token_leeway_seconds: Annotated[int, Field(ge=0, le=120)] = 30
    token_lifetime_seconds: Annotated[int, Field(ge=1, le=86_400)] = 3_600
    caller_calls_per_second: Annotated[float, Field(ge=0)] = 2_000.0
    """How often a caller may call; 0 for as often as it likes."""
    tries_per_minute: Annotated[float, Field(ge=1)] = 20.0
    """How often a PIN, password, code or held amount is tried, or told, of one customer or card."""
    lookups_per_minute: Annotated[float, Field(ge=1)] = 60.0
    """How often one customer is told whom a telephone number, card or code belongs to."""
    max_deadline_seconds: Annotated[float, Field(gt=0)] = 60.0
    """The time a call without a deadline, or with a longer one, is given."""
    max_request_bytes: Annotated[int, Field(gt=0)] = 16 * MEBIBYTE
    max_concurrent_calls: Annotated[int, Field(gt=0)] = 10_000
    max_streams: Annotated[int, Field(ge=0)] = 500
    """Streams open at once; they count among the calls, and must leave room for others."""
    max_queued: Annotated[int, Field(gt=0)] = 50_000
    """Requests that the engine lets wait, each transfer of a batch counted; it is the engine that holds to it."""
    read_threads: Annotated[int, Field(gt=0)] = 4
    providers: dict[str, Endpoint] = {}
    """Where providers of services answer, by their ids in the directory; ``*`` for all others."""
    provider_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long a provider may take to answer one question."""
    provider_patience_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long the confirmation of a payment waits for its provider before it answers."""
    provider_poll_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How soon a provider that did not say is asked again; then less and less often."""
    position_poll_seconds: Annotated[float, Field(gt=0)] = 0.005
    notification_poll_seconds: Annotated[float, Field(gt=0)] = 0.05
    """How often all open streams together look for news."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    """After how long without news a stream says that it lives."""
    stream_permission_seconds: Annotated[float, Field(gt=0)] = 5.0
    """For how long a stream's caller, once admitted, is sent messages without being looked at again."""
    health_poll_seconds: Annotated[float, Field(gt=0)] = 0.1
    reflection: bool = False
    channelz: bool = False
    bench_methods: bool = False
    """Serve ``esep.bench.Empty``: methods that do nothing, to measure what the edge itself costs."""

    alias_code_tries: Annotated[int, Field(ge=1)] = 5
    alias_code_ttl_seconds: Annotated[int, Field(ge=1, le=3_000)] = 600
    alias_codes_sent: Annotated[int, Field(ge=1)] = 5
    alias_codes_lock_seconds: Annotated[int, Field(ge=1)] = 900
    phone_countries: tuple[Country, ...] = (HOME,)
    qr_provider: Annotated[str, Field(pattern=PROVIDER)] = "p2p.elcart.kg"
    qr_host: Annotated[str, AfterValidator(known_host)] = DEFAULT_HOST

    business_time_zone: Annotated[str, AfterValidator(fixed_zone)] = "Asia/Bishkek"

    password_policy: Annotated[str, AfterValidator(known_policy)] = LEAFLET_2022
    confirmation_tries: Annotated[int, Field(ge=1)] = 5
    confirmation_ttl_seconds: Annotated[int, Field(ge=1, le=3_000)] = 600
    pin_tries: Annotated[int, Field(ge=1)] = 5
    password_tries: Annotated[int, Field(ge=1)] = 5
    password_lock_seconds: Annotated[int, Field(ge=1)] = 900
    card_details_tries: Annotated[int, Field(ge=1)] = 5

    token_bin: Annotated[str, Field(pattern="^[0-9]{6}$")] = TokenPolicy().bin
    token_inactive_seconds: Annotated[int, Field(ge=1)] = TokenPolicy().inactive_seconds

    @model_validator(mode="after")
    def _secured(self) -> Self:
        if self.development:
            if self.listen.rsplit(":", 1)[0] not in LOOPBACK:
                raise ValueError("development mode listens on loopback only")
            if self.token_keys_file is not None:
                raise ValueError("tokens travel over TLS only: development mode believes none")
            if self.certificate_file is not None or self.key_file is not None:
                raise ValueError("development mode encrypts nothing: leave out certificate_file and key_file, or it")
        elif None in (self.certificate_file, self.key_file):
            raise ValueError(
                "certificate_file and key_file are needed: nothing is served in plain text, but on loopback with "
                "development=true"
            )
        elif self.client_authorities_file is None and self.token_keys_file is None:
            raise ValueError("client_authorities_file or token_keys_file is needed: by what are callers known?")
        self._check_forwarding()
        if self.token_keys_file is not None and not (self.token_issuer and self.token_audience):
            raise ValueError("token_keys_file needs token_issuer and token_audience")
        if self.max_streams >= self.max_concurrent_calls:
            raise ValueError("max_streams leaves no room for other calls: it must be below max_concurrent_calls")
        return self

    @property
    def forwards(self) -> bool:
        """Whether servers forward calls to each other, where there are several partitions."""
        return self.development or self.forwarding_keys_file is not None

    def advertised(self, port: int) -> str:
        """Return where other servers reach the one that listens on a port; nowhere where no host is named."""
        if self.advertise:
            return self.advertise
        host = self.listen.rpartition(":")[0]
        return "" if host in ANYWHERE else f"{host}:{port}"

    def _check_forwarding(self) -> None:
        files = (self.forwarding_keys_file, self.server_authorities_file)
        if self.advertise and not (
            ADDRESS.fullmatch(self.advertise) and int(self.advertise.rpartition(":")[2]) <= MAX_PORT
        ):
            raise ValueError("advertise is not host:port")
        if self.development:
            if files != (None, None):
                raise ValueError(
                    "development mode forwards without keys: leave out forwarding_keys_file and "
                    "server_authorities_file, or it"
                )
            if self.advertise and self.advertise.rpartition(":")[0] not in LOOPBACK:
                raise ValueError("development mode is reached on loopback only: advertise names another host")
        elif None in files and files != (None, None):
            raise ValueError("forwarding_keys_file and server_authorities_file are needed both, or neither")
        elif self.advertise and not self.forwards:
            raise ValueError("advertise is of no use without forwarding_keys_file and server_authorities_file")
