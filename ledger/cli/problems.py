"""What went wrong, as every command says it: a reason, a sentence, and what to do. Never a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, cast

import grpc
import typer
from rich.console import Console
from rich.text import Text

from domain.refusals import Reason
from ledger.audit.export.format import ExportError
from ledger.cli.output import print_document
from ledger.log.errors import LogError, SegmentUnreadable
from ledger.rpc.client import reason

REFUSED: Final = 1
USAGE: Final = 2


class Problem(NamedTuple):
    """Why a command did not do what was asked."""

    reason: str
    message: str
    advice: str


class ProblemError(Exception):
    """Ends a command with a problem and an exit code."""

    def __init__(self, problem: Problem, exit_code: int = REFUSED) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.exit_code = exit_code


@contextmanager
def reporting(*, as_json: bool) -> Iterator[None]:
    """Print what goes wrong inside, and end the command with the exit code that goes with it."""
    try:
        yield
    except ProblemError as error:
        _print(error.problem, as_json=as_json)
        raise typer.Exit(error.exit_code) from None
    except ExportError as error:
        _print(Problem(error.reason, error.message, error.advice), as_json=as_json)
        raise typer.Exit(REFUSED) from None
    except grpc.RpcError as error:
        _print(problem_of(error), as_json=as_json)
        raise typer.Exit(REFUSED) from None
    except SegmentUnreadable as error:
        advice = "Put the segment back from a backup, or correct the setting archive."
        _print(
            Problem(Reason.ARCHIVE_UNREADABLE.name, f"{str(error)[0].upper()}{str(error)[1:]}.", advice),
            as_json=as_json,
        )
        raise typer.Exit(REFUSED) from None
    except (LogError, OSError) as error:
        advice = "Check the setting database_url, and that the database runs."
        _print(Problem("DATABASE_UNREACHABLE", str(error), advice), as_json=as_json)
        raise typer.Exit(REFUSED) from None
    except KeyboardInterrupt:
        raise typer.Exit(REFUSED) from None


def problem_of(error: grpc.RpcError) -> Problem:
    """Return what a failed call says, with the advice of the ledger's own table of reasons."""
    call = cast("grpc.Call", error)  # Every error of a call is one; only the annotations do not say so.
    info = reason(call)
    if info is not None:
        known = Reason.__members__.get(info.reason)
        advice = "Update this program: it does not know the reason." if known is None else known.value.advice
        return Problem(info.reason, call.details() or "", advice)
    match call.code():
        case grpc.StatusCode.UNAVAILABLE:
            advice = (
                "Start it with `esep serve`, or name another with --server; to one that is not in development, show a "
                "certificate with --tls-ca, --tls-cert and --tls-key."
            )
            return Problem("SERVER_UNREACHABLE", "No server answers there.", advice)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Problem(Reason.DEADLINE_EXCEEDED.name, "The server did not answer in time.", "Ask again.")
        case grpc.StatusCode.UNIMPLEMENTED:
            advice = "Check --server, and that both are of one version."
            return Problem("UNIMPLEMENTED", "The server does not know this method.", advice)
        case code:
            return Problem(code.name, call.details() or "", "Look into the server's log.")


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def _print(problem: Problem, *, as_json: bool) -> None:
    if as_json:
        print_document({"error": problem._asdict()})
        return
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    console.print(Text.assemble((problem.reason, "bold red"), f"  {_printable(problem.message)}"))
    console.print(Text(f"  {problem.advice}", "dim"))
