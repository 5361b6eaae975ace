"""The one error type for mistakes that a user can mend."""

import difflib
from collections.abc import Iterable, Sequence


class WildRobotError(ValueError):
    """A user's mistake in three parts: what happened, where, and what to try.

    The command line prints it as a short message and exits with `exit_code` (2, a usage
    error, unless said otherwise); the library raises it. It is a ValueError, as JAX raises for such mistakes.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", exit_code: int = 2):
        self.what, self.where, self.hint, self.exit_code = what, where, hint, exit_code
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  try:   {self.hint}")
        return "\n".join(lines)


class MistakesError(WildRobotError):
    """Several mistakes of one kind, all told at once; `errors` has them one by one."""

    def __init__(self, subject: str, errors: Sequence[WildRobotError], *, where: str = "", hint: str = ""):
        self.errors = tuple(errors)
        self._headline = f"{subject} has {len(self.errors)} mistakes"
        told = "; ".join(error.what.rstrip(".") for error in self.errors)
        super().__init__(f"{self._headline}: {told}.", where=where, hint=hint)

    def __str__(self) -> str:
        told = [f"{i}. {error}".replace("\n", "\n   ") for i, error in enumerate(self.errors, 1)]
        return "\n".join([f"{self._headline}:", *told])


def together(subject: str, errors: Sequence[WildRobotError], *, where: str = "", hint: str = "") -> WildRobotError:
    """The one mistake as it is, or one error that tells all of them; its place is theirs where they share one."""
    if len(errors) == 1:
        return errors[0]
    places = {error.where for error in errors}
    return MistakesError(subject, errors, where=places.pop() if len(places) == 1 else where, hint=hint)


class MissingNameError(WildRobotError, AttributeError):
    """Something was asked for a name that it does not have; `hasattr` and `getattr` know it as they should."""


class WrongMaskError(WildRobotError, AssertionError):
    """A mask of envs that is none; Gymnasium's own vector envs raise an AssertionError there."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the known word closest to `name`, or lists them all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}? (known: {', '.join(known)})"
    return f"one of: {', '.join(known)}" if known else "there are none"


def first_line(error: BaseException) -> str:
    """The first line of an error's text, at most 300 characters of it; its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
