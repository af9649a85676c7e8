"""The reasons for which questions of auditors are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

AGGREGATE_NOT_FOUND = Row(
    Kind.NOT_FOUND,
    False,
    "There is no such aggregate.",
    "Check the id; what an account has and holds is read by ExplainBalance.",
)
REPLAY_TOO_FAR = Row(
    Kind.INVALID,
    False,
    "More events would have to be replayed than one question may ask for.",
    "Ask for an earlier decision first, and go on in the order of the log.",
)
