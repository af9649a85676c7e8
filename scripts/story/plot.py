"""The story from its beginning to its end, as it is told to whoever watches.

Every step is made by whoever makes it in life, is looked at from outside, and is shown with its receipt and with the
messages that follow. The first that is not as it should be ends the story with Discrepancy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ledger.cli.output import money
from protos.esep.v1 import notification_pb2 as notices
from protos.esep.v1.payment_pb2 import Payment
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU
from scripts.demo_banks import Bank, move
from scripts.device import Phone
from scripts.story import blocking, contactless, joining, paying, salary, transferring
from scripts.story.listening import PUSH, SMS, Listener
from scripts.story.people import Person, aizada, bakyt, digits, issue_card, open_account, subscribe_to_sms
from scripts.story.reading import available, receipt
from scripts.story.scene import Scene, expect

_DEPOSIT: Final = 3_000_00
_LUNCH: Final = 480_00
_ELECTRICITY: Final = 350_00
_TOP_UP: Final = 100_00
_BY_PHONE: Final = 500_00
_BY_QR: Final = 250_00
_GROCERIES: Final = 645_50
_COFFEE: Final = 120_00
_SALARY: Final = 25_000_00
_FRIENDS_SALARY: Final = 21_500_00
_TILL: Final = "KKM-0417"


@dataclass
class Cast:
    """Who is in the story, and what rings when they are told something."""

    person: Person
    friend: Person
    shop: Bank
    """The bank of those who are paid."""
    texts: Listener
    pushes: Listener
    friends_pushes: Listener


def tell(scene: Scene, banks: Mapping[str, Bank]) -> list[Person]:
    """Tell it all; return the people of the story."""
    cast = join(scene, banks)
    paying.open_businesses(scene, cast.shop)
    pay_at_the_cafe(scene, cast)
    send_to_a_friend(scene, cast)
    pay_for_services(scene, cast)
    phone = pay_by_phone(scene, cast)
    payday(scene, cast)
    block_and_unblock(scene, cast, phone)
    listeners = (cast.texts, cast.pushes, cast.friends_pushes)
    for listener in listeners:
        listener.end()
    count = sum(len(listener.told) for listener in listeners)
    scene.voice.check(f"{count} messages were delivered as things happened, each once and in order")
    return [cast.person, cast.friend]


def join(scene: Scene, banks: Mapping[str, Bank]) -> Cast:
    """Become a customer whose card is bound."""
    voice, person, friend = scene.voice, aizada(banks["ala-too"]), bakyt(banks["issyk-kul"])
    joining.join(scene, friend, "1280020002100996", deposit=_DEPOSIT)
    voice.heading(f"{person.first_name} joins: register, be identified, bind the card")
    friends_pushes, texts = Listener(scene, friend, PUSH), Listener(scene, person, SMS)
    voice.say(f"her friend {friend.first_name} has joined already, at another bank:")
    friends_pushes.hear(notices.NOTIFICATION_KIND_CARD_BOUND)
    open_account(scene, person, "1240020002100417")
    move(scene.bank(person.bank.name), person.bank.cash, person.account_id, _DEPOSIT, kind="cash_deposit")
    issue_card(scene, person)
    subscribe_to_sms(scene, person)
    voice.say(f"her bank opened an account with {money(_DEPOSIT)} som and issued a card, with messages about it")
    joining.register(scene, person)
    pushes = Listener(scene, person, PUSH)
    voice.check("registered with login and password; the code from the SMS confirmed it; the application has its PIN")
    joining.identify(scene, person)
    voice.check("identified from afar, in the application")
    binding_id = joining.ask_to_bind(scene, person, "Айлык картам")
    voice.check("the card was entered by number, expiry and CVV: a random amount is held on it")
    text = texts.hear(notices.NOTIFICATION_KIND_VERIFICATION_HOLD)
    voice.say("the same at an ATM, as the mini-statement prints it:")
    printed = joining.mini_statement(scene, person)
    voice.receipt(printed)
    amount = joining.held_amount(printed)
    expect("the held amount in the SMS", text.amount_tyiyn, amount)
    joining.confirm(scene, person, binding_id, amount)
    voice.check(f"she entered {money(amount)} som: the card is bound, and nothing is held any more")
    pushes.hear(notices.NOTIFICATION_KIND_CARD_BOUND)
    expect("what may be spent after the binding", available(scene, person), _DEPOSIT)
    return Cast(person, friend, banks["manas"], texts, pushes, friends_pushes)


def pay_at_the_cafe(scene: Scene, cast: Cast) -> None:
    """Pay a bill by the QR code on it, which is good for once."""
    voice, person, code = scene.voice, cast.person, paying.bill(_LUNCH)
    voice.heading(f"{person.first_name} pays her lunch by QR code")
    seen = transferring.scan(scene, person, code)
    expect("what the code says", (seen.display_name, seen.amount_tyiyn), (paying.CAFE, _LUNCH))
    voice.say(f"the code on the bill, as scanned: {seen.display_name}, {money(seen.amount_tyiyn)} som")
    show_payment(scene, cast, paying.pay_bill(scene, person, code), _LUNCH)
    paying.bill_refused(scene, person, code, "QR_USED")
    voice.check("the same code a second time is refused: QR_USED")


def pay_for_services(scene: Scene, cast: Cast) -> None:
    """Pay for electricity, found in the directory, and top a phone up; the provider is asked, and delivers."""
    voice, person = scene.voice, cast.person
    voice.heading(f"{person.first_name} pays for services")
    typed = {LANGUAGE_KY: "жарык бишкек", LANGUAGE_RU: "свет бишкек", LANGUAGE_EN: "electricity bishkek"}[
        scene.language
    ]
    service = paying.find_service(scene, person, typed)
    names = {LANGUAGE_KY: service.name.ky, LANGUAGE_RU: service.name.ru, LANGUAGE_EN: service.name.en}
    voice.say(f'she typed "{typed}" and found: {names[scene.language]}')
    paid = paying.pay_service(scene, person, service.service_id, {"account": digits(9)}, _ELECTRICITY)
    voice.say(f"the provider knows the account as {paid.beneficiary}'s, and said that it delivered")
    show_payment(scene, cast, paid, _ELECTRICITY)
    paid = paying.pay_service(scene, person, "mobile-mega", {"phone": cast.friend.phone_number}, _TOP_UP)
    voice.say(f"a top-up of {cast.friend.first_name}'s phone")
    show_payment(scene, cast, paid, _TOP_UP)


def show_payment(scene: Scene, cast: Cast, paid: Payment, amount: int) -> None:
    """Show a payment that was confirmed: what the payer is told and may print, and what is left."""
    voice, person = scene.voice, cast.person
    voice.check(f"confirmed: {money(paid.total_tyiyn)} som to {paid.payee_name}")
    told = cast.pushes.hear(notices.NOTIFICATION_KIND_PAYMENT_MADE)
    expect("what the payer was told", (told.source_id, told.amount_tyiyn), (paid.payment_id, amount))
    voice.slip(receipt(scene, person, paid.authorization_id))
    expect("the total", paid.total_tyiyn, amount + paid.fee_tyiyn)


def send_to_a_friend(scene: Scene, cast: Cast) -> None:
    """Send money to somebody with a card of another bank: by phone number, then by QR code."""
    voice, person, friend = scene.voice, cast.person, cast.friend
    voice.heading(f"{person.first_name} sends money to {friend.first_name}, whose card is another bank's")
    transferring.link_phone(scene, friend)
    link = transferring.own_code(scene, friend)
    expect("whom the code names", transferring.scan(scene, person, link).display_name, friend.shown_as)
    for way, amount, by in (
        ("phone number", _BY_PHONE, {"phone_number": friend.phone_number}),
        ("QR code", _BY_QR, {"qr_text": link}),
    ):
        before, had = available(scene, person), available(scene, friend)
        sent = transferring.send(scene, person, friend, amount, **by)
        voice.check(f"by {way}: {sent.recipient} and a fee of {money(sent.fee)} som were shown before; confirmed")
        told = cast.pushes.hear(notices.NOTIFICATION_KIND_TRANSFER_SENT)
        expect("what the sender was told", (told.source_id, told.amount_tyiyn), (sent.transfer_id, amount))
        got = cast.friends_pushes.hear(notices.NOTIFICATION_KIND_MONEY_IN)
        expect("what the friend was told", (got.source_id, got.amount_tyiyn), (sent.transfer_id, amount))
        voice.slip(receipt(scene, person, sent.transfer_id))
        expect("what is left", available(scene, person), before - amount - sent.fee)
        expect("what the friend has", available(scene, friend), had + amount)


def pay_by_phone(scene: Scene, cast: Cast) -> Phone:
    """Put the card into a phone, and tap."""
    voice, person, phone, printed = scene.voice, cast.person, Phone(), (_TILL, "000042")
    voice.heading("Elcart Pay: the phone in the place of the card")
    before = available(scene, person)
    token = contactless.tokenise(scene, person, phone)
    voice.check(f"the card is in the phone as token {token.masked_number}; nobody else is told its number")
    contactless.switch_on(scene, person, token.token_id)
    voice.check("contactless payment is switched on")
    payment = contactless.tap(scene, person, phone, cast.shop, _GROCERIES, printed)
    voice.check(f"unlocked and tapped: {money(_GROCERIES)} som, receipt {printed[1]} of the fiscal till {_TILL}")
    told = cast.pushes.hear(notices.NOTIFICATION_KIND_PAYMENT_MADE)
    expect("what the payer was told", (told.source_id, told.amount_tyiyn), (payment, _GROCERIES))
    voice.slip(receipt(scene, person, payment))
    expect("what may be spent after the tap", available(scene, person), before - _GROCERIES)
    return phone


def payday(scene: Scene, cast: Cast) -> None:
    """Be paid a salary, as one line of a file."""
    voice, person, friend = scene.voice, cast.person, cast.friend
    voice.heading("Payday: a bank pays a file of salaries")
    before, had = available(scene, person), available(scene, friend)
    lines = {1: (person, _SALARY), 2: (friend, _FRIENDS_SALARY)}
    file = salary.pay_salaries(scene, person.bank, lines)
    paid = f"{file.posted_lines} of {file.line_count} lines, {money(file.posted_sum_tyiyn)} som"
    voice.check(f"{paid}: one to its own customer, one to another bank's")
    told = cast.pushes.hear(notices.NOTIFICATION_KIND_SALARY_CREDITED)
    expect("the salary that was told", told.amount_tyiyn, _SALARY)
    told = cast.friends_pushes.hear(notices.NOTIFICATION_KIND_SALARY_CREDITED)
    expect("the friend's salary that was told", told.amount_tyiyn, _FRIENDS_SALARY)
    expect("what there is after payday", available(scene, person), before + _SALARY)
    expect("what the friend has after payday", available(scene, friend), had + _FRIENDS_SALARY)


def block_and_unblock(scene: Scene, cast: Cast, phone: Phone) -> None:
    """Block the card, try to pay, and unblock it."""
    voice, person = scene.voice, cast.person
    voice.heading("An operator blocks the card, and unblocks it")
    before = available(scene, person)
    blocking.block(scene, person, "the holder called")
    cast.pushes.hear(notices.NOTIFICATION_KIND_CARD_BLOCKED)
    refused = contactless.tap_refused(scene, phone, cast.shop, _COFFEE, "TOKEN_SUSPENDED")
    voice.check(f"a tap is refused with {refused.reason}: {refused.message}")
    paying.bill_refused(scene, person, paying.bill(_COFFEE), "CARD_BLOCKED")
    voice.check("and a payment by QR code with CARD_BLOCKED")
    expect("what may be spent after refused payments", available(scene, person), before)
    blocking.unblock(scene, person, "the holder found it")
    cast.pushes.hear(notices.NOTIFICATION_KIND_CARD_UNBLOCKED)
    contactless.tap(scene, person, phone, cast.shop, _COFFEE, (_TILL, "000044"))
    voice.check(f"the next tap pays {money(_COFFEE)} som")
    cast.pushes.hear(notices.NOTIFICATION_KIND_PAYMENT_MADE)
    expect("what may be spent after all", available(scene, person), before - _COFFEE)
