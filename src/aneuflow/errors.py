"""The errors a user meets: one class for each exit code; the message says what, where, the value and the remedy."""


class AneuflowError(Exception):
    """An error that is shown to the user as its one sentence, without a traceback."""

    exit_code = 1


class InputError(AneuflowError):
    """The input or a setting is wrong: the user can put it right."""

    exit_code = 2


class MethodError(AneuflowError):
    """The input is sound, but the method does not apply to it or failed its own checks."""

    exit_code = 3


class ResourceError(AneuflowError):
    """Memory, disk, a system library or an optional package is missing."""

    exit_code = 4
