"""Errors that come out of task groups."""

from typing import cast


def sole(error: BaseException) -> BaseException:
    """The exception inside groups of one; a group of several stays a group."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        first, *others = group.exceptions
        if others:
            return group
        error = first
    return error
