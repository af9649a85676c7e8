"""``esep audit verify``: a whole history against everything that must be true of it, and a signed report of that."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from ledger.audit.export.files import filing
from ledger.audit.export.source import ExportSource, sources
from ledger.audit.signing.keys import SigningKeysError
from ledger.audit.signing.note import NoteError, VerifierKey
from ledger.audit.source import Source
from ledger.audit.verify.findings import Check, Finding
from ledger.audit.verify.notes import KeptNote
from ledger.audit.verify.report import SIGNER, Report, auditors_keys, report_of, signed
from ledger.audit.verify.verifier import Verdict
from ledger.audit.verify.whole import Whole, notes_in, verify_whole
from ledger.cli.audit.reading import PatientSource
from ledger.cli.connection import Connection
from ledger.cli.options import AsJson, Server, TlsCa, TlsCert, TlsKey, Token
from ledger.cli.output import console, money, print_document, table, told
from ledger.cli.problems import REFUSED, USAGE, Problem, ProblemError, reporting
from ledger.cli.progress import progress

DEFAULT_KEY: Final = "auditor-key.json"

Export = Annotated[
    Path | None,
    typer.Option(
        "--export",
        metavar="DIRECTORY",
        file_okay=False,
        help="Verify an export instead of a server: without any connection.",
    ),
]
Against = Annotated[
    list[Path] | None,
    typer.Option(
        "--against", metavar="NOTEFILE", dir_okay=False, help="A checkpoint that you kept; may be given several times."
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help="A verifier key, name+id+base64, of the ledger or of a witness, or a file of them. "
        "With one of the ledger, those that it names itself count for nothing. May be given several times.",
    ),
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", dir_okay=False, help="Where the signed report goes.")
]
SignWith = Annotated[
    Path | None,
    typer.Option(
        "--sign-with",
        metavar="KEYFILE",
        dir_okay=False,
        help=f"Your own key, made if it is not there, with its public part in a .pub beside it. "
        f"Default: {DEFAULT_KEY} beside the report.",
    ),
]


def verify(
    export: Export = None,
    against: Against = None,
    key: Keys = None,
    report: ReportFile = None,
    sign_with: SignWith = None,
    server: Server = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    token: Token = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Verify a whole history: complete, unchanged, signed, balanced, and what the ledger answers.

    Ends with 0 when all is well, with 1 and findings when something is not.
    """
    with reporting(as_json=as_json):
        keys, kept = _keys(key or ()), [note for path in against or () for note in _kept(path)]
        if export is not None and server:
            message = "An export is verified without a server."
            raise ProblemError(Problem("INVALID_ARGUMENT", message, "Give --export, or a server."), USAGE)
        if sign_with is not None and report is None:
            raise ProblemError(Problem("INVALID_ARGUMENT", "There is nothing to sign.", "Give --report."), USAGE)
        _spare(report, [*(against or ()), *map(Path, key or ())])
        began = _now()
        if export is not None:
            with filing(export):
                exported = sources(export)
                whole = _verified(exported, keys, kept, as_json=as_json)
                for source, verdict in zip(exported, whole.verdicts, strict=True):
                    _add_damaged(source, verdict)
            name = f"export {export}"
        else:
            with Connection(server, tls_ca, tls_cert, tls_key, token) as connection:
                first = PatientSource(connection.ledger)
                others = [PatientSource(connection.ledger, each) for each in range(1, first.partitions)]
                whole = _verified([first, *others], keys, kept, as_json=as_json)
                name = f"server {connection.address}"
        made = report_of(whole, source=name, tool_version=version("esep"), began=began, ended=_now())
        signer = None if report is None else _write(made, report, sign_with or report.with_name(DEFAULT_KEY))
        if as_json:
            print_document({"report": msgspec.to_builtins(made), "signed_by": signer})
        else:
            _print(made, report, signer)
        if not made.ok:
            raise typer.Exit(REFUSED)


def _verified(
    all_of_them: Sequence[Source], keys: Sequence[VerifierKey], kept: Sequence[KeptNote], *, as_json: bool
) -> Whole:
    with progress("verifying", silent=as_json) as bar:
        return verify_whole(all_of_them, keys=keys, kept=kept, progress=bar)


def _add_damaged(source: ExportSource, verdict: Verdict) -> None:
    said = source.manifest.origin
    if verdict.origin and said != verdict.origin:
        message = f"the manifest says that this is the history of {said!r}, its checkpoints say {verdict.origin!r}"
        verdict.findings.add(Finding(Check.SOURCE, message))
    for name in source.damaged_files():
        message = f"the file {name} is not what the export's manifest says of it"
        verdict.findings.add(Finding(Check.SOURCE, message))


