"""Notifications as they are asked for and told."""

from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from domain import ids
from domain.refusals import Reason, Refusal, refuse
from domain.services.catalogue import Language
from ledger.rpc.intake import Intake, timestamp
from ledger.rpc.text import notices
from ledger.rpc.translate.directory import LANGUAGES
from projections.answers import Channel, Cursor, Notice, NoticeKind, Wanted
from projections.outbox import LAST_ITEM
from protos.esep.v1 import notification_pb2 as pb
from protos.esep.v1.notification_service_pb2 import ListNotificationsRequest, SubscribeRequest

KIND_NUMBERS: Final = {kind: pb.NotificationKind.Value(f"NOTIFICATION_KIND_{kind.name}") for kind in NoticeKind}
CHANNELS: Final[dict[int, Channel]] = {
    pb.NOTIFICATION_CHANNEL_PUSH: Channel.PUSH,
    pb.NOTIFICATION_CHANNEL_SMS: Channel.SMS,
}
_CHANNEL_NUMBERS: Final = {channel: pb.NotificationChannel.ValueType(number) for number, channel in CHANNELS.items()}


class Asked(NamedTuple):
    """Which notifications are asked for, from where on, in which language."""

    after: Cursor
    wanted: Wanted
    language: Language

    def by_back_end(self) -> "Asked":
        """Return what an application's back end is told: what its own customers are, with cards of whatever bank."""
        wanted = self.wanted._replace(participant=None, channel=Channel.PUSH, served=self.wanted.participant or "")
        return self._replace(wanted=wanted)


def asked(request: SubscribeRequest | ListNotificationsRequest, partition: int, head: int) -> Asked:
    """Return what a request asks for; raises Refused. ``head`` is the newest position there is."""
    intake = Intake()
    after = Cursor()
    if request.HasField("after"):
        after = Cursor(request.after.position, request.after.item)
        if request.after.partition != partition:
            intake.wrong("after.partition", "UNKNOWN", f"is not a partition of this server ({partition})")
        if after.position < 0:
            intake.wrong("after.position", "NEGATIVE", "is negative")
        if not 0 <= after.item <= LAST_ITEM:
            intake.wrong("after.item", "RANGE", f"is not 0 to {LAST_ITEM}")
        if after.position > head:
            intake.wrong("after.position", "POSITION_IN_FUTURE", f"is behind the newest, {head}")
    account = None
    if isinstance(request, ListNotificationsRequest) and request.account_id:
        account = request.account_id
        if not 0 < account < 1 << 53:
            intake.wrong("account_id", "RANGE", "is not from 1 to 2^53 - 1")
    customer = intake.known_id(request.customer_id, "customer_id") if request.customer_id else None
    channel = intake.choice(request.channel, CHANNELS, "channel") if request.channel else None
    language = intake.choice(request.language, LANGUAGES, "language")
    intake.check()
    return Asked(after, Wanted(request.participant_id or None, customer, channel, account), language)


def dropped(partition: int, upto: Cursor) -> Refusal:
    """Return the refusal of notifications behind a cursor when some of them are kept no more."""
    where = {"after_partition": partition, "after_position": upto.position, "after_item": upto.item}
    return refuse(Reason.NOTIFICATIONS_DROPPED, **where)


def cursor_message(partition: int, cursor: Cursor) -> pb.NotificationCursor:
    """Return a cursor as it is told."""
    return pb.NotificationCursor(partition=partition, position=cursor.position, item=cursor.item)


def notification_message(notice: Notice, language: Language, zone: ZoneInfo, phone: str) -> pb.Notification:
    """Return a notification as it is told."""
    return pb.Notification(
        cursor=cursor_message(notice.partition, notice.cursor),
        kind=KIND_NUMBERS[notice.kind],
        channel=_CHANNEL_NUMBERS[notice.channel],
        participant_id=notice.participant,
        account_id=notice.account_id,
        customer_id=ids.format_uuid(notice.customer) if notice.customer else "",
        amount_tyiyn=notice.amount,
        fee_tyiyn=notice.fee,
        currency_code=notice.currency,
        counterparty=notices.counterparty(notice),
        text=notices.text(notice, language, zone),
        effective_time=timestamp(notice.happened),
        source_id=ids.format_uuid(notice.source_id),
        phone_number=phone,
        card_id=ids.format_uuid(notice.card) if notice.card else "",
        masked_card_number=notice.masked_card or "",
    )
