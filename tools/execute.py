"""Execute notebooks top to bottom at full size and store outputs that never change by themselves.

    python tools/execute.py NOTEBOOK...            execute, clean, stamp, write
    python tools/execute.py --check NOTEBOOK...    only say whether the outputs are fresh
    python tools/execute.py --check                the same for every lesson and solution

A notebook runs in a fresh kernel of the interpreter that runs this file, in its own folder. What
differs from run to run (widget ids, time stamps, the order in which streams arrive) is taken out.
"""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_lib.notebooks import (
    WIDGET_VIEW,
    code_hash,
    joined,
    machine_traces,
    output_faults,
    read_notebook,
    write_notebook,
)

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*m")


class ExecutionError(Exception):
    """A notebook could not be executed, or its outputs cannot be published."""


def kernel_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of the kernel: one BLAS thread, full size, nothing of the user's."""
    environment = dict(os.environ)
    environment.pop("COURSE_FAST", None)
    environment.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    environment.update(PYTHONHASHSEED="0", MPLBACKEND="module://matplotlib_inline.backend_inline")
    environment.update(COURSE_PROGRESS=str(scratch), IPYTHONDIR=str(scratch / "ipython"))
    path = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT)] + ([path] if path else []))
    return environment


def own_kernel_manager():
    """Return a kernel manager class that starts the running interpreter, whatever is installed.

    An installed kernel named "python3" may belong to another Python, without our dependencies.
    """
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    arguments = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR"]
    arguments += ["-f", "{connection_file}"]

    class OwnKernel(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            return KernelSpec(argv=arguments, display_name="Python 3", language="python")

    class OwnKernelManager(AsyncKernelManager):
        def __init__(self, **options):
            super().__init__(kernel_spec_manager=OwnKernel(), **options)

    return OwnKernelManager


def run_cells(notebook: dict, folder: Path, timeout: int) -> dict:
    """Return the notebook with the outputs of a fresh kernel, or raise naming the failing cell."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    node = nbformat.from_dict(notebook)
    for cell in node["cells"]:
        cell["source"] = joined(cell["source"])
    started: list[int] = []
    client = NotebookClient(
        node, kernel_manager_class=own_kernel_manager(), kernel_name="python3", timeout=timeout,
        on_cell_start=lambda cell, cell_index: started.append(cell_index),
        record_timing=False, store_widget_state=False, coalesce_streams=False,
        resources={"metadata": {"path": str(folder)}},
    )
    with tempfile.TemporaryDirectory() as scratch:
        try:
            client.execute(env=kernel_environment(Path(scratch)), cwd=str(folder))
        except CellExecutionError as error:
            message = COLOUR_CODE.sub("", str(error))
            raise ExecutionError(_failing_cell(node, started) + message) from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise ExecutionError(_failing_cell(node, started) + str(error)) from None
    return node


def _failing_cell(notebook: dict, started: list[int]) -> str:
    """Name the last cell that was started: its number, its id."""
    number = started[-1] if started else 0
    return f"cell {number + 1} (id {notebook['cells'][number].get('id')}) failed:\n"


def merge_streams(outputs: list[dict]) -> list[dict]:
    """Join neighbouring pieces of stdout and stderr, stdout first; replay carriage returns.

    How a kernel cuts a stream into messages, and which stream comes first, is chance.
    """
    merged: list[dict] = []
    pieces: dict[str, str] = {}
    for output in [*outputs, None]:
        if output is not None and output["output_type"] == "stream":
            pieces[output["name"]] = pieces.get(output["name"], "") + joined(output["text"])
            continue
        for name in sorted(pieces, reverse=True):
            text = replay_carriage_returns(pieces[name])
            merged.append({"output_type": "stream", "name": name, "text": text})
        pieces = {}
        if output is not None:
            merged.append(output)
    return merged


def replay_carriage_returns(text: str) -> str:
    """Return what a terminal would show: a progress bar leaves its last state only.

    >>> replay_carriage_returns("10%\\r50%\\r100%\\ndone\\r\\n")
    '100%\\ndone\\n'
    """
    shown = []
    for line in text.replace("\r\n", "\n").split("\n"):
        states = [state for state in line.split("\r") if state]
        shown.append(states[-1] if states else "")
    return "\n".join(shown)


def clean(notebook: dict) -> dict:
    """Take out of an executed notebook what differs from run to run, and stamp its code hash."""
    metadata = notebook["metadata"]
    metadata.pop("widgets", None)
    metadata["kernelspec"], metadata["language_info"] = dict(KERNEL), dict(LANGUAGE)
    metadata["course"] = {**metadata.get("course", {}), "code_hash": code_hash(notebook)}
    for position, cell in enumerate(notebook["cells"]):
        cell.setdefault("id", f"cell-{position + 1:02d}")
        cell["metadata"].pop("execution", None)
        if cell["cell_type"] == "code":
            cell["outputs"] = _clean_outputs(cell["outputs"])
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    return notebook


def _clean_outputs(outputs: list[dict]) -> list[dict]:
    """Return outputs without widget views and without what is left empty."""
    kept = []
    for output in merge_streams(outputs):
        output.pop("transient", None)
        if "data" in output:
            output["data"].pop(WIDGET_VIEW, None)
            if not output["data"]:
                continue
        kept.append(output)
    return kept


def machine_folders() -> list[str]:
    """Return the absolute folders of this machine that no output may name."""
    folders = [ROOT, Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix)]
    return sorted({str(folder) for folder in folders if len(folder.parts) > 2})


def refuse_traces(notebook: dict) -> None:
    """Raise if an output would publish a path of this machine or a memory address."""
    for number, cell in enumerate(notebook["cells"], start=1):
        for output in cell.get("outputs", []):
            traces = machine_traces(output, machine_folders())
            if traces:
                raise ExecutionError(
                    f"cell {number} (id {cell['id']}): an output holds {', '.join(traces)}. "
                    "Print a name instead, or a rounded number: outputs are published."
                )


def execute(path, timeout: int = 600) -> None:
    """Execute the notebook at `path` and write it back, whole or not at all."""
    path = Path(path).resolve()
    notebook = read_notebook(path)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    for position, cell in enumerate(notebook["cells"]):
        cell.setdefault("id", f"cell-{position + 1:02d}")
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    executed = clean(run_cells(notebook, path.parent, timeout))
    refuse_traces(executed)
    write_notebook(path, executed)


def course_notebooks() -> list[Path]:
    """Return every lesson and every solution."""
    found = [*(ROOT / "notebooks").rglob("*.ipynb"), *(ROOT / "solutions").rglob("*.ipynb")]
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/execute.py", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--check", action="store_true", help="only report what is stale")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a cell may take (600)")
    arguments = parser.parse_args(argv)
    if not arguments.notebooks and not arguments.check:
        parser.error("name at least one notebook to execute")
    failed = 0
    for path in arguments.notebooks or course_notebooks():
        try:
            faults = output_faults(read_notebook(path), machine_folders())
            if not arguments.check:
                execute(path, arguments.timeout)
                faults = []
        except (ExecutionError, ValueError, OSError) as error:
            faults = [str(error)]
        failed += bool(faults)
        done = "fresh" if arguments.check else "executed"
        print(f"{path}: {'; '.join(faults) or done}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
