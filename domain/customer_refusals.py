"""The reasons for which customers are refused something: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

CUSTOMER_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "There is no such customer.", "Check the customer id, the login or the phone number."
)
RETENTION_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "There is no such retention of this customer.", "Read the customer, and check the id."
)
LOGIN_TAKEN = Row(Kind.STATE, True, "Another customer has this login.", "Choose another login.")
PHONE_TAKEN = Row(
    Kind.STATE,
    True,
    "Another customer has this phone number, or is registering with it.",
    "Use another number, or wait until the other registration has lapsed and send a new request.",
)
CUSTOMER_ERASED = Row(Kind.STATE, True, "The customer was erased.", "Nothing is left to do; register anew.")
ERASURE_FORBIDDEN = Row(
    Kind.STATE,
    True,
    "The customer must be kept: the metadata says how many retentions stand, and until when if that is known.",
    "Have them lifted, or wait until they end; then send a new request.",
)
RETENTION_OF_ANOTHER = Row(
    Kind.STATE,
    True,
    "Only whoever placed a retention lifts it; the metadata says on whose behalf it was placed.",
    "Have them lift it.",
)
RETENTION_ALREADY_LIFTED = Row(
    Kind.STATE, True, "The retention was lifted before.", "Nothing is left to do; read the customer."
)
RETENTION_LAPSED = Row(
    Kind.STATE,
    True,
    "The retention has ended by itself, at the time in the metadata.",
    "Nothing is left to do; read the customer.",
)
TOO_MANY_RETENTIONS = Row(
    Kind.STATE,
    True,
    "As many retentions of this customer stand as may stand at once.",
    "Lift one that is needed no more, then send a new request.",
)
CUSTOMER_ALREADY_CONFIRMED = Row(
    Kind.STATE, True, "The registration is confirmed already.", "Nothing is left to do; read the customer."
)
CUSTOMER_NOT_CONFIRMED = Row(
    Kind.STATE,
    True,
    "The registration is not confirmed yet.",
    "Confirm it with the code that was sent, then send a new request.",
)
CUSTOMER_ALREADY_IDENTIFIED = Row(
    Kind.STATE,
    True,
    "The customer is identified at this tier, or a higher one, already.",
    "Nothing is left to do; read the customer.",
)
CONFIRMATION_CODE_WRONG = Row(
    Kind.STATE,
    True,
    "This is not the code that was sent; the metadata says how many tries are left.",
    "Ask for the code again, and try it with a new request id.",
)
CONFIRMATION_LOCKED = Row(Kind.STATE, True, "The tries of the confirmation code are used up.", "Register again.")
CONFIRMATION_EXPIRED = Row(Kind.STATE, True, "The time to confirm this registration is over.", "Register again.")
PASSWORD_WRONG = Row(
    Kind.STATE,
    True,
    "This is not the customer's password; the metadata says how many tries are left.",
    "Ask for the password again, and try it with a new request id.",
)
PASSWORD_LOCKED = Row(
    Kind.STATE,
    True,
    "After too many wrong passwords none is checked for a while.",
    "Wait, then send a new request.",
)
CUSTOMER_NOT_IDENTIFIED = Row(
    Kind.STATE,
    True,
    "The customer is not identified yet.",
    "Identify the customer, then send a new request.",
)
