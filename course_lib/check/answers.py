"""What one call did, as plain data: how it ended, what it returned, where it stopped.

The sandbox fills these in, the judge reads them; imports only NumPy.
"""

import inspect
import re
import traceback
from dataclasses import dataclass

import numpy as np

LARGEST_ARRAY = 2**24  # bytes; of a larger answer only the shape is reported
LARGEST = 2**26  # bytes of everything that one call returns
LONGEST_TEXT = 400  # characters kept of what a call prints
MANY = 16  # items, levels: of longer lists only the name is reported


@dataclass
class Answer:
    """What one call did.

    how      "returned", "raised", "not attempted", "asked for input", "exited", "out of memory",
             "too slow" or "crashed"
    value    what it returned: arrays, numbers, strings, None, lists and tuples of them,
             or an `Unshown` in place of anything else
    detail   the error, with its line, or the exit code, or what is left to do
    seen     the arrays and numbers on that line: "window (2, 3, 2), i = 3"
    changed  positions of the arguments that were changed in place
    printed  the first characters of what was printed
    unused   positions of the arguments that are functions on trial and were never called
    inside   the function on trial that the error came from
    caught   the error of a function on trial that went no further
    """

    how: str
    value: object = None
    detail: str = ""
    seen: str = ""
    changed: tuple = ()
    printed: str = ""
    unused: tuple = ()
    inside: str = ""
    caught: str = ""

    @property
    def error(self) -> str:
        """The name of the error: "IndexError"."""
        return re.split(r"[:\s]", self.detail, maxsplit=1)[0]


@dataclass
class Unshown:
    """Stands for a value that is not brought out of the sandbox; arrays keep dtype and shape."""

    name: str
    dtype: str = ""
    shape: tuple = ()


def shown(value):
    """Return `value` itself if it is plain data of bearable size, else an Unshown."""
    return _shown(value, [LARGEST // 2], 0)


def _shown(value, room: list, level: int):
    """Return `value` or an Unshown; `room` holds how many bytes may still come."""
    if type(value) is int and value.bit_length() > 62:
        return Unshown(f"int of {value.bit_length()} bits")
    if type(value) is str and len(value) > LARGEST_ARRAY // 2**8:
        return Unshown(f"str of {len(value)} characters")
    if value is None or type(value) in (bool, int, float, str):
        return value if type(value) is not str else plain(value)
    if isinstance(value, np.generic):  # one number out of an array: an array without axes
        value = np.asarray(value)
    if type(value) is np.ndarray:
        bytes_needed = value.size * value.itemsize
        if value.dtype.kind not in "biufc" or bytes_needed > min(LARGEST_ARRAY, room[0]):
            return Unshown("ndarray", str(value.dtype)[:40], value.shape)
        room[0] -= bytes_needed
        return value.copy()
    if type(value) in (list, tuple) and len(value) <= MANY and level < 3:
        return type(value)(_shown(item, room, level + 1) for item in value)
    return Unshown(plain(str(type(value).__name__))[:40])


def plain(text: str) -> str:
    """Return a text without anything that moves a cursor or that no file can hold.

    >>> plain("a\\tb\\x1b[31m\\ud800\\r\\n")
    'a    b?[31m??\\n'
    """
    return "".join(one if one.isprintable() or one == "\n" else "?"
                   for one in text.replace("\t", "    "))


def unfinished(error: BaseException, function) -> str:
    """Say who raised NotImplementedError, if it is another function or one with code in it."""
    frames = list(traceback.walk_tb(error.__traceback__))
    code = frames[-1][0].f_code if frames else None
    own = code_of(function)
    if code is None or own is None:
        return ""
    if code is not own:
        return f"it calls {code.co_name}, which is left to do"
    stub = code.co_names == ("NotImplementedError",) and code.co_nlocals == sum(
        (code.co_argcount, code.co_kwonlyargcount, bool(code.co_flags & inspect.CO_VARARGS),
         bool(code.co_flags & inspect.CO_VARKEYWORDS)))
    return "" if stub else "it stops at `raise NotImplementedError`, which your code is to replace"


def code_of(function):
    """Return the code of a function, of a method, or of an object that can be called."""
    for one in (function, getattr(function, "func", None), getattr(type(function), "__call__", 0)):
        code = getattr(one, "__code__", None)
        if code is not None:
            return code
    return None


def described(error: BaseException, function) -> tuple[str, str]:
    """Return ('IndexError: … (line 7: y[i] = 0)', 'y (3,), i = 3'): the student's last line."""
    message = type(error).__name__
    try:
        message += f": {error}" if str(error) else ""
    except BaseException:  # noqa: BLE001  (an error that cannot say what it is)
        pass
    message = plain(message).replace("\n", " ")[:LONGEST_TEXT]
    filename = getattr(code_of(function), "co_filename", None)
    frames = [(frame, number) for frame, number in traceback.walk_tb(error.__traceback__)
              if frame.f_code.co_filename == filename]
    if not frames:
        return message, ""
    frame, number = frames[-1]
    line = traceback.extract_tb(error.__traceback__)
    text = [one.line for one in line if one.filename == filename][-1] or ""
    name = frame.f_code.co_name  # "<genexpr>" stands in the student's own function
    helper = "" if frame.f_code is code_of(function) or name.startswith("<") else f" of {name}"
    shown = plain(text) if len(text) <= 120 else f"{plain(text)[:119]}…"
    return (f"{message} (line {number}{helper}: {shown})",
            _on_the_line(text, frame.f_locals))


def _on_the_line(text: str, names: dict) -> str:
    """Return the arrays' shapes and the whole numbers that a line of code names."""
    found = {}
    for name in re.findall(r"(?<![\w.])[A-Za-z_]\w*", text):
        value = names.get(name)
        if type(value) is np.ndarray:
            found[name] = f"{name} {value.shape}"
        elif type(value) is tuple and any(isinstance(one, np.ndarray) for one in value):
            found[name] = f"{name} a tuple of {len(value)}"
        elif type(value) in (int, float, tuple) or isinstance(value, np.number):
            found[name] = f"{name} = {str(value)[:40]}"
        elif type(value) is list:
            found[name] = f"{name} a list of {len(value)}"
        elif name in names and value is None:
            found[name] = f"{name} = None"
    return plain(", ".join(list(found.values())[:8]))
