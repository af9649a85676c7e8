"""Made-up rows for the tests of the log."""

from uuid import UUID

from domain.ports import Row

NO_REQUEST = None


def id_of(number: int) -> bytes:
    """Return an id that is easy to tell apart."""
    return UUID(int=number).bytes


def row(
    position: int,
    *,
    partition: int = 0,
    originator: int | None = None,
    version: int = 1,
    request: int | None = None,
    topic: str = "transfer.posted.v1",
    state: bytes = b'{"amount":1}',
    caller: str = "till-7",
) -> Row:
    """Return a row at ``position``, of an aggregate of its own unless one is named."""
    return Row(
        partition=partition,
        position=position,
        originator_id=id_of(1_000_000 + position if originator is None else originator),
        originator_version=version,
        topic=topic,
        state=state,
        recorded_at=1_700_000_000_000_000 + position,
        request_id=NO_REQUEST if request is None else id_of(request),
        caller=caller,
    )


def rows(first: int, last: int) -> list[Row]:
    """Return rows at these positions, both included."""
    return [row(position) for position in range(first, last + 1)]
