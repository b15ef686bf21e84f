"""Call a student's function where it can do no harm, and report what it did.

On Linux the calls happen in a forked child. Elsewhere (macOS must not fork under Accelerate,
Windows cannot) they happen in this process, with a timer and with the state put back.
"""

import _thread
import builtins
import ctypes
import functools
import io
import itertools
import os
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager, suppress

import numpy as np

from course_lib.check.answers import (
    LARGEST_ARRAY, LONGEST_TEXT, Answer, Unshown, described, plain, shown, unfinished,
)
from course_lib.check.in_child import call_in_child, can_fork
from course_lib.check.kernel_state import originals, remember

__all__ = ["LARGEST_ARRAY", "LONGEST_TEXT", "Answer", "Unshown", "call", "call_here", "can_fork",
           "inside", "originals"]

SECONDS = 8  # for all calls of one check together
MEMORY = 2**30  # bytes that the calls may use beyond what was used before

FORKED = "a process of its own"
TIMED = "this process, with a timer and its state put back"
UNGUARDED = "this process, without a timer (not in the main thread)"


class TimeUp(BaseException):
    """Raised inside a call that outlived its time; no `except Exception` catches it."""


class AskedForInput(BaseException):
    """Raised by the `input` that calls find in the sandbox."""


def call(function, inputs: list[tuple], seconds: float | None = None) -> tuple[list, str]:
    """Call function(*arguments) for each tuple of `inputs`; return (answers, which guard was on).

    Each call gets its own copies of the arrays. The list of answers is shorter than `inputs` if a
    call did not come back: then the last answer says so.
    >>> answers, guard = call(lambda x: x + 1, [(1,), ("one",)])
    >>> [answer.how for answer in answers], answers[0].value
    (['returned', 'raised'], 2)
    """
    seconds = SECONDS if seconds is None else seconds
    numbers = itertools.count()

    def one_call(arguments, put_back):
        return _one_call(function, arguments, put_back, number=next(numbers))

    if _inside:  # a check in a function that is being checked: the guard is up already
        return [one_call(arguments, lambda: None) for arguments in inputs], FORKED
    if can_fork():
        with suppress(BlockingIOError):  # no process left for us: the second-best guard
            return call_in_child(one_call, inputs, seconds, MEMORY), FORKED
    if threading.current_thread() is not threading.main_thread():
        put_back = remember(everything=True)
        return [one_call(arguments, put_back) for arguments in inputs], UNGUARDED
    return call_here(function, inputs, seconds), TIMED


# One call, the same in both places


_inside = False  # is a call under way?


def inside() -> bool:
    """Is this a check within a function that is being checked? Then it counts as no attempt."""
    return _inside


def _one_call(function, arguments: tuple, put_back, interrupted=lambda: False,
              number: int = 0) -> Answer:
    """Call once on fresh copies, catch whatever comes, put the state back.

    number: of the call, for what np.empty is filled with.
    """
    global _inside
    before, _inside = _inside, True
    try:
        return _call_and_look(function, arguments, put_back, interrupted, number)
    finally:
        _inside = before


def _call_and_look(function, arguments, put_back, interrupted, number) -> Answer:
    given = tuple(_copy(argument) for argument in arguments)
    printed, value, error = _FirstCharacters(), None, None
    process, getpid, leave = os.getpid(), os.getpid, os._exit
    try:
        with warnings.catch_warnings(), _redirected(printed, function, number):
            warnings.simplefilter("ignore")
            try:
                value = function(*given)
            finally:
                put_back()  # before anything else: it may have patched what comes now
    except BaseException as problem:  # noqa: BLE001  (whatever a student raises)
        error = problem
    if getpid() != process:  # the call forked, and this is the copy
        leave(0)
    if error is not None and interrupted():
        raise error
    try:
        answer = Answer("returned", shown(value)) if error is None else _ended(error, function)
        answer.changed = tuple(
            position
            for position, (before, after) in enumerate(zip(arguments, given, strict=True))
            if not _same_array(before, after)
        )
        answer.unused = tuple(position for position, argument in enumerate(given)
                              if getattr(argument, "calls", None) == 0)
        answer.caught = next((argument.stopped for argument in given
                              if getattr(argument, "stopped", "")), "")
        if type(value).__name__ == "coroutine":
            value.close()  # else Python warns that nobody waited for it
    except BaseException as problem:  # noqa: BLE001  (a value that resists being looked at)
        if interrupted():
            raise
        how = "out of memory" if isinstance(problem, MemoryError) else "raised"
        answer = Answer(how, detail="an error when its result was looked at")
    answer.printed = plain(printed.text)
    return answer


