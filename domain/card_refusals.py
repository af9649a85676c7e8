"""The reasons for which cards and their bindings are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

CARD_NUMBER_MALFORMED = Row(
    Kind.INVALID, False, "The card number is not 16 digits.", "Have the number typed again, without spaces."
)
CARD_NUMBER_CHECK_DIGIT = Row(
    Kind.INVALID,
    False,
    "The card number's check digit is wrong: a digit was mistyped.",
    "Have the number typed again.",
)
CARD_NUMBER_PREFIX = Row(
    Kind.INVALID, False, "The card number is not one of this scheme's.", "Use a card of the scheme."
)
CARD_EXPIRY_MALFORMED = Row(
    Kind.INVALID, False, "The expiry is not a month and a year as MM/YY.", "Have the expiry typed again."
)
CARD_EXPIRY_PAST = Row(
    Kind.INVALID,
    False,
    "The expiry lies in the past: a card is valid through the last day of its month.",
    "Use a card that is still valid.",
)
CVV_MALFORMED = Row(
    Kind.INVALID, False, "The CVV is not 3 digits.", "Have the last 3 digits on the back of the card typed again."
)
BINDING_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "There is no such binding of this customer or card.", "Check the binding id."
)
CARD_NOT_FOUND = Row(Kind.NOT_FOUND, False, "There is no such card.", "Check the card id.")
CARD_ALREADY_ISSUED = Row(
    Kind.STATE, True, "A card with this number was issued before.", "Use the card that exists, or another number."
)
CARD_BLOCKED = Row(
    Kind.STATE, True, "The card is blocked.", "Wait until its bank unblocks it, then send a new request."
)
CARD_NOT_BLOCKED = Row(Kind.STATE, True, "The card is not blocked.", "Nothing is left to do; read the card.")
CARD_LOST = Row(Kind.STATE, True, "The card was reported lost or stolen.", "Use the card that replaces it.")
CARD_NOT_LOST = Row(
    Kind.STATE,
    True,
    "Only a card that was reported lost or stolen is replaced.",
    "Report the card lost first, or renew it.",
)
CARD_ALREADY_REPLACED = Row(
    Kind.STATE, True, "Another card took this one's place already.", "Nothing is left to do; read the card."
)
CARD_REPLACEMENT_UNFIT = Row(
    Kind.STATE,
    True,
    "The replacement is not a card of the same account that is active, valid and nobody's.",
    "Issue a new card for the account, and name that one.",
)
CARD_CLOSED = Row(Kind.STATE, True, "The card is closed.", "Use another card.")
CARD_EXPIRED = Row(Kind.STATE, True, "The card has expired.", "Use another card, or have it renewed.")
CARD_EXPIRY_NOT_LATER = Row(
    Kind.STATE, True, "A renewed card expires later than before.", "Send a new request with a later expiry."
)
CARD_NOT_BOUND = Row(
    Kind.STATE, True, "The card is not bound to this customer.", "Bind the card first, then send a new request."
)
CARD_ALREADY_BOUND = Row(
    Kind.STATE, True, "The card is bound to this customer already.", "Nothing is left to do; read the card."
)
CARD_BOUND_ELSEWHERE = Row(
    Kind.STATE,
    True,
    "The card is bound to another customer.",
    "Have it unbound there, or by its bank, then send a new request.",
)
CARD_DETAILS_WRONG = Row(
    Kind.STATE,
    True,
    "No card has this number, expiry and CVV.",
    "Have all three typed again, and send them with a new request id.",
)
CARD_DETAILS_LOCKED = Row(
    Kind.STATE,
    True,
    "After too many wrong card details none of this customer's are checked for a day.",
    "Wait, then send a new request.",
)
BINDING_LIMIT = Row(
    Kind.STATE,
    True,
    "The card, or the customer, was part of too many bindings; the metadata says which limit it is.",
    "Wait, or unbind a card, then send a new request.",
)
BINDING_AMOUNT_WRONG = Row(
    Kind.STATE,
    True,
    "This is not the held amount of an open binding; the metadata says how many tries are left.",
    "Ask for the amount again, and try it with a new request id.",
)
BINDING_LOCKED = Row(Kind.STATE, True, "The tries of the binding are used up.", "Begin to bind the card again.")
BINDING_CANCELLED = Row(Kind.STATE, True, "The binding was cancelled.", "Begin to bind the card again.")
BINDING_EXPIRED = Row(Kind.STATE, True, "The time to confirm the binding is over.", "Begin to bind the card again.")
BINDING_NOT_OPEN = Row(Kind.STATE, True, "No binding of the card is open.", "Nothing is held; begin to bind the card.")
VERIFICATION_HOLD = Row(
    Kind.STATE,
    True,
    "The hold belongs to the binding of a card: it is never captured, and changed by the binding alone.",
    "Confirm or cancel the binding, or wait until it expires.",
)
