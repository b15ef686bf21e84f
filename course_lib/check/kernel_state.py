"""What a call could change for everybody in this process, and putting it back.

A call may patch what puts back, too: so that begins with bound methods and needs no name.
`sandbox` imports this module; it imports only NumPy.
"""

import builtins
import gc
import importlib
import json
import logging
import math
import os
import random
import signal
import struct
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np

_BETWEEN = (builtins, os, sys, random, json, json.encoder, struct, np, np.random)
_AT_THE_END = (*_BETWEEN, math, time, signal, threading, warnings, json.decoder)
_OURS = ("course_lib.check.answers", "course_lib.check.in_child", "course_lib.check.sandbox")


def remember(everything: bool = False) -> Callable[[], None]:
    """Return a function that puts back what was changed since: names, generators, settings.

    Without `everything`, what the sandbox needs between two calls: `builtins`, NumPy, the checks.
    """
    here = sys.modules[__name__]
    first = [(vars(module).update, dict(vars(module))) for module in (builtins, here)]
    first[0][1].pop("_", None)  # the last result in a terminal
    modules, classes = _modules(everything), _classes() if everything else []
    names = [(vars(module), dict(vars(module))) for module in modules]
    members = [(one, dict(vars(one))) for one in classes]
    settings, rest = _settings(everything), _put_back

    def put_back() -> None:
        for update, known in first:
            update(known)
        rest(names, members, settings)

    return put_back


def _modules(everything: bool) -> list:
    """Return the modules whose names a call must leave as they were: few of them between calls.

    In a forked child each name costs a copied page.
    """
    if not everything:
        return [*_BETWEEN, *(sys.modules[name] for name in _OURS if name in sys.modules)]
    loaded = [module for name, module in sys.modules.items() if module not in _AT_THE_END
              and f"{name}.".startswith(("numpy.", "course_lib."))]
    return [*_AT_THE_END, *(module for module in loaded if type(module) is types.ModuleType)]


def _classes() -> list:
    """Return the classes of the course: a call may set `Conv2D.forward`."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("course_lib.") and type(module) is types.ModuleType:
            found.update({id(thing): thing for thing in vars(module).values()
                          if isinstance(thing, type) and thing.__module__.startswith("course_lib")})
    return list(found.values())


def _settings(everything: bool) -> dict:
    """Return what is no name of a module."""
    return {
        "numpy random": np.random.get_state(),
        "random": random.getstate(),
        "errors": (np.geterr(), np.geterrcall()),
        "print options": np.get_printoptions(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "recursion": sys.getrecursionlimit(),
        "lists": [(place, list(place)) for place in (sys.path, sys.argv)],
        "modules": dict(sys.modules) if everything else {"numpy": np, "json": json},
        "garbage": gc.isenabled(),
        "trace": (sys.gettrace(), sys.getprofile()),
        "logging": logging.root.manager.disable,
    }


def _put_back(names: list, members: list, settings: dict) -> None:
    sys.modules.update(settings["modules"])
    for namespace, known in names:
        namespace.update(known)
        if len(namespace) != len(known):  # added names go, unless they are modules
            for name in [name for name in namespace if name not in known]:
                if type(namespace[name]) is not types.ModuleType:
                    del namespace[name]
    for owner, known in members:
        _put_members_back(owner, known)
    np.random.set_state(settings["numpy random"])
    random.setstate(settings["random"])
    np.seterr(**settings["errors"][0])
    np.seterrcall(settings["errors"][1])
    if np.get_printoptions() != settings["print options"]:
        np.set_printoptions(**settings["print options"])
    if sys.getrecursionlimit() != settings["recursion"]:
        sys.setrecursionlimit(settings["recursion"])
    if dict(os.environ) != settings["environment"]:
        os.environ.clear()
        os.environ.update(settings["environment"])
    for place, content in settings["lists"]:
        place[:] = content
    if gc.isenabled() != settings["garbage"]:
        (gc.enable if settings["garbage"] else gc.disable)()
    if sys.gettrace() is not settings["trace"][0]:
        sys.settrace(settings["trace"][0])
    if sys.getprofile() is not settings["trace"][1]:
        sys.setprofile(settings["trace"][1])
    logging.root.manager.disable = settings["logging"]
    os.chdir(settings["folder"])


_MISSING = object()


def _put_members_back(owner: type, known: dict) -> None:
    for name, value in known.items():
        if vars(owner).get(name, _MISSING) is not value:
            try:
                setattr(owner, name, value)
            except (AttributeError, TypeError):  # __dict__ and its like
                pass
    for name in [name for name in vars(owner) if name not in known]:
        delattr(owner, name)


# What the judge works with


_ORIGINALS: list[tuple[dict, dict]] = []
_ORIGINAL_CLASSES: list[tuple[type, dict]] = []


def remember_originals() -> None:
    """Note what NumPy, `builtins` and the course hold now, while the checks are imported.

    A notebook that has put functions of its own into the course before gets the course's again.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("course_lib.") and _is_patched(module):
            importlib.reload(module)
    numpys = [module for name, module in list(sys.modules.items())
              if f"{name}.".startswith("numpy.") and type(module) is types.ModuleType]
    ours = [module for name, module in list(sys.modules.items())
            if name.startswith("course_lib.") and name != "course_lib.check.sandbox"]
    _ORIGINALS[:] = [
        *((vars(module), dict(vars(module))) for module in (builtins, math, *numpys)),
        *((vars(module), {name: thing for name, thing in vars(module).items()  # no settings
                          if isinstance(thing, (types.FunctionType, type))}) for module in ours),
    ]
    _ORIGINAL_CLASSES[:] = [(one, dict(vars(one))) for one in _classes()]


def _is_patched(module) -> bool:
    """Say whether a module of the course holds a function that was defined elsewhere."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    functions = [thing for thing in vars(module).values() if type(thing) is types.FunctionType]
    return any(thing.__module__ in ("__main__", None) and not
               thing.__code__.co_filename.startswith(own) for thing in functions)


@contextmanager
def originals():
    """Inside, NumPy, `builtins`, `math` and the course hold what they held when checks were new.

    A notebook may have set `np.sum = my_sum`, or `conv.conv2d = my_conv2d`, long before it asks
    for a check; the judge must not use that. Afterwards the notebook's own version is back.
    """
    present = [(namespace, dict(namespace)) for namespace, _ in _ORIGINALS]
    members = [(one, dict(vars(one))) for one, _ in _ORIGINAL_CLASSES]
    errors = np.seterr(all="ignore")
    for namespace, names in _ORIGINALS:
        namespace.update(names)
    for one, names in _ORIGINAL_CLASSES:
        _put_members_back(one, names)
    try:
        yield
    finally:
        for one, names in members:
            _put_members_back(one, names)
        for namespace, names in present:
            namespace.update(names)
        np.seterr(**errors)
