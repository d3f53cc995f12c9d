"""The error of this layer."""


class TraceError(ValueError):
    """A trace, or a file it is read from, is not what it must be.

    The message says what was given, what was expected and, for files, the file, line and field.
    """
