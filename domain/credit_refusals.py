"""The reasons for which credit files and their lines are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

CREDIT_FILE_NOT_FOUND = Row(
    Kind.NOT_FOUND, False, "There is no such credit file.", "Check its id, or open the file first."
)
CREDIT_FILE_CLOSED = Row(
    Kind.STATE, True, "The credit file is closed: it takes no more lines.", "Open another file for what is left."
)
CREDIT_FILE_INCOMPLETE = Row(
    Kind.STATE,
    True,
    "The lines that arrived are not as many as announced, or do not sum to it.",
    "Compare the figures in the metadata; send what is missing, then close the file with a new request id.",
)
CREDIT_AMOUNT_ZERO = Row(
    Kind.STATE, True, "The line of the credit file pays nothing.", "Send a corrected line under a new number."
)
CREDIT_LINE_REUSED = Row(
    Kind.REUSED,
    False,
    "The file already has a line of this number with other content.",
    "Send a corrected line under a new number.",
)
