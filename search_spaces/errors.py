"""The errors a user can cause, and the sentence for a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given by the user is wrong; the text names the thing, the range and the value.

    The command line prints the text alone and exits with status 2.
    """


def unknown_name(kind: str, name: object, known: Iterable[str]) -> InputError:
    """The error for a name that is not among ``known``, with the nearest one.

    >>> raise unknown_name("agent", "nsga", ["nsga2", "random"])
    Traceback (most recent call last):
    codesign_gym.search_spaces.errors.InputError: unknown agent 'nsga'; did you mean 'nsga2'? \
Known: nsga2, random
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return InputError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or '(none)'}")
