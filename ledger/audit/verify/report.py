"""The report of a verification: what was looked at, up to where, and what was found, signed by whoever verified.

It is a signed note (C2SP) whose text is one JSON document, so that a few lines of any language check it: everything up
to the last empty line is what was signed, and the base64 behind the signature's name is four bytes that tell the key
apart and 64 of Ed25519. The auditor's key stands in a file of the same form as the ledger's own.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from domain.times import SECOND
from ledger.audit.signing.keys import SigningKeys
from ledger.audit.signing.note import Note
from ledger.audit.verify.findings import Check, Finding
from ledger.audit.verify.verifier import Verdict
from ledger.audit.verify.whole import Whole

FORMAT: Final = "esep-audit-report"
VERSION: Final = 1
SIGNER: Final = "esep.audit/report"
"""The name of the key that signs reports."""


class Tool(msgspec.Struct, frozen=True):
    """What verified."""

    name: str
    version: str


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """What the partitions of a ledger came to together."""

    partitions: int
    transfers: int
    """How many went from one partition to another."""
    cut_at: str
    """Up to which recorded time the histories are one cut through the ledger."""
    in_transit_tyiyn: dict[str, int]
    """By currency, what was sent up to the cut, and neither received nor returned."""
    findings: tuple[Finding, ...]
    findings_total: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says. Amounts are in tyiyn, times in RFC 3339."""

    format: str = FORMAT
    version: int = VERSION
    tool: Tool
    source: str
    """``export`` or ``server``, and which."""
    origin: str
    """Whose history it is, and which partition, as its checkpoints say."""
    partition: int
    head: int
    """The last position that was looked at; all before it were."""
    root: str
    """The root of the tree over all of them, in hexadecimal digits."""
    events: int
    aggregates: int
    requests: int
    open_holds: int
    sums: dict[str, dict[str, int]]
    """By currency: how many accounts there are, what they have together, all that was ever debited."""
    checkpoints: int
    """How many of the ledger's checkpoints counted."""
    last_checkpoint: int
    kept: tuple[str, ...]
    """The checkpoints of the auditor's own that the history was held against."""
    keys: tuple[str, ...]
    """The keys whose signatures counted."""
    keys_given_by_auditor: bool
    """Whether they were the auditor's, not the ledger's own word."""
    witnesses: dict[str, int]
    """The largest tree that each of the auditor's witnesses has cosigned."""
    checks: tuple[Check, ...] = tuple(Check)
    """Everything that was looked at."""
    ok: bool
    findings: tuple[Finding, ...]
    """What is wrong; the first ones of each kind."""
    findings_total: dict[str, int]
    """How many there are of each kind, those included that are not told."""
    began_at: str
    ended_at: str
    partitions: tuple["Report", ...] = ()
    """Of a ledger of several partitions, what is reported of the others than the first; ``ok`` above is of them all."""
    crossings: Crossing | None = None
    """What they came to together; none where there is one partition."""


def report_of(whole: Whole, *, source: str, tool_version: str, began: int, ended: int) -> Report:
    """Return what is to be reported; times in microseconds since the Unix epoch."""
    first, *others = (
        _of_partition(verdict, source=source, tool_version=tool_version, began=began, ended=ended)
        for verdict in whole.verdicts
    )
    several = bool(others or whole.findings)
    crossed = _crossing(whole) if several else None
    return msgspec.structs.replace(first, ok=whole.ok, partitions=tuple(others), crossings=crossed)


def _crossing(whole: Whole) -> Crossing:
    return Crossing(
        partitions=whole.crossed.partitions,
        transfers=whole.crossed.transfers,
        cut_at=_text(whole.crossed.cut_at),
        in_transit_tyiyn=whole.crossed.in_transit,
        findings=tuple(whole.findings.listed()),
        findings_total=whole.findings.total,
    )


def _of_partition(verdict: Verdict, *, source: str, tool_version: str, began: int, ended: int) -> Report:
    return Report(
        tool=Tool("esep audit verify", tool_version),
        source=source,
        origin=verdict.origin,
        partition=verdict.partition,
        head=verdict.head,
        root=verdict.root.hex(),
        events=verdict.events,
        aggregates=verdict.aggregates,
        requests=verdict.requests,
        open_holds=verdict.open_holds,
        sums=verdict.sums,
        checkpoints=verdict.checkpoints,
        last_checkpoint=verdict.last_checkpoint,
        kept=verdict.kept,
        keys=verdict.signers,
        keys_given_by_auditor=verdict.given_keys,
        witnesses=verdict.witnessed,
        ok=verdict.ok,
        findings=tuple(verdict.findings.listed()),
        findings_total={check.value: count for check, count in verdict.findings.counts.items()},
        began_at=_text(began),
        ended_at=_text(ended),
    )


def document(report: Report) -> bytes:
    """Return a report as the JSON that is signed."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def signed(report: Report, keys: SigningKeys, now: int) -> Note:
    """Return a report under the auditor's signature; raises SigningKeysError when no key is valid now."""
    return keys.sign(SIGNER, f"{document(report).decode()}\n", now)


def auditors_keys(path: Path) -> SigningKeys:
    """Return the auditor's keys, made on first use for their owner's eyes only; raises SigningKeysError or OSError."""
    return SigningKeys.load(path, create=True)


def _text(time: int) -> str:
    return datetime.fromtimestamp(time / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
