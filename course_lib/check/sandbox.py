"""Call a student's function where it can do no harm, and report what it did.

On Linux the calls happen in a forked child: whatever they change dies with it. Elsewhere (macOS
must not fork under Accelerate, Windows cannot) they happen in this process, with a timer and with
the state put back. `course_lib.check` imports this module; it imports only NumPy.
"""

import _thread
import builtins
import faulthandler
import gc
import io
import json
import math
import os
import random
import select
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

SECONDS = 8  # for all calls of one check together
MEMORY = 2**30  # bytes that the child may use beyond what its parent used
LARGEST_ARRAY = 2**24  # bytes; of a larger answer only the shape is reported
LONGEST_TEXT = 400  # characters kept of what a call prints

FORKED = "a process of its own"
TIMED = "this process, with a timer and its state put back"
UNGUARDED = "this process, without a timer (not in the main thread)"


@dataclass
class Answer:
    """What one call did.

    how      "returned", "raised", "not attempted", "asked for input", "exited", "out of memory",
             "too slow" or "crashed"
    value    what it returned: arrays, numbers, strings, None, lists and tuples of them,
             or an `Unshown` in place of anything else
    detail   the error, with its line, or the exit code
    changed  positions of the arguments that were changed in place
    printed  the first characters of what was printed
    """

    how: str
    value: object = None
    detail: str = ""
    changed: tuple = ()
    printed: str = ""


@dataclass
class Unshown:
    """Stands for a value that is not brought out of the sandbox; arrays keep dtype and shape."""

    name: str
    dtype: str = ""
    shape: tuple = ()


class TimeUp(BaseException):
    """Raised inside a call that outlived its time; no `except Exception` catches it."""


class AskedForInput(BaseException):
    """Raised by the `input` that calls find in the sandbox."""


def can_fork() -> bool:
    """Say whether calls can be put into a forked child here."""
    return sys.platform.startswith("linux") and hasattr(os, "fork")


def call(function, inputs: list[tuple], seconds: float | None = None) -> tuple[list, str]:
    """Call function(*arguments) for each tuple of `inputs`; return (answers, which guard was on).

    Each call gets its own copies of the arrays. The list of answers is shorter than `inputs` if a
    call did not come back: then the last answer says so.
    >>> answers, guard = call(lambda x: x + 1, [(1,), ("one",)])
    >>> [answer.how for answer in answers], answers[0].value
    (['returned', 'raised'], 2)
    """
    seconds = SECONDS if seconds is None else seconds
    if can_fork():
        try:
            return _call_in_child(function, inputs, seconds), FORKED
        except BlockingIOError:  # no process left for us: the second-best guard
            pass
    if threading.current_thread() is not threading.main_thread():
        return [_one_call(function, arguments, _snapshot()) for arguments in inputs], UNGUARDED
    return _call_here(function, inputs, seconds), TIMED


# One call, the same in both places


def _one_call(function, arguments: tuple, state: dict) -> Answer:
    """Call once on fresh copies, catch whatever comes, put the state back."""
    given = tuple(_copy(argument) for argument in arguments)
    printed, value, error = _FirstCharacters(), None, None
    try:
        with warnings.catch_warnings(), _redirected(printed, function):
            warnings.simplefilter("ignore")
            value = function(*given)
    except (TimeUp, KeyboardInterrupt):
        raise
    except BaseException as problem:  # noqa: BLE001  (whatever a student raises)
        error = problem
    finally:
        _put_back(state)  # before anything else: it may have patched what the lines below use
    answer = Answer("returned", _shown(value)) if error is None else _ended(error, function)
    answer.printed = printed.text
    answer.changed = tuple(
        position
        for position, (before, after) in enumerate(zip(arguments, given, strict=True))
        if not _same_array(before, after)
    )
    return answer


def _ended(error: BaseException, function) -> Answer:
    """Return the answer of a call that did not return."""
    if isinstance(error, NotImplementedError):
        return Answer("not attempted")
    if isinstance(error, AskedForInput):
        return Answer("asked for input")
    if isinstance(error, MemoryError):
        return Answer("out of memory")
    if isinstance(error, (SystemExit, GeneratorExit)):
        return Answer("exited", detail=type(error).__name__)
    return Answer("raised", detail=_describe(error, function))


