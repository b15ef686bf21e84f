"""Shared fixtures: a seeded generator, and `need(...)` for what a machine may lack.

COURSE_REQUIRE=torch,mnist,browser,numba names what must be there: those tests then fail, not skip.
"""

import importlib
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def find_torch():
    return importlib.import_module("torch")


def find_mnist():
    from course_lib.data import DataError, load_mnist

    try:
        load_mnist()
    except DataError as error:
        raise LookupError(str(error)) from None
    return Path(os.environ["COURSE_DATA"]) if "COURSE_DATA" in os.environ else None


def find_browser():
    importlib.import_module("playwright")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise LookupError("no chromium on PATH: apt-get install chromium")


def find_numba():
    return importlib.import_module("numba")


FINDERS = {"numba": find_numba, "torch": find_torch, "mnist": find_mnist, "browser": find_browser}
FOUND = {}


def need(name):
    """Return the named oracle, or skip; fail instead where COURSE_REQUIRE names it."""
    if name not in FOUND:
        try:
            FOUND[name] = (FINDERS[name](), None)
        except (ImportError, LookupError) as error:
            FOUND[name] = (None, error)
    value, error = FOUND[name]
    if error is None:
        return value
    if name in os.environ.get("COURSE_REQUIRE", "").split(","):
        pytest.fail(f"COURSE_REQUIRE names {name}, but: {error}", pytrace=False)
    pytest.skip(f"needs {name}: {error}")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def mnist():
    need("mnist")
    from course_lib.data import load_mnist

    return load_mnist()
