"""What widgets share whose reader walks over an output, cell by cell: position, play, checks."""

from __future__ import annotations

import traitlets

from course_lib.shapes import Windows
from course_lib.widgets.base import Checked, CourseWidget, Flag, WidgetError, plain


class WalkingWidget(CourseWidget):
    """A widget with a current output cell, `position` (i, j), and a walk over all of them.

    A subclass says in `_windows()` where its windows lie, and in `shaping` which traits decide it.
    """

    shaping: tuple[str, ...] = ()

    position = Checked((0, 0)).tag(sync=True)
    playing = Flag().tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self.observe(self._stay_inside, list(self.shaping))

    def play(self):
        """Walk over the output in the browser, a cell at a time, to the last one."""
        self.playing = True

    def pause(self):
        self.playing = False

    def _windows(self, **changes) -> Windows:
        """Where the windows lie, or would lie after these changes; WidgetError if they cannot."""
        raise NotImplementedError

    @traitlets.validate("position")
    def _check_position(self, proposal):
        rows, columns = self._windows().output
        value = plain(proposal.value)
        whole = isinstance(value, tuple) and [type(part) for part in value] == [int, int]
        if not (whole and 0 <= value[0] < rows and 0 <= value[1] < columns):
            raise WidgetError(
                f"{type(self).__name__}: position must be (row, column), whole numbers with row "
                f"0 to {rows - 1} and column 0 to {columns - 1}, got {proposal.value!r}."
            )
        return value

    def _stay_inside(self, change):
        last = (size - 1 for size in self._windows().output)
        self.position = tuple(min(p, end) for p, end in zip(self.position, last))
