"""What ends an engine."""


class EngineError(Exception):
    """The engine cannot go on; the message says why and what to do."""
