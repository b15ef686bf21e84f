"""The smallest failing case in print: its inputs, what was expected and what came, side by side.

Imports only NumPy and the checks' own words for values.
"""

import numpy as np

from course_lib.check.answers import Answer
from course_lib.check.tasks import Task
from course_lib.check.values import first_difference, number_text, parts

SMALL = 40  # arrays of so many numbers are printed whole
WIDTH = 78


def show_case(task: Task, arguments, right, answer: Answer, fault) -> list[str]:
    """Return the lines that show one case: inputs, expected, got."""
    y, count = task.result_names[fault.part], len(task.result_names)
    right = parts(right, count)[fault.part]
    several = parts(answer.value, count) if answer.how == "returned" else None
    got = several[fault.part] if several else None
    call = ", ".join(
        name if isinstance(value, np.ndarray) else f"{name}={value}"
        for name, value in zip(task.argument_names, arguments, strict=True)
    )
    lines = [f"The smallest case that goes wrong: {task.function_name}({call})"]
    arrays = [(name, value) for name, value in zip(task.argument_names, arguments, strict=True)
              if isinstance(value, np.ndarray)]
    lines += [f"    {name} {value.shape} {value.dtype}" for name, value in arrays]
    if not fault.numbers_right and max((value.size for _, value in arrays), default=0) <= SMALL:
        lines += side_by_side([block for name, value in arrays for block in blocks(name, value)])
    if fault.kind in ("values", "nan", "shape", "unsteady", "None", "type") or (
            right.dtype == bool and fault.kind == "raised"):
        lines += side_by_side(blocks(f"expected {y}", right))
        if isinstance(got, np.ndarray) and fault.kind != "unsteady":
            lines += side_by_side(blocks(f"your {y}", got))
    if fault.kind == "values":
        lines.append(first_difference(y, got, right))
    if answer.printed.strip():
        lines += ["It printed:", *("    " + line for line in answer.printed.splitlines()[:6])]
    return lines


def blocks(name: str, value: np.ndarray) -> list[list[str]]:
    """Return a small array as blocks of aligned lines, one for each image and channel."""
    if value.size > SMALL or value.size == 0 or value.ndim > 4:
        return []
    if value.ndim == 0:
        return [[name, number_text(value)]]
    matrices = value.reshape((-1, *value.shape[-2:])) if value.ndim > 1 else value[None, None]
    made = []
    for place, matrix in zip(np.ndindex(value.shape[:-2]), matrices, strict=True):
        title = f"{name}[{', '.join(map(str, place))}]" if place else name
        numbers = [[number_text(number) for number in row] for row in matrix]
        width = max(len(number) for row in numbers for number in row)
        made.append([title, *(" ".join(number.rjust(width) for number in row) for row in numbers)])
    return made


def side_by_side(blocks: list[list[str]]) -> list[str]:
    """Put blocks of lines next to each other, as many as fit into the width."""
    lines: list[str] = []
    while blocks:
        row, used = [], 4
        while blocks and (not row or used + _width(blocks[0]) + 3 <= WIDTH):
            used += _width(blocks[0]) + 3
            row.append(blocks.pop(0))
        height = max(map(len, row))
        for block in row:
            block.extend([""] * (height - len(block)))
        for level in range(height):
            cells = [block[level].ljust(_width(block)) for block in row]
            lines.append(("    " + "   ".join(cells)).rstrip())
    return lines


def _width(block: list[str]) -> int:
    return max(map(len, block))