def _keys(given: Sequence[str]) -> list[VerifierKey]:
    found = []
    for text in given:
        try:
            path = Path(text)
            lines = path.read_text().split() if path.is_file() else [text]
            if not lines:
                raise NoteError("the file is empty")
            found += [VerifierKey.parse(line) for line in lines]
        except (NoteError, OSError, ValueError) as wrong:
            advice = "A verifier key is name+id+base64, as GetCheckpoint tells it; or name a file of such lines."
            raise ProblemError(Problem("INVALID_ARGUMENT", f"{text!r} is no key: {wrong}.", advice), USAGE) from None
    return found


def _spare(report: Path | None, read: Sequence[Path]) -> None:
    """Raise ProblemError where the report would be written over what it is held against."""
    if report is not None and report.resolve() in {path.resolve() for path in read}:
        advice = "Name another file; a checkpoint that is kept is never written over."
        raise ProblemError(Problem("INVALID_ARGUMENT", f"{report} is read, and cannot be the report.", advice), USAGE)


def _kept(path: Path) -> list[KeptNote]:
    try:
        return [KeptNote(str(path), note) for note in notes_in(path.read_text(encoding="utf-8"))]
    except (OSError, UnicodeDecodeError) as wrong:
        advice = "Name a file that holds a checkpoint as the ledger signed it."
        raise ProblemError(Problem("INVALID_ARGUMENT", f"{path} cannot be read: {wrong}.", advice), USAGE) from None


def _write(report: Report, path: Path, key_file: Path) -> str:
    """Write the signed report, and beside the key its public part, which verifies it; return that."""
    try:
        with _refusals(path):
            keys = auditors_keys(key_file)
            note = signed(report, keys, _now())
            path.write_text(str(note), encoding="utf-8")
            public = [str(each.verifier(SIGNER)) for each in keys.keys]
            key_file.with_suffix(".pub").write_text("".join(f"{each}\n" for each in public))
    except SigningKeysError as wrong:
        advice = "Name another file with --sign-with; it is made if it is not there."
        raise ProblemError(Problem("KEY_UNUSABLE", f"{wrong}.", advice), USAGE) from None
    return ", ".join(public)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        advice = "Name a file in a directory that is there, in which this user may write."
        message = f"{wrong.filename or path}: {wrong.strerror}."
        raise ProblemError(Problem("REPORT_UNWRITABLE", message, advice), USAGE) from None


def _print(report: Report, path: Path | None, signer: str | None) -> None:
    out = console()
    for each in (report, *report.partitions):
        _print_partition(each)
    if report.crossings is not None:
        crossed = report.crossings
        moving = ", ".join(f"{told(currency)} {money(amount)}" for currency, amount in crossed.in_transit_tyiyn.items())
        out.print(
            f"{crossed.partitions} partitions: {crossed.transfers:,} transfers crossed, "
            f"in transit up to {crossed.cut_at}: {moving or 'nothing'}"
        )
    if not report.keys_given_by_auditor:
        out.print("[yellow]The keys are the ledger's own word: give those that you have from elsewhere with --key.[/]")
    if report.ok:
        out.print("[green]Everything is as it must be.[/]")
    else:
        _print_findings(report)
    if signer is not None:
        out.print(f"The report is in {told(str(path))}, signed by {signer}")


def _print_partition(report: Report) -> None:
    out = console()
    out.print(f"{told(report.origin) or '?'} up to position {report.head}, root {report.root}")
    out.print(
        f"{report.events:,} events of {report.aggregates:,} aggregates, {report.checkpoints} checkpoints, "
        f"{len(report.kept)} of yours, {report.open_holds:,} open holds"
    )
    for currency, sums in report.sums.items():
        out.print(
            f"{told(currency)}: {sums['accounts']:,} accounts come to {money(sums['sum_tyiyn'])} together, "
            f"{money(sums['debited_tyiyn'])} were debited"
        )


def _print_findings(report: Report) -> None:
    for each in (report, *report.partitions):
        if each.findings:
            where = f" in partition {each.partition}" if report.partitions else ""
            _print_found(each.findings, f"{sum(each.findings_total.values())} findings{where}")
    if report.crossings is not None and report.crossings.findings:
        total = report.crossings.findings_total
        _print_found(report.crossings.findings, f"{total} findings between partitions")


def _print_found(findings: Sequence[Finding], title: str) -> None:
    grid = table(title, "check", "position", "field", "what")
    for each in findings:
        where = "" if each.position is None else str(each.position)
        where += f"–{each.upto}" if each.upto is not None and each.upto != each.position else ""
        grid.add_row(each.check.value, where, each.field or "", told(each.message))
    console().print(grid)


def _now() -> int:
    return time.time_ns() // 1000
