"""The story from its beginning to its end, as it is told to whoever watches.

Every step is made by whoever makes it in life, is looked at from outside, and is shown with its receipt. The first that
is not as it should be ends the story with Discrepancy.
"""

from collections.abc import Mapping
from typing import Final

from ledger.cli.output import money
from scripts.demo_banks import Bank, move
from scripts.device import Phone
from scripts.story import blocking, contactless, joining, transferring
from scripts.story.people import Person, aizada, bakyt, issue_card, open_account
from scripts.story.reading import available, receipt
from scripts.story.scene import Scene, expect

_DEPOSIT: Final = 3_000_00
_BY_PHONE: Final = 500_00
_BY_QR: Final = 250_00
_GROCERIES: Final = 645_50
_TILL: Final = ("KKM-0417", "000042")


def tell(scene: Scene, banks: Mapping[str, Bank]) -> list[Person]:
    """Tell it all; return the people of the story."""
    home, friends, shop = banks["ala-too"], banks["issyk-kul"], banks["manas"]
    person, friend = aizada(home), bakyt(friends)
    joining.join(scene, friend, "1280020002100996", deposit=_DEPOSIT)
    join(scene, person)
    send_to_a_friend(scene, person, friend)
    phone = pay_by_phone(scene, person, shop)
    block_and_unblock(scene, person, phone, shop)
    return [person, friend]


def join(scene: Scene, person: Person) -> None:
    """Become a customer whose card is bound."""
    voice = scene.voice
    voice.heading(f"{person.first_name} joins: register, be identified, bind the card")
    open_account(scene, person, "1240020002100417")
    issue_card(scene, person)
    move(scene.bank(person.bank.name), person.bank.cash, person.account_id, _DEPOSIT, kind="cash_deposit")
    voice.say(f"her bank opened an account with {money(_DEPOSIT)} som and issued a card")
    joining.register(scene, person)
    voice.check("registered with login and password; the code from the SMS confirmed it; the application has its PIN")
    joining.identify(scene, person)
    voice.check("identified from afar, in the application")
    binding_id = joining.ask_to_bind(scene, person, "Айлык картам")
    voice.check("the card was entered by number, expiry and CVV; a random amount is held on it. At an ATM:")
    printed = joining.mini_statement(scene, person)
    voice.receipt(printed)
    amount = joining.held_amount(printed)
    joining.confirm(scene, person, binding_id, amount)
    voice.check(f"she entered {money(amount)} som, as printed: the card is bound, and nothing is held any more")
    expect("what may be spent after the binding", available(scene, person), _DEPOSIT)


def send_to_a_friend(scene: Scene, person: Person, friend: Person) -> None:
    """Send money to somebody with a card of another bank: by phone number, then by QR code."""
    voice = scene.voice
    voice.heading(f"{person.first_name} sends money to {friend.first_name}, whose card is another bank's")
    transferring.link_phone(scene, friend)
    link = transferring.own_code(scene, friend)
    for way, amount, by in (
        ("phone number", _BY_PHONE, {"phone_number": friend.phone_number}),
        ("QR code", _BY_QR, {"qr_text": link}),
    ):
        before, had = available(scene, person), available(scene, friend)
        if way == "QR code":
            expect("whom the code names", transferring.scan(scene, person, link).display_name, friend.shown_as)
        sent = transferring.send(scene, person, friend, amount, **by)
        voice.check(f"by {way}: shown {sent.recipient} and a fee of {money(sent.fee)} som before; confirmed")
        voice.slip(receipt(scene, person, sent.transfer_id))
        expect("what is left", available(scene, person), before - amount - sent.fee)
        expect("what the friend has", available(scene, friend), had + amount)


def pay_by_phone(scene: Scene, person: Person, shop: Bank) -> Phone:
    """Put the card into a phone, and tap."""
    voice, phone = scene.voice, Phone()
    voice.heading("Elcart Pay: the phone in the place of the card")
    before = available(scene, person)
    token = contactless.tokenise(scene, person, phone)
    voice.check(f"the card is in the phone as token {token.masked_number}, whose number nobody else has")
    contactless.switch_on(scene, person, token.token_id)
    voice.check("contactless payment is switched on")
    payment = contactless.tap(scene, person, phone, shop, _GROCERIES, _TILL)
    voice.check(f"unlocked, tapped at a till: {money(_GROCERIES)} som, with receipt {_TILL[1]} of till {_TILL[0]}")
    voice.slip(receipt(scene, person, payment))
    expect("what may be spent after the tap", available(scene, person), before - _GROCERIES)
    return phone


def block_and_unblock(scene: Scene, person: Person, phone: Phone, shop: Bank) -> None:
    """Block the card, try to pay, and unblock it."""
    voice = scene.voice
    voice.heading("An operator blocks the card")
    before = available(scene, person)
    blocking.block(scene, person, "the holder called")
    voice.check("blocked")
    told = contactless.tap_refused(scene, phone, shop, _GROCERIES, "TOKEN_SUSPENDED")
    voice.check(f"a tap is refused: {told.reason}: {told.message}")
    expect("what may be spent after a refused tap", available(scene, person), before)
    blocking.unblock(scene, person, "the holder found it")
    contactless.tap(scene, person, phone, shop, 100_00, ("KKM-0417", "000044"))
    voice.check("unblocked; the next tap pays")
