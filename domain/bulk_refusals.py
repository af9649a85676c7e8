"""The reasons for which bulks are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

ACCOUNTS_UNKNOWN = Row(
    Kind.INVALID,
    False,
    "Entries of the columns name no account of this partition; the field violations say which, the first 20 of them.",
    "Correct the account ids, then send the same request again: nothing of it was recorded.",
)
BULK_NOT_FOUND = Row(Kind.NOT_FOUND, False, "There is no such bulk.", "Check the bulk id.")
BULK_LEG_NOT_FOUND = Row(
    Kind.NOT_FOUND,
    False,
    "The bulk has no such leg, or the leg was refused and moved nothing.",
    "List the legs of the bulk.",
)
