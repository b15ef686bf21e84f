"""The table of a network: rows in, text for print and HTML for a notebook out.

Imports nothing of the course; model makes the rows.
"""

from __future__ import annotations

import html
from typing import NamedTuple


class SummaryRow(NamedTuple):
    """One layer; receptive_field is None where a value no longer has a place in the image."""

    name: str
    output_shape: tuple
    parameters: int
    flops: int
    receptive_field: tuple | None


class Summary:
    """The table of a network; print it, or let a notebook show it."""

    def __init__(self, rows: list[SummaryRow], output: str | None):
        self.rows, self.output = rows, output
        self.parameters = sum(row.parameters for row in rows)
        self.flops = sum(row.flops for row in rows)

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, its head first."""
        table = [("layer", "output shape", "parameters", "FLOPs", "receptive field")]
        for row in self.rows:
            field = "" if row.receptive_field is None else "{}x{}".format(*row.receptive_field)
            table.append((row.name, "x".join(map(str, row.output_shape)),
                          f"{row.parameters:,}", f"{row.flops:,}", field))
        output = f"total, output {self.output}" if self.output else "total"
        return [*table, (output, "", f"{self.parameters:,}", f"{self.flops:,}", "")]

    def __str__(self) -> str:
        table = self.cells()
        widths = [max(len(row[k]) for row in table) for k in range(5)]
        return "\n".join("  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in table)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rows = [[html.escape(cell) for cell in row] for row in self.cells()]
        line = "".join(f'<th scope="col">{cell}</th>' for cell in head)
        body = "".join(f'<tr><th scope="row">{row[0]}</th>'
                       + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows)
        return f"<table><thead><tr>{line}</tr></thead><tbody>{body}</tbody></table>"
