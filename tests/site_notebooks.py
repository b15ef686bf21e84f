"""Small executed notebooks for the tests of pages: cells and outputs made in memory."""

import json

from course_lib.notebooks import code_hash


def markdown(source, **more):
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


def code(source, *outputs, **metadata):
    return {"cell_type": "code", "metadata": metadata, "source": source, "execution_count": 1,
            "outputs": list(outputs)}


def shown(value):
    """The output of a cell that ends in `value`, as the tool that executes notebooks keeps it."""
    data, metadata = value._repr_mimebundle_()
    data.pop("application/vnd.jupyter.widget-view+json", None)
    return {"output_type": "execute_result", "execution_count": 1, "data": data,
            "metadata": metadata}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def notebook(*cells):
    cells = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    made["metadata"]["course"] = {"code_hash": code_hash(made)}
    return made


def write(folder, name, made):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(made), encoding="utf-8")
    return path