def _copy(argument):
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def _same_array(before, after) -> bool:
    """Say whether an array still has its shape, dtype and bytes (NaN and −0 included)."""
    if not isinstance(before, np.ndarray):
        return True
    same_form = before.shape == after.shape and before.dtype == after.dtype
    return same_form and before.tobytes() == after.tobytes()


def _shown(value):
    """Return `value` itself if it is plain data of bearable size, else an Unshown."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic):  # one number out of an array: an array without axes
        value = np.asarray(value)
    if type(value) is np.ndarray:
        fine = value.dtype.kind in "biufc" and value.size * value.itemsize <= LARGEST_ARRAY
        return value.copy() if fine else Unshown("ndarray", str(value.dtype), value.shape)
    if type(value) in (list, tuple) and len(value) <= 16:
        return type(value)(_shown(item) for item in value)
    return Unshown(type(value).__name__)


def _describe(error: BaseException, function) -> str:
    """Return 'IndexError: … (line 7: y[i] = 0)', with the last line in the student's code."""
    try:
        message = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  (an error that cannot say what it is)
        message = type(error).__name__
    message = message.replace("\n", " ")
    filename = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if frame.filename == filename]
    if frames:
        message += f" (line {frames[-1].lineno}: {frames[-1].line})"
    return message[:LONGEST_TEXT]


class _FirstCharacters(io.TextIOBase):
    """A stream that keeps its first characters and forgets the rest."""

    def __init__(self):
        self.text = ""

    def writable(self):
        return True

    def write(self, text):
        self.text += str(text)[: LONGEST_TEXT - len(self.text)]
        return len(text)


def _refuse_input(*_, **__):
    raise AskedForInput


def _refuse_exit(*_, **__):
    raise SystemExit


@contextmanager
def _redirected(stream, function):
    """Send everything printed to `stream`, and let nobody wait for a keyboard or leave Python."""
    streams = sys.stdout, sys.stderr, sys.stdin
    replaced = []
    own = getattr(function, "__globals__", {})
    for namespace in (vars(builtins), vars(os), own):
        for name, replacement in _REPLACEMENTS.items():
            here = name in namespace
            if namespace is own:  # IPython puts its exit there; another `input` is the student's
                here = type(namespace.get(name)).__name__.endswith("ExitAutocall")
            if here:
                replaced.append((namespace, name, namespace[name]))
                namespace[name] = replacement
    sys.stdout = sys.stderr = stream
    sys.stdin = io.StringIO()
    try:
        yield
    finally:
        sys.stdout, sys.stderr, sys.stdin = streams
        for namespace, name, original in replaced:
            namespace[name] = original


_REPLACEMENTS = {
    "input": _refuse_input,
    "exit": _refuse_exit,
    "quit": _refuse_exit,
    "_exit": _refuse_exit,
    "abort": _refuse_exit,
}


# What a call could change for everybody, and putting it back


def _modules() -> list:
    """Return the modules whose names a call must leave as they were."""
    own = [module for name, module in sys.modules.items() if name.startswith("course_lib.")]
    return [builtins, math, random, os, time, np, np.random, np.linalg, np.lib.stride_tricks, *own]


