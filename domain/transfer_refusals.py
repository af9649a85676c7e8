"""The reasons for which aliases, codes, quotes and their transfers are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

PHONE_NUMBER_MALFORMED = Row(
    Kind.INVALID, False, "This is not a phone number.", "Have the number typed again, with its country code."
)
PHONE_COUNTRY_NOT_SERVED = Row(
    Kind.INVALID,
    False,
    "Phone numbers of this country cannot be linked to cards here.",
    "Use a number of a country that is served, or pay by card number.",
)
QR_UNREADABLE = Row(
    Kind.INVALID,
    False,
    "The text is no payment code; the metadata says why, at which tag and after how many characters.",
    "Have the code scanned again, or ask for another one.",
)
QR_NOT_A_TRANSFER = Row(
    Kind.INVALID,
    False,
    "The code asks for a payment, or for a transfer that another ledger carries out.",
    "Pay it as a payment.",
)
ALIAS_NOT_FOUND = Row(
    Kind.NOT_FOUND,
    False,
    "The phone number leads to no card, or there is no such alias of this customer.",
    "Check the number, or ask the recipient to link it to a card.",
)
RECIPIENT_NOT_FOUND = Row(
    Kind.NOT_FOUND,
    False,
    "No card has this number, or no customer's account of this bank does.",
    "Have the number typed again.",
)
TRANSFER_QR_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "This ledger issued no such code.", "Ask whoever showed the code for another one."
)
QUOTE_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "There is no such quote of this customer.", "Check the quote id and the customer id."
)
ALIAS_CODE_REQUIRED = Row(
    Kind.STATE,
    True,
    "Linking this number needs the code that is sent to it, and none was sent or given.",
    "Have a code sent, then send a new request with it.",
)
ALIAS_CODE_WRONG = Row(
    Kind.STATE,
    True,
    "This is not the code that was sent to the number; the metadata says how many tries are left.",
    "Ask for the code again, and try it with a new request id.",
)
ALIAS_CODE_LOCKED = Row(
    Kind.STATE, True, "The tries of this code are used up.", "Have another code sent, then send a new request."
)
ALIAS_CODE_EXPIRED = Row(
    Kind.STATE, True, "The time of this code is over.", "Have another code sent, then send a new request."
)
ALIAS_ALREADY_LINKED = Row(
    Kind.STATE, True, "The phone number leads to this card already.", "Nothing is left to do; read the alias."
)
ALIAS_NOT_LINKED = Row(
    Kind.STATE, True, "The phone number leads to no card any more.", "Nothing is left to do; read the alias."
)
QR_ALTERED = Row(
    Kind.STATE,
    True,
    "The code says something else than what was issued under its id.",
    "Do not pay by it: ask the recipient for another code.",
)
QR_AMOUNT_NOT_EDITABLE = Row(
    Kind.STATE,
    True,
    "The code's amount may not be changed; the metadata says what it is.",
    "Send a new request without an amount.",
)
QR_USED = Row(Kind.STATE, True, "The code was good for one use, and was used.", "Ask the recipient for another code.")
RECIPIENT_UNAVAILABLE = Row(
    Kind.STATE, True, "The recipient cannot be paid at present.", "Pay another card or account of the recipient."
)
RECIPIENT_IS_PAYER = Row(
    Kind.STATE,
    True,
    "The money would come down to the account it leaves.",
    "Choose another recipient, or another card.",
)
QUOTE_USED = Row(
    Kind.STATE, True, "The quote was confirmed already; the metadata names its transfer.", "Read the transfer."
)
QUOTE_EXPIRED = Row(Kind.STATE, True, "The quote's time is over.", "Ask for a new quote, and confirm that.")
QUOTE_STALE = Row(
    Kind.STATE,
    True,
    "The recipient is not the one who was quoted any more.",
    "Ask for a new quote, and have its recipient looked at.",
)
TOO_MANY_CODES = Row(
    Kind.EXHAUSTED,
    False,
    "Too many codes were sent for this customer without being used.",
    "Wait as told by RetryInfo, then have a code sent.",
)
