"""The machine: what speed is measured with, what it depends on, and how fast it could be at best.

Imports nothing of the course.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None

SGEMM_SIZES, SGEMM_SECONDS = (512, 1024, 2048), 1.0  # the largest that takes no longer
COPY_BYTES = 2**27  # more than any cache holds


class ThreadsError(RuntimeError):
    """More than one thread computes: CPU seconds then say nothing about speed."""


class Cost(NamedTuple):
    """CPU seconds of the whole process, elapsed seconds, and pages that were new to it."""

    cpu: float
    elapsed: float
    pages: int


def clocks() -> Cost:
    """Where the three counters stand."""
    return Cost(time.process_time(), time.perf_counter(), page_faults())


def since(start: Cost) -> Cost:
    """How far they went since then."""
    return Cost(*(now - then for now, then in zip(clocks(), start)))


def shortest_block() -> float:
    """CPU seconds that the clock can tell apart, twenty times (15.6 ms each on Windows)."""
    return 20 * time.get_clock_info("process_time").resolution


def measure_roof() -> dict:
    """What the machine can do at most: sgemm FLOP/s through NumPy, copied bytes/s (read + write).

    Raises ThreadsError where NumPy's BLAS computes in more than one thread.
    """
    sgemm, measured = 0.0, 0
    for size in SGEMM_SIZES:
        a, b = (np.random.default_rng(seed).random((size, size), np.float32) for seed in (0, 1))
        if sgemm and 2 * size**3 / sgemm > SGEMM_SECONDS:
            break
        product = a @ b
        seconds = min(cpu_seconds(lambda: np.matmul(a, b, out=product)) for _ in range(4))
        sgemm, measured = 2 * size**3 / seconds, size
    source = np.ones(COPY_BYTES, np.uint8)
    target = np.zeros_like(source)
    np.copyto(target, source)
    copy = 2 * COPY_BYTES / min(cpu_seconds(lambda: np.copyto(target, source)) for _ in range(4))
    return {"sgemm_flops_per_second": sgemm, "sgemm_size": measured, "copy_bytes_per_second": copy}


def cpu_seconds(action) -> float:
    """CPU seconds of one call; ThreadsError where other threads than this one took part."""
    own, all_threads = time.thread_time(), time.process_time()
    action()
    own, all_threads = time.thread_time() - own, time.process_time() - all_threads
    if all_threads > 1.5 * own + 0.05:
        raise ThreadsError(f"expected one thread, but {all_threads / max(own, 1e-9):.1f} times "
                           "this thread's CPU time was used: set OPENBLAS_NUM_THREADS, "
                           "OMP_NUM_THREADS and MKL_NUM_THREADS to 1 before Python starts")
    return all_threads


def facts() -> dict:
    """What the figures depend on: processor, versions, BLAS and the kernel that it chose."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    found = {name: version_of(name) for name in ("torch", "numba")}
    return {"cpu": processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "python": platform.python_version(), "numpy": np.__version__, **found,
            "blas": f"{blas.get('name')} {blas.get('version')}", "blas_kernel": blas_kernel()}


def version_of(package: str) -> str | None:
    """The installed version of a package, which is not imported; None: not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def blas_kernel() -> str | None:
    """The kernel that OpenBLAS chose for this processor, such as SkylakeX; None: another BLAS."""
    core = importlib.import_module("numpy._core._multiarray_umath" if np.__version__ >= "2"
                                   else "numpy.core._multiarray_umath")
    for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_",
                 "openblas_get_corename"):
        try:
            get_name = getattr(ctypes.CDLL(core.__file__), name)
        except (AttributeError, OSError):
            continue
        get_name.restype = ctypes.c_char_p
        return get_name().decode()
    return None


def keeps_freed_memory(size: int = 2**26) -> bool | None:
    """Does a freed array of so many bytes leave its pages to the next one? None: not known.

    glibc's malloc hands large blocks back to the system, which then gives (and clears) them anew,
    page by page: PyTorch spends a seventh of a large network's training on that.
    """
    if resource is None:
        return None
    for _ in range(2):
        before = page_faults()
        np.ones(size, np.uint8)
    return page_faults() - before < size // 2**20  # anew it takes one for each 4 KiB or 2 MiB


def page_faults() -> int:
    """Pages that the system has given this process so far (0 where that is not counted)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0


def load_average() -> float | None:
    """Processes that wanted a core in the last minute, on average; None on Windows."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
