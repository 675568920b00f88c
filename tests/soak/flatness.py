"""Whether a figure that was taken again and again stays where it was."""

from collections.abc import Sequence
from statistics import median

from attrs import frozen

_LEAST = 6
"""With fewer samples nothing can be said."""


@frozen
class Course:
    """How a figure went: its median in the first, the second and the last third of the time.

    A median, because a single sample may fall into a busy moment. `highest` is of them all.
    """

    start: float
    middle: float
    end: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Course":
        """The course of these values, in their order. Raises ValueError where they are too few."""
        if len(values) < _LEAST:
            raise ValueError(f"{len(values)} samples are too few, {_LEAST} are needed")
        third = len(values) // 3
        return cls(
            start=median(values[:third]),
            middle=median(values[third : len(values) - third]),
            end=median(values[len(values) - third :]),
            highest=max(values),
        )

    @property
    def rise(self) -> float:
        """How much higher the end is than the lower of what was before."""
        return self.end - min(self.start, self.middle)

    def is_flat(self, allowance: float) -> bool:
        """Whether it rose by no more than the allowance."""
        return self.rise <= allowance
