"""NotificationService: telling what happened, once, as a stream or page by page."""
# ruff: noqa: N802 - the names of the methods are the contract's

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from ledger.rpc import calls
from ledger.rpc.callers import Role
from ledger.rpc.calls import Context
from ledger.rpc.notifications import Notifications
from ledger.rpc.reads import Reads, min_position
from ledger.rpc.translate import notification as translate
from projections.answers import Cursor
from protos.esep.v1 import notification_service_pb2 as pb
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.notification_service_pb2_grpc import NotificationServiceServicer


class _Rest(NamedTuple):
    """Where the next page of a list begins, and the position that its first one reflected."""

    before: Cursor
    newest: int


class NotificationService(NotificationServiceServicer):
    """Answers esep.v1.NotificationService."""

    def __init__(self, notifications: Notifications, reads: Reads) -> None:
        self._notifications = notifications
        self._reads = reads

    async def Subscribe(
        self, request: pb.SubscribeRequest, context: Context
    ) -> AsyncGenerator[pb.SubscribeResponse, None]:
        """Tell every notification behind a cursor, and those to come."""
        source = self._notifications
        asked = _asked(request, source.partition, await source.head())
        caught_up = False
        async with aclosing(source.follow(asked)) as pages:
            async for page, news in pages:
                cursor = translate.cursor_message(source.partition, page.reached)
                if page.notices:
                    batch = pb.NotificationBatch(notifications=await source.messages(page.notices, asked.language))
                    yield pb.SubscribeResponse(notifications=batch)
                if not news:
                    yield pb.SubscribeResponse(heartbeat=pb.NotificationHeartbeat(cursor=cursor))
                elif page.last and not caught_up:
                    caught_up = True
                    yield pb.SubscribeResponse(caught_up=pb.NotificationCaughtUp(cursor=cursor))
                elif not page.notices:
                    yield pb.SubscribeResponse(checkpoint=pb.NotificationCheckpoint(cursor=cursor))

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        """Read notifications newest first, a page at a time."""
        source = self._notifications
        page = self._reads.pager.page(request, _Rest)
        least = min_position(request, source.partition)
        asked = _asked(request, source.partition, max(least, await source.head()))
        after = asked.after if request.HasField("after") else None
        before = None if page.cursor is None else page.cursor.before
        found = await source.listed(request, asked, after, before, page.size)
        newest = found.tracked if page.cursor is None else page.cursor.newest
        rest = None if found.before is None else _Rest(found.before, newest)
        answer = pb.ListNotificationsResponse(
            notifications=await source.messages(found.notices, asked.language),
            next_page_token=self._reads.pager.token(request, rest),
            cursor=translate.cursor_message(source.partition, Cursor(newest)),
            position=LogPosition(partition=source.partition, position=found.tracked),
        )
        if found.dropped is not None:
            answer.dropped.CopyFrom(translate.cursor_message(source.partition, found.dropped))
        return answer


def _asked(request: pb.SubscribeRequest | pb.ListNotificationsRequest, partition: int, head: int) -> translate.Asked:
    """Return what a request asks for, as far as the caller is told of it."""
    asked = translate.asked(request, partition, head)
    caller = calls.current().who
    return asked.by_back_end() if caller.role is Role.APP and caller.customer is None else asked
