"""The words of receipts and notifications in the three languages, a row each.

Those that the scheme's leaflets use are theirs: mini-statement, authorisations, transactions, held amount,
verifying the card's holder, payment for services, payment and transfer by QR code, card to card.
"""

from collections.abc import Mapping
from typing import Final

from domain.authorization import State
from domain.binding import HOLD_KIND
from domain.services.catalogue import Names

MINI_STATEMENT: Final = Names(ky="Кыскача көчүрмө", ru="Мини-выписка", en="Mini-statement")
AUTHORIZATIONS: Final = Names(ky="Авторизация", ru="Авторизации", en="Authorisations")
TRANSACTIONS: Final = Names(ky="Транзакция", ru="Транзакции", en="Transactions")
HELD_AMOUNT: Final = Names(ky="Бөгөт коюлган сумма", ru="Сумма блокировки", en="Held amount")
RECEIPT: Final = Names(ky="Дүмүрчөк", ru="Квитанция", en="Receipt")

BANK: Final = Names(ky="Банк", ru="Банк", en="Bank")
ACCOUNT: Final = Names(ky="Эсеп", ru="Счёт", en="Account")
CARD: Final = Names(ky="Карта", ru="Карта", en="Card")
FROM: Final = Names(ky="Кайдан", ru="Откуда", en="From")
TO: Final = Names(ky="Кайда", ru="Куда", en="To")
CURRENCY: Final = Names(ky="Валюта", ru="Валюта", en="Currency")
AMOUNT: Final = Names(ky="Сумма", ru="Сумма", en="Amount")
BALANCE: Final = Names(ky="Калдык", ru="Остаток", en="Balance")
AVAILABLE: Final = Names(ky="Жеткиликтүү", ru="Доступно", en="Available")
TOTAL: Final = Names(ky="Жалпы", ru="Итого", en="Total")
CAPTURED: Final = Names(ky="Эсептен чыгарылганы", ru="Списано", en="Posted")
REFUNDED: Final = Names(ky="Кайтарылганы", ru="Возвращено", en="Refunded")
REVERSED: Final = Names(ky="Жокко чыгарылганы", ru="Отменено", en="Reversed")
HELD_UNTIL: Final = Names(ky="Бөгөт мөөнөтү", ru="Блокировка до", en="Held until")
STATE: Final = Names(ky="Абалы", ru="Состояние", en="State")
REASON: Final = Names(ky="Себептин коду", ru="Код причины", en="Reason code")
REFERENCE: Final = Names(ky="Негизи", ru="Основание", en="Reference")
OPERATION: Final = Names(ky="Операция", ru="Операция", en="Operation")
POSITION: Final = Names(ky="Журналдагы орду", ru="Позиция журнала", en="Log position")
NO_TRANSACTIONS: Final = Names(ky="Транзакция жок", ru="Транзакций нет", en="No transactions")
NO_AUTHORIZATIONS: Final = Names(ky="Авторизация жок", ru="Авторизаций нет", en="No authorisations")

POSTED: Final = Names(ky="аткарылды", ru="исполнено", en="completed")
DECLINED: Final = Names(ky="четке кагылды", ru="отклонено", en="declined")
UNDONE: Final = Names(ky="жокко чыгарылды", ru="отменено", en="reversed")
PARTLY_UNDONE: Final = Names(ky="жарым-жартылай жокко чыгарылды", ru="частично отменено", en="partly reversed")

STATES: Final[Mapping[State, Names]] = {
    State.OPEN: Names(ky="бөгөт коюлду", ru="заблокировано", en="held"),
    State.CAPTURED: Names(ky="эсептен чыгарылды", ru="списано", en="posted"),
    State.REVERSED: UNDONE,
    State.EXPIRED: Names(ky="мөөнөтү бүттү", ru="срок истёк", en="expired"),
    State.DECLINED: DECLINED,
}

CREDIT: Final = Names(ky="Эсепке түштү", ru="Зачисление", en="Money in")
DEBIT: Final = Names(ky="Эсептен чыкты", ru="Списание", en="Money out")

_TRANSFER: Final = Names(ky="Акча которуу", ru="Перевод", en="Transfer")
_PURCHASE: Final = Names(ky="Сатып алуу", ru="Покупка", en="Purchase")
_WITHDRAWAL: Final = Names(ky="Накталай акча алуу", ru="Снятие наличных", en="Cash withdrawal")
_SERVICES: Final = Names(ky="Кызмат көрсөтүүлөргө төлөө", ru="Оплата услуг", en="Payment for services")
FEE: Final = Names(ky="Комиссия", ru="Комиссия", en="Fee")
_REVERSAL: Final = Names(ky="Жокко чыгаруу", ru="Отмена", en="Reversal")

_VERIFICATION: Final = Names(
    ky="Картанын ээсин текшерүү", ru="Проверка владельца карты", en="Verifying the card's holder"
)

KINDS: Final[Mapping[str, Names]] = {
    "transfer": _TRANSFER,
    "transfer_to_account": Names(ky="Эсепке акча которуу", ru="Перевод на счёт", en="Transfer to an account"),
    "transfer_to_card": Names(ky="Картадан картага которуу", ru="С карты на карту", en="Card-to-card transfer"),
    "transfer_by_phone": Names(
        ky="Телефон номери боюнча которуу", ru="Перевод по номеру телефона", en="Transfer by phone number"
    ),
    "transfer_by_qr": Names(ky="QR-коду боюнча акча которуу", ru="Перевод по QR-коду", en="Transfer by QR code"),
    "delivery": _TRANSFER,
    "interbank": Names(ky="Банктар аралык которуу", ru="Межбанковский перевод", en="Interbank transfer"),
    "qr_payment": Names(ky="QR-коду боюнча төлөө", ru="Оплата по QR-коду", en="Payment by QR code"),
    "service_payment": _SERVICES,
    "top_up": Names(ky="Мобилдик байланышты толуктоо", ru="Пополнение телефона", en="Mobile top-up"),
    "pos_payment": Names(ky="Контактсыз төлөө", ru="Бесконтактная оплата", en="Contactless payment"),
    "salary": Names(ky="Эмгек акы", ru="Заработная плата", en="Salary"),
    "pension": Names(ky="Пенсия", ru="Пенсия", en="Pension"),
    "fee": FEE,
    "capture": _PURCHASE,
    "force_post": _PURCHASE,
    "purchase": _PURCHASE,
    "atm_withdrawal": _WITHDRAWAL,
    "withdrawal": _WITHDRAWAL,
    "preauthorization": Names(ky="Алдын ала авторизация", ru="Предавторизация", en="Pre-authorisation"),
    HOLD_KIND: _VERIFICATION,
    "account_verification": _VERIFICATION,
    "refund": Names(ky="Акчаны кайтаруу", ru="Возврат", en="Refund"),
    "reversal": _REVERSAL,
    "delivery_reversal": _REVERSAL,
    "interbank_reversal": _REVERSAL,
    "fee_reversal": Names(ky="Комиссияны кайтаруу", ru="Возврат комиссии", en="Fee reversed"),
    "interest": Names(ky="Пайыз", ru="Проценты", en="Interest"),
    "opening": Names(ky="Баштапкы калдык", ru="Начальный остаток", en="Opening balance"),
}
"""Kinds of movements and authorisations. Banks name kinds of their own: those are told as money in or out."""


def kind(name: str, *, credit: bool) -> Names:
    """Return what a kind of movement is called."""
    return KINDS.get(name) or (CREDIT if credit else DEBIT)