def _ended(error: BaseException, function) -> Answer:
    """Return the answer of a call that did not return."""
    if isinstance(error, NotImplementedError):
        return Answer("not attempted", detail=unfinished(error, function))
    if isinstance(error, AskedForInput):
        return Answer("asked for input")
    if isinstance(error, MemoryError):
        return Answer("out of memory")
    if isinstance(error, (SystemExit, GeneratorExit)):
        return Answer("exited", detail=type(error).__name__)
    detail, seen = described(error, function)
    return Answer("raised", detail=detail, seen=seen, inside=getattr(error, "on_trial", ""))


def _copy(argument):
    """Return a copy of an array, a function on trial that nobody has called, or what it is."""
    if isinstance(argument, np.ndarray):
        return argument.copy()
    return argument.fresh() if hasattr(argument, "fresh") else argument


def _same_array(before, after) -> bool:
    """Say whether an array still has its shape, dtype and bytes (NaN and −0 included)."""
    if not isinstance(before, np.ndarray):
        return True
    same_form = before.shape == after.shape and before.dtype == after.dtype
    return same_form and before.tobytes() == after.tobytes()


class _FirstCharacters(io.TextIOBase):
    """A stream that keeps its first characters and forgets the rest."""

    def __init__(self):
        self.text = ""

    def writable(self):
        return True

    def write(self, text):
        self.text += str(text)[: LONGEST_TEXT - len(self.text)]
        return len(text)

    def close(self):
        """Stay open: the next print of the same call is no error of its own."""


# What a call finds in place of what would end Python or wait for somebody


def _refuse_input(*_, **__):
    raise AskedForInput


def _refuse_exit(*_, **__):
    raise SystemExit


def _refuse_to_kill_us(pid, number, *, kill=getattr(os, "kill", None), us=os.getpid,
                       above=os.getppid):
    """Send a signal, but not to this process, the notebook's, or whole groups."""
    if pid <= 1 or pid in (us(), above()):
        raise SystemExit
    return kill(pid, number)


def _unwritten(make, number: int):
    """Return np.empty or its like with memory that shows: it differs from call to call.

    Fresh memory is often full of zeros, by luck, and a forgotten edge would be right. A case is
    called twice: with nan first, which no comparison finds larger or smaller, then with a number
    beyond all others, above them in one case and below them in the next.
    """
    first, above = number % 2 == 0, number % 4 < 2

    @functools.wraps(make)
    def make_unwritten(*arguments, **options):
        array = make(*arguments, **options)
        kind = array.dtype.kind
        if kind in "biufc" and array.flags.writeable:
            if kind == "b":
                array.fill(first)
            elif kind in "iu":
                limits = np.iinfo(array.dtype)
                array.fill(limits.max - 6 if first == above else limits.min + 6)
            else:
                far = np.finfo(array.dtype).max / 8
                array.fill(np.nan if first else far if above else -far)
        return array
    return make_unwritten


def _keep_handlers(*_, **__):
    """Set no handler: without a fork, the timer needs the one of SIGINT."""
    return signal.SIG_DFL


_ENDINGS = dict.fromkeys(
    ("exit", "quit", "_exit", "abort", "execv", "execve", "killpg"), _refuse_exit)
_REPLACEMENTS = [  # (where, what it is called there, what a call finds)
    *((vars(builtins), name, stand_in) for name, stand_in in
      {"input": _refuse_input, "exit": _refuse_exit, "quit": _refuse_exit}.items()),
    *((vars(os), name, stand_in) for name, stand_in in
      {**_ENDINGS, "kill": _refuse_to_kill_us}.items()),
    (vars(signal), "signal", _keep_handlers),
]


@contextmanager
def _redirected(stream, function, number: int):
    """Send everything printed to `stream`, and let nobody wait for a keyboard or leave Python."""
    streams, own = (sys.stdout, sys.stderr, sys.stdin), getattr(function, "__globals__", {})
    places = [place for place in _REPLACEMENTS if place[1] in place[0]]
    makers = [(vars(np), "empty", np.empty), (vars(np), "empty_like", np.empty_like)]
    makers += [(own, name, value) for name, value in list(own.items())  # from numpy import empty
               if value is np.empty or value is np.empty_like]
    places += [(where, name, _unwritten(make, number)) for where, name, make in makers]
    places += [(own, name, _refuse_exit) for name in ("exit", "quit")  # IPython puts them there
               if type(own.get(name)).__name__.endswith("ExitAutocall")]
    replaced = [(namespace, name, namespace[name]) for namespace, name, _ in places]
    for namespace, name, stand_in in places:
        namespace[name] = stand_in
    sys.stdout = sys.stderr = stream
    sys.stdin = io.StringIO()
    try:
        yield
    finally:
        sys.stdout, sys.stderr, sys.stdin = streams
        for namespace, name, original in replaced:
            namespace[name] = original