def _snapshot() -> dict:
    """Remember everything that `_put_back` puts back."""
    return {
        "modules": [(module, dict(vars(module))) for module in _modules() if module is not None],
        "numpy random": np.random.get_state(),
        "random": random.getstate(),
        "errors": np.geterr(),
        "print options": np.get_printoptions(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "recursion": sys.getrecursionlimit(),
        "path": list(sys.path),
    }


def _put_back(state: dict) -> None:
    """Undo what a call changed of the remembered state."""
    for module, names in state["modules"]:
        _put_names_back(vars(module), names)
    np.random.set_state(state["numpy random"])
    random.setstate(state["random"])
    np.seterr(**state["errors"])
    np.set_printoptions(**state["print options"])
    if sys.getrecursionlimit() != state["recursion"]:
        sys.setrecursionlimit(state["recursion"])
    if dict(os.environ) != state["environment"]:
        os.environ.clear()
        os.environ.update(state["environment"])
    sys.path[:] = state["path"]
    os.chdir(state["folder"])


_MISSING, _MODULE = object(), type(sys)


def _put_names_back(namespace: dict, names: dict) -> None:
    """Restore changed and deleted names; added names go, unless they are modules."""
    for name, value in names.items():
        if namespace.get(name, _MISSING) is not value and name != "_":
            namespace[name] = value
    for name in [name for name in namespace if name not in names]:
        if type(namespace[name]) is not _MODULE:
            del namespace[name]


_ORIGINALS = [(module, dict(vars(module))) for module in (builtins, np, math)]


@contextmanager
def originals():
    """Inside, `builtins`, `numpy` and `math` hold what they held when this module was imported.

    A notebook may have set `np.sum = my_sum` long before it asks for a check; the judge must not
    use that. Afterwards the notebook's own version is back.
    """
    present = [(module, dict(vars(module))) for module, _ in _ORIGINALS]
    error_state = np.seterr(all="ignore")
    for module, names in _ORIGINALS:
        vars(module).update(names)
    try:
        yield
    finally:
        for module, names in present:
            vars(module).update(names)
        np.seterr(**error_state)


# In this process


def _call_here(function, inputs, seconds) -> list:
    """Call in this process; a timer interrupts the main thread when the time is up."""
    state = _snapshot()
    answers = []
    timer = _Timer(seconds)
    try:
        timer.start()
        for arguments in inputs:
            answers.append(_one_call(function, arguments, state))
    except (KeyboardInterrupt, TimeUp):
        if not timer.fired:  # the student pressed Stop
            raise
        answers.append(Answer("too slow"))
    finally:
        timer.stop()
        _put_back(state)
    return answers[: len(inputs)]


class _Timer:
    """Interrupts the main thread after some seconds, and again until it is stopped.

    Again, because `while True: try: … except: pass` survives one interrupt. That loop ends because
    the interrupt also arms a trace: the very next line, the one in `except`, raises once more.
    """

    def __init__(self, seconds: float):
        self.seconds, self.fired = seconds, False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.handler, self.trace = signal.getsignal(signal.SIGINT), sys.gettrace()

    def start(self):
        signal.signal(signal.SIGINT, self._interrupt)
        self.thread.start()

    def stop(self):
        while True:
            try:
                self.over.set()
                self.thread.join()
                sys.settrace(self.trace)
                signal.signal(signal.SIGINT, self.handler)
                return
            except (TimeUp, KeyboardInterrupt):  # one was under way already
                continue

    def _interrupt(self, _, frame):
        if not self.fired:
            raise KeyboardInterrupt
        if not self.over.is_set():
            while frame is not None and frame.f_code is not _one_call.__code__:
                frame.f_trace = self._raise_on_line
                frame = frame.f_back
            sys.settrace(lambda *_: None)  # the frames above are traced, no new ones
            raise TimeUp

    def _raise_on_line(self, frame, event, _):
        if event == "line":
            raise TimeUp
        return self._raise_on_line

    def _watch(self):
        wait = self.seconds
        while not self.over.wait(wait):
            self.fired, wait = True, 0.05
            if hasattr(signal, "pthread_kill"):  # also wakes a sleeping thread
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            else:
                _thread.interrupt_main()


# In a forked child


def _call_in_child(function, inputs, seconds) -> list:
    """Fork, let the child call and send one message an answer, and end it in any case."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 3.12 warns of threads; the child starts none of them
        child = os.fork()
    if child == 0:
        _child(function, inputs, write_end)
    os.close(write_end)
    status = 0
    try:
        answers = _collect(child, read_end, len(inputs), time.monotonic() + seconds)
    finally:
        os.close(read_end)
        status = _end(child)
    if len(answers) < len(inputs) and not (answers and answers[-1].how == "too slow"):
        answers.append(_ending(status))
    return answers


def _child(function, inputs, write_end) -> None:
    """Run the calls, write their answers, leave by `os._exit`: the parent's things stay."""
    leave, write = os._exit, os.write
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        faulthandler.disable()  # it would report a crash on the notebook's stderr
        gc.freeze()  # the parent's sockets and files are not ours to close
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        _limit_memory()
        state = _snapshot()
        for arguments in inputs:
            message = _packed(_one_call(function, arguments, state))
            while message:
                message = message[write(write_end, message) :]
        code = 0
    except BaseException:  # noqa: BLE001  (the parent learns it from the exit code)
        code = 1
    finally:
        leave(code)


def _limit_memory() -> None:
    """Allow MEMORY bytes on top of what the process maps now."""
    import resource

    with open("/proc/self/statm") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = mapped + MEMORY
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end(child: int) -> int:
    """Kill what is left of the child's process group, bury the child, return its exit status."""
    for kill in (os.killpg, os.kill):
        try:
            kill(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    try:
        return os.waitpid(child, 0)[1]
    except ChildProcessError:
        return 0


def _ending(status: int) -> Answer:
    """Say how a child ended that did not send all its answers."""
    if os.WIFSIGNALED(status):
        return Answer("crashed", detail=f"signal {os.WTERMSIG(status)}")
    return Answer("exited", detail=f"exit code {os.WEXITSTATUS(status)}")


def _collect(child: int, read_end: int, count: int, deadline: float) -> list:
    """Read `count` answers, or as many as come before the deadline or the child's end."""
    answers = []
    while len(answers) < count:
        try:
            lengths = struct.unpack("<QQ", _read(child, read_end, 16, deadline))
            head, arrays = (_read(child, read_end, length, deadline) for length in lengths)
        except TimeoutError:
            return [*answers, Answer("too slow")]
        except EOFError:
            return answers
        answers.append(_unpacked(head, arrays))
    return answers


def _read(child: int, read_end: int, length: int, deadline: float) -> bytes:
    """Read exactly `length` bytes; TimeoutError after the deadline, EOFError if the child is gone.

    The end of the pipe is not enough to know that: a grandchild may hold it open.
    """
    pieces = []
    while length:
        gone = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        remaining = deadline - time.monotonic()
        ready, _, _ = select.select([read_end], [], [], min(0.1, max(0, remaining)))
        piece = os.read(read_end, min(length, 2**16)) if ready else b""
        if not piece and (ready or gone):
            raise EOFError
        if not piece and remaining <= 0:
            raise TimeoutError
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


# The form of a message: two lengths, JSON, the bytes of all arrays. No pickle: the child's answer
# is data, never code.


def _packed(answer: Answer) -> bytes:
    arrays: list[bytes] = []
    fields = {**vars(answer), "value": _encoded(answer.value, arrays)}
    head = json.dumps(fields).encode("utf-8")
    blob = b"".join(arrays)
    return struct.pack("<QQ", len(head), len(blob)) + head + blob


def _unpacked(head: bytes, blob: bytes) -> Answer:
    fields = json.loads(head)
    fields["changed"] = tuple(fields["changed"])
    value, _ = _decoded(fields.pop("value"), blob, 0)
    return Answer(value=value, **fields)


def _encoded(value, arrays: list) -> list:
    """Return [kind, ...] for JSON and append the bytes of arrays to `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(value.tobytes())
        return ["array", value.dtype.str, list(value.shape)]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [_encoded(item, arrays) for item in value]]
    if isinstance(value, Unshown):
        return ["unshown", value.name, value.dtype, list(value.shape)]
    return ["plain", value]


def _decoded(code: list, blob: bytes, start: int) -> tuple[object, int]:
    """Return (the value that `code` stands for, where the next array starts in `blob`)."""
    kind, *rest = code
    if kind == "array":
        dtype, shape = np.dtype(rest[0]), tuple(rest[1])
        count = math.prod(shape)
        array = np.frombuffer(blob, dtype, count, start).reshape(shape)
        return array, start + count * dtype.itemsize
    if kind in ("list", "tuple"):
        items = []
        for item in rest[0]:
            value, start = _decoded(item, blob, start)
            items.append(value)
        return (items if kind == "list" else tuple(items)), start
    if kind == "unshown":
        return Unshown(rest[0], rest[1], tuple(rest[2])), start
    return rest[0], start
