"""How a log can fail to append, to read, and to archive, told apart by what may be done about it."""


class LogError(Exception):
    """Base of everything that a log raises."""


class AppendConflict(LogError):
    """The rows were not appended, because something recorded earlier stands in their way."""


class PositionTaken(AppendConflict):
    """Another writer has appended at one of these positions."""


class VersionTaken(AppendConflict):
    """One of these aggregates already has an event of that version."""


class RequestTaken(AppendConflict):
    """One of these request ids has already been recorded."""


class TreeChanged(AppendConflict):
    """The tree that the log holds is not the one that these rows would grow."""


class TailChanged(LogError):
    """The event before these rows is not the one that they were decided after: they were not appended."""


class StorageFull(LogError):
    """There is no room left. The rows were certainly not appended."""


class LogUnavailable(LogError):
    """The database did not answer, so whether the rows were appended is not known.

    Reading them back would not tell: only a later successful append by the same writer settles it.
    """


class ReadOutOfTime(LogError):
    """A read took longer than whoever asked would wait, and was ended. Nothing is wrong with the log."""


class LogBroken(LogError):
    """The storage itself failed (an I/O error, a damaged file): the process must not go on."""


class SegmentUnreadable(LogError):
    """A segment of the archive is missing, or is not what was archived. Whoever asks for an event in it gets none."""

    def __init__(self, segment: str, message: str) -> None:
        super().__init__(message)
        self.segment = segment


class SegmentRefused(LogError):
    """A segment does not follow what is archived, or reaches too far: nothing was moved."""


class SchemaTooNew(LogError):
    """The database was written by a newer version of Esep than this one."""


class LogOwned(LogError):
    """An engine owns this log, so that nothing else may write to it."""