# In this process


def call_here(function, inputs, seconds) -> list:
    """Call in this process; a timer interrupts the main thread when the time is up.

    Returns the answers; `call` does the same where there is no fork.
    """
    between, at_the_end = remember(), remember(everything=True)
    answers, timer = [], _Timer(seconds, MEMORY)
    try:
        timer.start()
        for arguments in inputs:
            answers.append(_one_call(function, arguments, between, timer.interrupted,
                                     len(answers)))
    except (KeyboardInterrupt, TimeUp):
        pass
    finally:
        timer.stop()
        at_the_end()
    if timer.pressed:  # the student's own Stop, whatever the call made of it
        raise KeyboardInterrupt
    if timer.fired and len(answers) < len(inputs):
        answers.append(Answer("out of memory" if timer.hoarded else "too slow"))
    return answers


class _Timer:
    """Interrupts the main thread after some seconds, and again until it is stopped.

    Again, because `while True: try: … except: pass` survives one interrupt. That loop ends because
    the interrupt also arms a trace: the very next line, the one in `except`, raises once more.
    Whoever blocks signals meets an error that Python raises by itself. Where psutil is (every
    Jupyter has it), hoarding memory counts as too slow, too.
    """

    def __init__(self, seconds: float, memory: int):
        self.seconds, self.memory = seconds, memory
        self.fired = self.pressed = self.hoarded = False
        self.over, self.running = False, threading.Lock()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.handlers, self.trace = {}, sys.gettrace()

    def interrupted(self) -> bool:
        return self.fired or self.pressed

    def start(self):
        for name, handler in (("SIGINT", self._interrupt), ("SIGALRM", _refuse_exit)):
            if hasattr(signal, name):
                number = getattr(signal, name)
                self.handlers[number] = signal.signal(number, handler)
        self.running.acquire()
        self.thread.start()

    def stop(self):
        while True:
            try:
                if not self.over:
                    self.over = True
                    self.running.release()
                self.thread.join()
                sys.settrace(self.trace)
                if hasattr(signal, "setitimer"):
                    signal.setitimer(signal.ITIMER_REAL, 0)
                for number, handler in self.handlers.items():
                    signal.signal(number, handler)
                return
            except (TimeUp, KeyboardInterrupt, SystemExit):  # one was under way already
                continue

    def _interrupt(self, _, frame):
        inside = []
        while frame is not None and frame.f_code is not _one_call.__code__:
            inside.append(frame)
            frame = frame.f_back
        if self.over or (self.fired and frame is None):
            return
        if not self.fired:
            self.pressed = True
            raise KeyboardInterrupt
        for one in inside:
            one.f_trace = self._raise_on_line
        sys.settrace(lambda *_: None)  # the frames above are traced, no new ones
        raise TimeUp

    def _raise_on_line(self, frame, event, _):
        if event == "line" and not self.over:
            raise TimeUp
        return self._raise_on_line

    def _watch(self):
        """Look every 50 ms; use nothing that a call can patch, or go on without it."""
        clock, memory, wake, times = time.monotonic, _memory_in_use(), _ways_to_wake(), 0
        start, before, stopped = clock(), memory(), self.running.acquire
        while not stopped(timeout=0.05):
            try:
                hoarded = memory() > before + self.memory
            except Exception:  # noqa: BLE001
                hoarded = False
            if clock() >= start + self.seconds or hoarded or self.fired:
                if hoarded and not self.fired:
                    self.hoarded = True
                self.fired, times = True, times + 1
                wake[times > 20]()


def _ways_to_wake() -> tuple:
    """Return two functions that interrupt the main thread: by a signal, and without one."""
    main = threading.main_thread().ident
    thread, error = ctypes.c_ulong(main), ctypes.py_object(TimeUp)
    raise_there = ctypes.pythonapi.PyThreadState_SetAsyncExc
    kill, interrupt = getattr(signal, "pthread_kill", None), signal.SIGINT
    if kill is None:
        return _thread.interrupt_main, lambda: raise_there(thread, error)
    return (lambda: kill(main, interrupt)), (lambda: raise_there(thread, error))  # wakes sleepers


def _memory_in_use():
    """Return a function that says how many bytes this process holds; 0 where nobody knows."""
    try:
        import psutil
    except ImportError:
        return lambda: 0
    process = psutil.Process()
    return lambda: process.memory_info().rss
