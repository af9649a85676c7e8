"""Making the tables again from the log, beside the live ones, and putting them in their place.

Readers and the runner go on with the live copy until the new one has caught up. Then the runner is held back
for a moment, the rest is projected, and the new copy becomes the live one: its positions are never behind
those that readers have already seen.
"""

from collections.abc import Callable, Sequence
from contextlib import closing

from domain.ports import LogReader
from projections import schema
from projections.batch import Decode
from projections.runner import BATCH_SIZE, Projector
from projections.store import Copy, Session, Store

Progress = Callable[[int, int, int], None]
"""Is told the partition, the position reached and the head of the log."""


def rebuild(
    log: LogReader,
    store: Store,
    decode: Decode,
    *,
    progress: Progress | None = None,
    partitions: Sequence[int] = (0,),
    batch_size: int = BATCH_SIZE,
) -> None:
    """Make a new copy of the tables from the log and put it in the place of the live one.

    Raises what ``decode`` raises for an event it does not know; the live copy then stays.
    """
    copy = store.create()
    try:
        live = store.live()
        if live is not None:
            with closing(live), live.read() as session:
                begin_like(copy, session)
        with closing(Projector(log, copy, decode, batch_size=batch_size)) as projector:

            def catch_up() -> None:
                for partition in partitions:
                    project_all(log, projector, partition, progress=progress)

            catch_up()
            store.publish(copy, before=catch_up)
    except BaseException:
        store.drop(copy)
        raise
    copy.close()


def begin_like(copy: Copy, session: Session) -> None:
    """Have an empty copy leave out the notices that another one holds no more."""
    dropped = session.all("SELECT partition, position, item FROM notices_dropped")
    with copy.write() as writer:
        writer.upsert(schema.notices_dropped, dropped)


def project_all(
    log: LogReader,
    projector: Projector,
    partition: int,
    *,
    upto: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Project a partition to the end of the log, or up to and with a position."""
    reached = projector.tracked(partition).position
    while upto is None or reached < upto:
        projected = projector.step(partition, upto=upto)
        if not projected:
            return
        reached += projected
        if progress is not None:
            progress(partition, reached, upto or log.head(partition))
