"""Why something with a token is refused: rows of the table in ``domain.refusals``."""

from typing import Final

from domain.refusal_kinds import Kind, Row

TOKEN_NUMBER_MALFORMED: Final = Row(Kind.INVALID, False, "The token number is not 16 digits.", "Read the phone again.")
TOKEN_NUMBER_CHECK_DIGIT: Final = Row(
    Kind.INVALID, False, "The token number's check digit is wrong.", "Read the phone again."
)
TOKEN_NUMBER_PREFIX: Final = Row(
    Kind.INVALID,
    False,
    "The number does not begin as this scheme's token numbers do.",
    "Send token payments with the number that the phone gives, not a card's.",
)
CARD_NUMBER_OF_TOKEN: Final = Row(
    Kind.INVALID, False, "The number begins as token numbers do: it is no card's.", "Use the number on the card itself."
)
DEVICE_WITHOUT_NFC: Final = Row(
    Kind.INVALID, False, "The phone has no NFC, or it is switched off.", "Use a phone with NFC."
)
ANDROID_TOO_OLD: Final = Row(
    Kind.INVALID,
    False,
    "The phone's Android is older than contactless payment needs; the metadata says which is the oldest.",
    "Update the phone, or use another.",
)
TOKEN_NOT_FOUND: Final = Row(Kind.NOT_FOUND, False, "There is no such token.", "Check the token id or number.")
DEVICE_NOT_FOUND: Final = Row(
    Kind.NOT_FOUND, False, "The customer has no such device.", "Check the customer id and the device id."
)
TOKEN_DECLINED: Final = Row(
    Kind.STATE, True, "The issuer declined the token.", "Request another token, or ask the issuer."
)
TOKEN_NOT_PROVISIONED: Final = Row(Kind.STATE, True, "The token is not in a phone yet.", "Provision the token first.")
TOKEN_ALREADY_PROVISIONED: Final = Row(Kind.STATE, True, "The token is in a phone already.", "Deactivate it instead.")
TOKEN_NOT_ACTIVE: Final = Row(Kind.STATE, True, "Contactless payment is not switched on.", "Activate the token first.")
TOKEN_ALREADY_ACTIVE: Final = Row(
    Kind.STATE, True, "Contactless payment is switched on already.", "Nothing is left to do; read the token."
)
TOKEN_SUSPENDED: Final = Row(
    Kind.STATE, True, "The token is suspended; the metadata says by whom.", "Have everybody who suspended it resume it."
)
TOKEN_ALREADY_SUSPENDED: Final = Row(
    Kind.STATE, True, "The token is suspended by this party already.", "Nothing is left to do; read the token."
)
TOKEN_NOT_SUSPENDED: Final = Row(
    Kind.STATE,
    True,
    "This party has not suspended the token; each lifts only its own suspension.",
    "Ask those in the metadata who did.",
)
TOKEN_DEACTIVATED: Final = Row(Kind.STATE, True, "The token has ended.", "Request another token.")
TOO_MANY_TOKENS: Final = Row(
    Kind.STATE, True, "The card has had as many tokens as one card may have.", "Have the card replaced by its bank."
)
TOKEN_EXPIRED: Final = Row(Kind.STATE, True, "The token number has expired.", "Provision the token again.")
TOKEN_EXPIRY_WRONG: Final = Row(
    Kind.STATE, True, "The expiry is not the token's.", "Read the phone again, or provision the token again."
)
ENTRY_MODE_NOT_ALLOWED: Final = Row(
    Kind.STATE, True, "A token pays contactless only; its number cannot be keyed in.", "Tap the phone."
)
DEVICE_BLOCKED: Final = Row(Kind.STATE, True, "The phone is blocked.", "Unblock the device, or use another phone.")
DEVICE_NOT_BLOCKED: Final = Row(Kind.STATE, True, "The phone is not blocked.", "Nothing is left to do.")
DEVICE_LOCKED: Final = Row(
    Kind.STATE, True, "The phone was not unlocked for this tap.", "Unlock the phone and tap again."
)
CRYPTOGRAM_WRONG: Final = Row(
    Kind.STATE,
    True,
    "The cryptogram does not fit the tap: something in it was changed, or the key is not the phone's.",
    "Tap again; after a second failure replenish the phone's keys.",
)
COUNTER_REPEATED: Final = Row(Kind.STATE, True, "This tap was presented before.", "Tap again; a counter is good once.")
COUNTER_TOO_OLD: Final = Row(
    Kind.STATE, True, "The tap's counter lies too far behind others that were seen.", "Tap again."
)
COUNTER_JUMPED: Final = Row(
    Kind.STATE, True, "The tap's counter lies too far ahead of those that were seen.", "Provision the token again."
)
COUNTER_NEAR_END: Final = Row(
    Kind.STATE, True, "The phone's counter is near its end.", "Provision the token again: it then counts from 1."
)
KEY_SUPERSEDED: Final = Row(
    Kind.STATE, True, "The phone has been given a newer key.", "Use the newest key, or replenish."
)
KEY_USED_UP: Final = Row(
    Kind.STATE,
    True,
    "The phone's key is used up: the metadata says whether by uses, by amount or by age.",
    "Replenish the phone's keys and tap again.",
)
KEYS_EXHAUSTED: Final = Row(
    Kind.STATE, True, "The token has had as many keys as one token can have.", "Request another token for the phone."
)
TAP_DATE_WRONG: Final = Row(
    Kind.STATE,
    True,
    "The terminal's date is too far from the ledger's: its clock is wrong, or the tap was kept back.",
    "Set the terminal's date, then tap again.",
)
FISCAL_RECEIPT_SEEN: Final = Row(
    Kind.STATE, True, "This till has presented this fiscal receipt before.", "Check the till: a receipt is paid once."
)
