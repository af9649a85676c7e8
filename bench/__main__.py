"""``python -m bench``: run the workloads on every store, print a line of JSON for each result."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import grpc

from bench import report
from bench.session import FULL, QUICK, Session, Workload
from bench.stores import STORES, open_store
from bench.workloads import workloads
from ledger.rpc.client import reason


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; return 1 if any workload failed."""
    known = workloads()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [name for workload in known for name in workload.names]
    parser.add_argument("--only", metavar="NAME", action="append", choices=names, help=f"one of {', '.join(names)}")
    parser.add_argument("--store", action="append", choices=STORES, help="on this store only")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    failures = 0
    for store in chosen.store or STORES:
        wanted = [workload for workload in known if store in workload.stores and _wanted(workload, chosen.only)]
        if wanted:
            failures += _run_store(store, wanted, chosen.only)
    return 1 if failures else 0


def _run_store(name: str, wanted: Sequence[Workload], only: Sequence[str] | None) -> int:
    """Run workloads one after another; return how many failed."""
    failed = 0
    try:
        with open_store(name) as store, Session(store, QUICK if os.environ.get("QUICK") else FULL) as session:
            for workload in wanted:
                failed += not _run(workload, session, only)
    except Exception as error:  # noqa: BLE001 - the other stores are still to be measured
        report.note(f"FAILED on {name}: {_reason(error)}")
        failed += 1
    return failed


def _run(workload: Workload, session: Session, only: Sequence[str] | None) -> bool:
    """Run one workload; tell why when it fails, and return whether it did not."""
    try:
        for found in workload.measure(session):
            if only is None or found.workload in only:
                report.tell(found)
    except Exception as error:  # noqa: BLE001 - the other workloads are still to be run
        report.note(f"FAILED {workload.names[0]} on {session.store.name}: {_reason(error)}")
        session.check_server()
        return False
    return True


def _wanted(workload: Workload, only: Sequence[str] | None) -> bool:
    if only is not None:
        return any(name in only for name in workload.names)
    return not workload.compares or bool(os.environ.get("COMPARE"))


def _reason(error: BaseException) -> str:
    """Return what went wrong in one piece: of several failures at once, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, grpc.aio.AioRpcError):
        known = reason(error)  # type: ignore[arg-type] # every error of a call is one
        return f"{known.reason if known else error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: everything that was started is stopped on the way out."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
