"""Following the outbox: pages of it, and waiting for what comes next.

No stream has a thread or a connection of its own. All that wait do so on one look at how far the projections are;
whoever has something to read takes one page, sends it, and only then takes the next. So a slow reader holds one page,
and what it has not read yet stays where it is: in the tables.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Final
from zoneinfo import ZoneInfo

from google.protobuf.message import Message

from domain.refusals import Reason, Refused, refuse
from domain.services.catalogue import Language
from ledger.rpc.customers import Customers
from ledger.rpc.gateway import Gateway
from ledger.rpc.positions import Positions
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.settings import RpcSettings
from ledger.rpc.translate.notification import Asked, dropped, notification_message
from projections.answers import Channel, Cursor, Notice, NoticeList, NoticePage
from projections.outbox import NoticesDroppedError
from projections.store import ProjectionsNotReadyError, ProjectionsUnreachableError
from protos.esep.v1 import notification_pb2

MOST: Final = 500
"""Notifications in one message of a stream."""
CHECKPOINT_POSITIONS: Final = 1_000
"""Positions without anything wanted after which a stream says how far it is."""


class Notifications:
    """Reads the outbox for streams and pages."""

    def __init__(
        self, gateway: Gateway, reads: Reads, log_reads: LogReads, customers: Customers, settings: RpcSettings
    ) -> None:
        self._gateway = gateway
        self._reads = reads
        self._log = log_reads
        self._customers = customers
        self._zone = ZoneInfo(settings.business_time_zone)
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._news = Positions(self._projected, settings.notification_poll_seconds)

    @property
    def partition(self) -> int:
        """The partition whose notifications these are."""
        return self._gateway.engine.partition

    async def head(self) -> int:
        """Return the newest position there is."""
        return await self._log.head()

    async def page(self, after: Cursor, asked: Asked, limit: int) -> NoticePage:
        """Return the next notices behind a place; raises Refused."""
        try:
            return await self._gateway.in_thread(self._read, after, asked, limit)
        except NoticesDroppedError as error:
            raise Refused(dropped(self.partition, error.dropped)) from None
        except ProjectionsNotReadyError:
            return NoticePage((), after, 0)
        except ProjectionsUnreachableError:
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None

    def _read(self, after: Cursor, asked: Asked, limit: int) -> NoticePage:
        return self._reads.reader.notices(self.partition, after, asked.wanted, limit=limit)

    async def listed(
        self, request: Message, asked: Asked, after: Cursor | None, before: Cursor | None, limit: int
    ) -> NoticeList:
        """Return the newest notices between two places, newest first; raises Refused."""
        reader, partition = self._reads.reader, self.partition
        try:
            answer = await self._reads.ask(
                request,
                lambda: reader.list_notices(partition, asked.wanted, after=after, before=before, limit=limit),
            )
        except NoticesDroppedError as error:
            raise Refused(dropped(partition, error.dropped)) from None
        return answer.result

    async def follow(self, asked: Asked) -> AsyncGenerator[tuple[NoticePage, bool], None]:
        """Yield pages without end, each after its predecessor was taken, and whether it is more than a heartbeat.

        A page without notices is yielded when it is the last one for the moment, when many positions held nothing that
        is wanted, and, when nothing was yielded for long, as a heartbeat.
        """
        clock = asyncio.get_running_loop().time
        cursor, told, told_at = asked.after, asked.after, clock()
        caught_up = False
        while True:
            page = await self.page(cursor, asked, MOST)
            cursor = page.reached
            if page.notices or cursor.position - told.position >= CHECKPOINT_POSITIONS or (page.last and not caught_up):
                yield page, True
                told, told_at = cursor, clock()
            if not page.last:
                continue
            caught_up = True
            self._news.fell_back(page.tracked)  # The tables may be made anew.
            quiet = self._heartbeat_seconds - (clock() - told_at)
            more = max(page.tracked + 1, cursor.position)  # Of the event at the cursor itself there may be more.
            if quiet <= 0 or not await self._news.news(more, quiet):
                yield page._replace(notices=()), False
                told, told_at = cursor, clock()

    async def messages(self, notices: Iterable[Notice], language: Language) -> list[notification_pb2.Notification]:
        """Return notices as they are told; telephone numbers are read from the vault, each customer's once."""
        phones: dict[bytes, str] = {}
        told = []
        for notice in notices:
            phone = ""
            if notice.channel is Channel.SMS and notice.customer:
                if notice.customer not in phones:
                    phones[notice.customer] = await self._customers.phone(notice.customer)
                phone = phones[notice.customer]
            told.append(notification_message(notice, language, self._zone, phone))
        return told

    async def close(self) -> None:
        """Look for no more news."""
        await self._news.close()

    async def _projected(self) -> int:
        try:
            return await self._gateway.look(self._reads.reader.position, self.partition)
        except (ProjectionsNotReadyError, ProjectionsUnreachableError):
            return 0
