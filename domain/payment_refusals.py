"""The reasons for which payees and payments are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

SERVICE_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "The directory has no such service.", "Search or list the directory for its service id."
)
PAYEE_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "There is no such payee.", "Check the payee's code, or register the payee."
)
PAYMENT_NOT_FOUND = Row(Kind.NOT_FOUND, False, "There is no such payment.", "Check the payment id.")
BENEFICIARY_UNKNOWN = Row(
    Kind.NOT_FOUND,
    False,
    "The provider does not know what was entered.",
    "Check the number or account with the payer.",
)
PAYMENT_HOLD = Row(
    Kind.STATE,
    True,
    "The hold belongs to a payment, which alone changes, captures and refunds it; the metadata says which.",
    "Answer, decide or refund the payment.",
)
PAYEE_CODE_TAKEN = Row(Kind.STATE, True, "Another payee has this code.", "Choose another code.")
PAYEE_ACCOUNT_UNFIT = Row(
    Kind.STATE,
    True,
    "A payee is paid into an account of its own bank and of the kind that goes with the payee's.",
    "Name such an account, or open one.",
)
PAYEE_NOT_ACTIVE = Row(Kind.STATE, True, "The payee cannot be paid at present.", "Nothing was taken; pay later.")
PAYMENT_ALREADY_CONFIRMED = Row(
    Kind.STATE, True, "The payment was confirmed before.", "Nothing is left to do; read the payment."
)
PAYMENT_LAPSED = Row(
    Kind.STATE, True, "The time to confirm the payment is over; nothing was held.", "Prepare the payment again."
)
PAYMENT_STALE = Row(
    Kind.STATE,
    True,
    "The payee is not as it was shown any more; nothing was held.",
    "Prepare the payment again, and have its payee looked at.",
)
PAYMENT_NOT_ASKED = Row(
    Kind.STATE, True, "The payment is not confirmed, and nobody was asked to deliver it.", "Confirm it first."
)
PAYMENT_ALREADY_ANSWERED = Row(
    Kind.STATE,
    True,
    "How the payment ended is known already; the metadata says how.",
    "Nothing is left to do; read the payment.",
)
PAYMENT_NOT_SUCCEEDED = Row(
    Kind.STATE, True, "Only a payment that succeeded can be given back.", "Nothing is left to do; read the payment."
)
PROVIDER_UNAVAILABLE = Row(
    Kind.UNAVAILABLE,
    False,
    "The provider of the service does not answer; nothing was recorded.",
    "Wait as told by RetryInfo, then send the same request again.",
)
