"""The text of a notification: what, how much, whose account, with whom, when. One line, for a telephone's screen."""

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from domain.services.catalogue import Language, Names
from ledger.rpc.text import figures, words
from ledger.rpc.text.columns import printable
from ledger.rpc.text.masking import masked_account, without_cards
from projections.answers import Notice, NoticeKind

TITLES: Final[Mapping[NoticeKind, Names]] = {
    NoticeKind.SALARY_CREDITED: Names(ky="Эмгек акы түштү", ru="Зачислена заработная плата", en="Salary credited"),
    NoticeKind.PENSION_CREDITED: Names(ky="Пенсия түштү", ru="Зачислена пенсия", en="Pension credited"),
    NoticeKind.MONEY_IN: words.CREDIT,
    NoticeKind.PAYMENT_MADE: Names(ky="Төлөм аткарылды", ru="Оплата выполнена", en="Payment made"),
    NoticeKind.TRANSFER_SENT: Names(ky="Которуу аткарылды", ru="Перевод выполнен", en="Transfer made"),
    NoticeKind.MONEY_OUT: words.DEBIT,
    NoticeKind.HOLD_PLACED: Names(ky="Бөгөт коюлду", ru="Заблокировано", en="Held"),
    NoticeKind.HOLD_RELEASED: Names(ky="Бөгөт алынды", ru="Блокировка снята", en="Hold released"),
    NoticeKind.VERIFICATION_HOLD: words.HELD_AMOUNT,
    NoticeKind.CARD_BOUND: Names(
        ky="Карта тиркемеге туташтырылды", ru="Карта подвязана к приложению", en="Card bound to the application"
    ),
    NoticeKind.CARD_UNBOUND: Names(
        ky="Карта тиркемеден ажыратылды", ru="Карта отвязана от приложения", en="Card unbound from the application"
    ),
    NoticeKind.CARD_BINDING_LOCKED: Names(
        ky="Картаны туташтыруу токтотулду", ru="Подвязка карты остановлена", en="Card binding stopped"
    ),
    NoticeKind.CARD_BLOCKED: Names(ky="Карта бөгөттөлдү", ru="Карта заблокирована", en="Card blocked"),
    NoticeKind.CARD_UNBLOCKED: Names(ky="Карта бөгөттөн чыгарылды", ru="Карта разблокирована", en="Card unblocked"),
    NoticeKind.CARD_LOST: Names(
        ky="Карта жоголгон деп белгиленди", ru="Карта отмечена как утерянная", en="Card reported lost"
    ),
    NoticeKind.CARD_CLOSED: Names(ky="Карта жабылды", ru="Карта закрыта", en="Card closed"),
    NoticeKind.HOLD_CHANGED: Names(ky="Бөгөттүн суммасы өзгөрдү", ru="Сумма блокировки изменена", en="Hold changed to"),
    NoticeKind.PAYMENT_DECLINED: Names(ky="Төлөм четке кагылды", ru="Оплата отклонена", en="Payment declined"),
    NoticeKind.PAYMENT_FAILED: Names(ky="Төлөм аткарылган жок", ru="Оплата не выполнена", en="Payment failed"),
    NoticeKind.PAYMENT_UNRESOLVED: Names(
        ky="Төлөм текшерилүүдө, сумма бөгөттө",
        ru="Оплата проверяется, сумма заблокирована",
        en="Payment being checked, amount held",
    ),
    NoticeKind.TOKEN_REQUESTED: Names(
        ky="Карта телефонго кошулууда", ru="Карта добавляется в телефон", en="Card being added to a phone"
    ),
    NoticeKind.TOKEN_ACTIVATED: Names(
        ky="Телефон менен төлөө күйгүзүлдү", ru="Оплата телефоном включена", en="Paying by phone switched on"
    ),
    NoticeKind.TOKEN_SUSPENDED: Names(
        ky="Телефон менен төлөө токтотулуп турат", ru="Оплата телефоном приостановлена", en="Paying by phone suspended"
    ),
    NoticeKind.TOKEN_RESUMED: Names(
        ky="Телефон менен төлөө улантылды", ru="Оплата телефоном возобновлена", en="Paying by phone resumed"
    ),
    NoticeKind.TOKEN_DEACTIVATED: Names(
        ky="Карта телефондон өчүрүлдү", ru="Карта удалена из телефона", en="Card removed from the phone"
    ),
}
"""How a notification of each kind begins."""

SIGNS: Final[Mapping[NoticeKind, int]] = {
    NoticeKind.SALARY_CREDITED: 1,
    NoticeKind.PENSION_CREDITED: 1,
    NoticeKind.MONEY_IN: 1,
    NoticeKind.PAYMENT_MADE: -1,
    NoticeKind.TRANSFER_SENT: -1,
    NoticeKind.MONEY_OUT: -1,
}
"""Which way money went. What is only held went nowhere."""

_SAID_BY_THE_TITLE: Final = frozenset({NoticeKind.SALARY_CREDITED, NoticeKind.PENSION_CREDITED})


def text(notice: Notice, language: Language, zone: ZoneInfo) -> str:
    """Return what a person is told."""
    return ". ".join(_sentences(notice, language, zone))


def counterparty(notice: Notice) -> str:
    """Return the other side as a person may see it, empty where there is none."""
    if notice.merchant:
        return printable(without_cards(notice.merchant))
    if not notice.counterparty:
        return ""
    return masked_account(notice.counterparty_number or "", notice.counterparty)


def _sentences(notice: Notice, language: Language, zone: ZoneInfo) -> list[str]:
    sign = SIGNS.get(notice.kind, 0)
    said = [TITLES[notice.kind].of(language)]
    if notice.amount:
        amount = figures.amount(notice.amount * (sign or 1), language, signed=sign != 0)
        said = [f"{said[0]}: {amount} {figures.currency(notice.currency, language)}"]
    if notice.masked_card:
        said.append(f"{words.CARD.of(language)} {notice.masked_card}")
    if notice.fee:
        said.append(f"{words.FEE.of(language)} {figures.money(notice.fee, notice.currency, language)}")
    kind = words.KINDS.get(notice.category)
    if kind is not None and notice.kind not in _SAID_BY_THE_TITLE:
        said.append(kind.of(language))
    other = counterparty(notice)
    if other:
        direction = words.FROM if sign > 0 else words.TO
        said.append(f"{direction.of(language)}: {other}")
    if not notice.masked_card:
        said.append(f"{words.ACCOUNT.of(language)} {masked_account(notice.account_number, notice.account_id)}")
    said.append(figures.moment(notice.happened, language, zone))
    return said
