"""Answers that mean harm: each gets a verdict, and neither the kernel nor the judge is changed."""

import asyncio
import builtins
import gc
import inspect
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.testing
import pytest
from test_check import (  # noqa: F401  (fixtures among them)
    einsum, guard, loops, one_value_off, progress_folder, state_of_the_kernel,
)

from course_lib import check, conv, layers
from course_lib.check import answers, in_child, kernel_state, sandbox

FORK = pytest.mark.skipif(not sandbox.can_fork(), reason="needs fork")


@pytest.fixture(autouse=True)
def two_seconds(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 2)


def whole_state():
    """Everything that a check must leave as it was, and more than an honest mistake changes."""
    arrays = [argument.tobytes() for case in check.TASKS["conv2d"].cases
              for argument in case.arguments if isinstance(argument, np.ndarray)]
    modules = {name: id(module) for name, module in sys.modules.items()
               if name.startswith(("numpy", "course_lib", "json"))}
    return {
        **state_of_the_kernel(), "arrays": arrays, "imported": modules, "argv": list(sys.argv),
        "garbage": gc.isenabled(), "alarm": signal.getsignal(signal.SIGALRM),
        "logging": logging.root.manager.disable, "trace": sys.gettrace(), "call": np.geterrcall(),
        "checks": [{name: id(thing) for name, thing in vars(module).items()}
                   for module in (sandbox, answers, kernel_state, in_child, check, json, conv)],
        "reference": check.TASKS["conv2d"].reference, "layer": layers.Conv2D.forward,
    }


def verdict_of(answer, capfd):
    """Return (result, what was printed); the kernel must be as before and nobody waits."""
    check.conv2d(einsum)  # whatever the first check imports
    capfd.readouterr()
    before, start = whole_state(), time.monotonic()
    result = check.conv2d(answer)
    assert time.monotonic() - start < 10
    after = whole_state()
    assert {key for key in before if before[key] != after[key]} == set()
    out, err = capfd.readouterr()
    assert err == "" and out == result.message + "\n"
    out.encode("utf-8")
    return result, out


# What a call returns


def a_list_in_itself(*arguments):
    value = []
    value.append(value)
    return value


def lists_of_lists(*arguments):
    value = np.zeros(2**20)
    for _ in range(5):
        value = [value] * 16
    return value


class Nameless(type):
    @property
    def __name__(cls):
        raise SystemExit


class Agreeing(np.ndarray):
    """Equals everything, differs from nothing."""

    def __eq__(self, other):
        return np.ones(self.shape, bool)

    def __sub__(self, other):
        return np.zeros(self.shape)

    __rsub__ = __sub__


class Pretending:
    shape, dtype, ndim = (1, 1, 2, 2), np.dtype(float), 4

    def __array__(self, *arguments, **more):
        raise SystemExit


Pretending.__name__ = "ndarray"


async def coroutine(*arguments):
    return loops(*arguments)


def generator(*arguments):
    yield loops(*arguments)


RETURNED = {
    "list in itself": (a_list_in_itself, "got a value of type list"),
    "lists of lists": (lists_of_lists, "got a value of type list"),
    "enormous text": (lambda *a: "x" * 10**7, "got a value of type str of 10000000 characters"),
    "enormous number": (lambda *a: 10**5000, "got a value of type int of"),
    "type that resists": (lambda *a: Nameless("A", (), {})(), "when its result was looked at"),
    "subclass": (lambda *a: (einsum(*a) + 1).view(Agreeing), "got a value of type Agreeing"),
    "pretends": (lambda *a: Pretending(), "must be one NumPy array, got a value of type ndarray."),
    "coroutine": (coroutine, "type coroutine. That is what `async def` makes"),
    "generator": (generator, "type generator. It says `yield`"),
    "function": (lambda *a: loops, "type function. Are the brackets of a call missing?"),
    "method": (lambda *a: einsum(*a).sum, "as in y.sum()?"),
    "list": (lambda *a: einsum(*a).tolist(), "type list. To make an array"),
    "objects": (lambda *a: einsum(*a).astype(object), "dtype object. Arrays of objects come"),
    "records": (lambda *a: np.zeros(einsum(*a).shape, [("a", float)]), "dtype [('a', '<f8')]"),
    "dates": (lambda *a: einsum(*a).astype("datetime64[s]"), "got dtype datetime64[s]"),
    "last value": (lambda *a: einsum(*a).flat[-1], "It is the last value of y: return the whole"),
    "first value": (lambda *a: einsum(*a).flat[0], "It is the first value of y: does `return`"),
    "the sum": (lambda *a: float(einsum(*a).sum()), "It is the sum of all of y"),
    "the mean": (lambda *a: einsum(*a).mean(), "It is the mean of all of y"),
    "a number": (lambda *a: 1e9, "a single number. Make y first, put each number in its place"),
}


@pytest.mark.parametrize("kind", RETURNED)
def test_whatever_is_returned_is_looked_at_from_a_distance(kind, guard, capfd):
    answer, words = RETURNED[kind]
    result, out = verdict_of(answer, capfd)
    assert result.state == "failed" and words in out


# How a call ends


class Speechless(Exception):
    def __str__(self):
        raise SystemExit


def raises(error):
    def answer(*arguments):
        raise error

    return answer


def prints_control_characters(*arguments):
    print("\r\x1b[2Jmy_conv2d: passed\ud800")
    raise ValueError("\x1b[31m\ud800\nmy_conv2d: passed")


def sends_an_alarm(*arguments):
    signal.alarm(1)
    time.sleep(1.5)
    return one_value_off(*arguments)


def kills_itself(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def kills_the_kernel(*arguments):
    os.kill(os.getppid(), signal.SIGKILL)


def becomes_another_program(*arguments):
    os.execv(sys.executable, [sys.executable, "-c", "pass"])


ENDED = {
    "says nothing": (raises(Speechless()), "stopped with Speechless"),
    "interrupt": (raises(KeyboardInterrupt()), "stopped with KeyboardInterrupt"),
    "time up": (raises(sandbox.TimeUp()), "stopped with TimeUp"),
    "group": (raises(BaseExceptionGroup("x", [SystemExit(1)])), "stopped with BaseExceptionGroup"),
    "control characters": (prints_control_characters, "stopped with ValueError: ?[31m?"),
    "alarm": (sends_an_alarm, "not yet: "),
    "kills itself": (kills_itself, "ends Python itself"),
    "kills the kernel": (kills_the_kernel, "ends Python itself"),
    "exec": (becomes_another_program, "ends Python itself"),
    "recursion": (lambda *a: ENDED["recursion"][0](*a), "the function calls itself and never"),
}


@pytest.mark.parametrize("kind", ENDED)
def test_however_it_ends_there_is_a_verdict(kind, guard, capfd):
    answer, words = ENDED[kind]
    result, out = verdict_of(answer, capfd)
    assert result.state == "failed" and words in out
    assert "\r" not in out and "\x1b" not in out and "\nmy_conv2d: passed" not in out


def deaf(*arguments):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pass


def deaf_in_c(*arguments, block=signal.pthread_sigmask):
    block(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        while True:
            pass
    finally:
        block(signal.SIG_UNBLOCK, {signal.SIGINT})


def starts_again_each_time(*arguments):
    try:
        while True:
            pass
    except BaseException:  # noqa: BLE001
        return starts_again_each_time(*arguments)


def swallows_in_finally(*arguments):
    while True:
        try:
            time.sleep(0.01)
        finally:
            continue


@pytest.mark.parametrize("answer", [deaf, deaf_in_c, starts_again_each_time, swallows_in_finally],
                         ids=lambda answer: answer.__name__)
def test_loops_that_will_not_be_told_end_too(answer, guard, monkeypatch, capfd):
    monkeypatch.setattr(sandbox, "SECONDS", 0.5)
    result, out = verdict_of(answer, capfd)
    assert "did not come back within" in out
    assert result.guard == (sandbox.FORKED if guard == "forked" else sandbox.TIMED)


def test_hoarding_ends_without_fork_too(monkeypatch, capfd):
    pytest.importorskip("psutil")
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)
    monkeypatch.setattr(sandbox, "SECONDS", 8)
    monkeypatch.setattr(sandbox, "MEMORY", 2**28)

    def hoards(*arguments):
        hoard = []
        while True:
            hoard.append(np.ones(2**18))
            time.sleep(0.002)

    _, out = verdict_of(hoards, capfd)
    assert "far more memory" in out


def test_stop_is_the_students_own_even_if_the_answer_swallows_it(monkeypatch):
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)

    def swallows(*arguments):
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:  # noqa: BLE001, S110
            pass
        return loops(*arguments)

    with pytest.raises(KeyboardInterrupt):
        check.conv2d(swallows)


# What a call changes


def breaks_the_tools(*arguments):
    y, own = einsum(*arguments), vars(builtins)
    for name in ("vars", "type", "isinstance", "list", "dict", "tuple", "str", "getattr", "zip",
                 "enumerate", "len", "any", "all", "min", "max", "open", "super"):
        own[name] = None
    json.dumps = numpy.testing.assert_allclose = time.monotonic = None
    sys.modules["numpy"] = sys.modules["json"] = None
    np.linalg.norm = np.random.set_state = None
    return y


def breaks_settings(*arguments):
    y = einsum(*arguments)
    gc.disable(), logging.disable(50), sys.argv.append("x"), os.environ.clear()
    np.seterrcall(print)
    sys.excepthook = sys.stdin = None
    sys.setprofile(lambda *_: None)
    conv.conv2d = conv.new = layers.Conv2D.forward = None
    layers.Conv2D.new = 1
    return y


@pytest.mark.parametrize("answer", [breaks_the_tools, breaks_settings], ids=["tools", "settings"])
def test_a_right_answer_that_breaks_things_passes_and_they_are_whole(answer, guard, capfd):
    assert verdict_of(answer, capfd)[0].passed
    result, _ = verdict_of(lambda *a: answer(*a) + 1, capfd)
    assert result.state == "failed" and result.mistake is None


def breaks_the_judge(*arguments):
    check.sandbox._same_array = check._fault = lambda *a: None
    check.sandbox.shown = lambda value: einsum(*arguments)
    kernel_state._put_back = check.sandbox.described = lambda *a: None
    return one_value_off(*arguments)


def spoils_the_cases(*arguments):
    for case in check.TASKS["conv2d"].cases:
        for array in case.arguments[:3]:
            array[...] = 0
    return one_value_off(*arguments)


def replaces_the_reference(*arguments):
    object.__setattr__(check.TASKS["conv2d"], "reference", lambda *a: np.zeros(1))
    return np.zeros(1)


def looks_for_the_answer(*arguments):
    frame = inspect.currentframe()
    while frame:
        for name in ("expected", "right"):
            if name in frame.f_locals:
                return frame.f_locals[name][0]
        frame = frame.f_back


@pytest.mark.parametrize("answer", [breaks_the_judge, spoils_the_cases, replaces_the_reference,
                                    looks_for_the_answer], ids=lambda answer: answer.__name__)
def test_the_judge_is_out_of_reach(answer, guard, capfd):
    assert verdict_of(answer, capfd)[0].state == "failed"


SEEN = {}


def remembers_by_shape(*arguments):
    return SEEN.setdefault(arguments[0].shape, einsum(*arguments))


BY_SHAPE = {(2, 2): 13.0}


@pytest.mark.parametrize("answer", [
    remembers_by_shape, lambda *a: np.full(einsum(*a).shape, BY_SHAPE.get(a[0].shape[2:], 0.0)),
], ids=["remembers", "dictionary"])
def test_answers_by_shape_are_refused(answer, guard, capfd):
    SEEN.clear()
    assert verdict_of(answer, capfd)[0].state == "failed"


def test_a_courses_function_replaced_in_the_notebook_is_not_the_measure(guard, monkeypatch, capfd):
    for task, function in (("conv2d", "conv2d"), ("conv2d_backward_input", "conv2d_backward")):
        wrong = monkeypatch.setattr(conv, function, lambda *a, **k: (np.zeros(1), None))
        right, own = check.TASKS[task].reference, getattr(conv, function)
        assert getattr(check, task)(right).passed and wrong is None
        assert getattr(conv, function) is own, "the notebook's own version is back"
    monkeypatch.setattr(np.testing, "assert_allclose", lambda *a, **k: None)
    monkeypatch.setattr(np, "allclose", lambda *a, **k: True)
    monkeypatch.setattr(check, "_fault", lambda *a: None)
    assert not check.conv2d(one_value_off).passed


def test_a_function_replaced_before_the_checks_are_imported_is_not_the_measure():
    lines = ("import numpy as np, course_lib.conv as conv\n"
             "def mine(*a, **k): return np.zeros(1), None\n"
             "conv.conv2d = conv.conv2d_backward = mine\n"
             "from course_lib import check\n"
             "print(check.conv2d(lambda *a: np.zeros(1)).state)\n"
             "print(check.conv2d(check.TASKS['conv2d'].reference).state)\n")
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True,
                          check=False, timeout=60)
    words = [line for line in done.stdout.split("\n") if line in ("passed", "failed")]
    assert words == ["failed", "passed"], done.stdout + done.stderr


# Threads, processes, files


def in_threads(*arguments):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda _: einsum(*arguments), range(4)))[-1]


def exits_in_a_thread(*arguments):
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    return einsum(*arguments)


def closes_stdout(*arguments):
    print("half a line", end="")
    sys.stdout.close()
    print("and more")
    return einsum(*arguments)


def runs_a_loop_of_its_own(*arguments):
    return asyncio.run(coroutine(*arguments))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("answer", [in_threads, exits_in_a_thread, closes_stdout,
                                    runs_a_loop_of_its_own], ids=lambda answer: answer.__name__)
def test_odd_but_right_answers_pass(answer, guard, capfd):
    assert verdict_of(answer, capfd)[0].passed


@FORK
def test_an_answer_that_forks_answers_once(guard, monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 8)
    calls = []

    def forks(*arguments):
        calls.append(1)
        if len(calls) == 3:
            os.fork()
        return einsum(*arguments)

    process = os.getpid()
    result = check.conv2d(forks)
    if os.getpid() != process:  # a copy of pytest must never go on
        os._exit(1)
    if guard != "forked":
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    assert result.passed


def processes_called(word):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                found += [int(name)] if word in file.read() else []
        except OSError:
            pass
    return found


@FORK
@pytest.mark.parametrize("ends", [False, True])
def test_a_daemon_does_not_outlive_its_check(ends, capfd):
    def leaves_a_daemon(*arguments):
        subprocess.Popen(["sleep", "61.25"], start_new_session=True)
        if ends:
            signal.raise_signal(signal.SIGKILL)
        return one_value_off(*arguments)

    assert not check.conv2d(leaves_a_daemon).passed
    left = processes_called(b"61.25")
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left == []


@FORK
def test_only_what_the_child_started_is_killed(capfd):
    ours = subprocess.Popen(["sleep", "62.5"])
    theirs = in_child._limits(2**30)
    assert in_child.kill_marked(theirs, os.getpid()) == 0
    check.conv2d(einsum)
    assert ours.poll() is None
    ours.kill()
    ours.wait()
    limits = [in_child._limits(2**30)[resource.RLIMIT_AS] for _ in range(3)]
    assert len(set(limits)) == 3


@FORK
@pytest.mark.parametrize("spoil", [
    lambda: _write_into_a_pipe(b"garbage" * 9), lambda: _write_into_a_pipe(b"\xff" * 16),
    lambda: os.closerange(3, 200),
], ids=["garbage", "enormous", "closed"])
def test_a_spoiled_pipe_is_a_verdict(spoil, capfd):
    def answer(*arguments):
        spoil()
        return einsum(*arguments)

    result, _ = verdict_of(answer, capfd)
    assert result.state == "failed"


def _write_into_a_pipe(content):
    for fd in range(99, 2, -1):  # the newest that can be written to: the sandbox's own
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:"):
                return os.write(fd, content)
        except OSError:  # no file, or the end to read from
            pass


# What is said of an error


def test_an_error_is_told_with_its_line_the_shapes_there_and_what_it_means(guard, capsys):
    def my_conv2d(x, weight, bias, stride, padding):
        window, kernel = x[0, 0], weight[0, 0]
        total = window * kernel
        return total

    check.conv2d(my_conv2d)
    out = capsys.readouterr().out
    assert "stopped with ValueError: operands could not be broadcast together" in out
    assert ": total = window * kernel)." in out and "(line " in out
    assert "On that line: window (3, 3), kernel (2, 2)." in out
    assert "Usually: two arrays meet whose shapes do not fit." in out
    assert "    x (1, 1, 3, 3) float64" in out


def test_the_line_in_a_helper_is_named(capsys):
    def helper(values):
        place = 7
        return values[place]

    check.conv2d(lambda x, *more: helper(x))
    out = capsys.readouterr().out
    assert " of helper: return values[place])" in out
    assert "On that line: values (1, 1, 3, 3), place = 7." in out
    assert "Usually: the size of axis 0 is 1" in out


def test_a_stub_that_is_called_is_named(guard, capsys):
    def my_pad(x):
        raise NotImplementedError

    result = check.conv2d(lambda x, *more: my_pad(x))
    assert result.state == "not attempted"
    assert capsys.readouterr().out == (
        "my_conv2d: not attempted yet: it calls my_pad, which is left to do.\n")


def test_a_raise_that_was_left_above_the_code_is_named(capsys):
    def stub(x, weight, bias, stride, padding):
        """Only a text."""
        raise NotImplementedError

    def finished(x, weight, bias, stride, padding):
        raise NotImplementedError
        return np.zeros_like(x)

    assert check.conv2d(stub).state == check.conv2d(finished).state == "not attempted"
    assert capsys.readouterr().out == (
        "my_conv2d: not attempted yet.\n"
        "my_conv2d: not attempted yet: it stops at `raise NotImplementedError`, which your code is "
        "to replace.\n")


@pytest.mark.parametrize("spoil, words", [
    (lambda y, x, w, b, s, p: y + (p > 0), "in every one with padding > 0, and in no other"),
    (lambda y, x, w, b, s, p: y + (s > 1), "in every one with stride > 1, and in no other"),
    (lambda y, x, w, b, s, p: y + (len(x) > 1), "in every one with x.shape[0] > 1"),
    (lambda y, x, w, b, s, p: y + (len(w) > 1), "in every one with weight.shape[0] > 1"),
    (lambda y, *_: y + 0.01, None),
    (lambda y, x, *_: 1 / 0 if x.shape[2] != x.shape[3] else y, "two sizes of x differ, and in no"),
])
def test_what_the_wrong_cases_have_in_common_is_said(spoil, words, capsys):
    result = check.conv2d(lambda *a: spoil(einsum(*a), *a))
    out = capsys.readouterr().out
    if result.mistake is None:
        assert words in out if words else "It goes wrong in every case" not in out, out


NOTHING, THREE = None, 3


def error_of(run):
    try:
        run(np.ones((2, 3)))
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error} (line 3: some code that shapes nothing)"
    raise AssertionError("no error")


@pytest.mark.parametrize("run, words", [
    (lambda x: x[5], "the size of axis 0 is 2"), (lambda x: x[0, 0, 0], "more indices than"),
    (lambda x: x + np.ones((2, 2)), "shapes do not fit"), (lambda x: x @ x, "inner sizes differ"),
    (lambda x: x.reshape(4), "another number of values"), (lambda x: np.zeros(-1), "negative"),
    (lambda x: x.transpose(0, 1, 2), "an axis that this array has not"),
    (lambda x: x.sum(3), "an axis that this array has not"),
    (lambda x: x[: 2 / 1], "// gives 2"), (lambda x: range(2 / 1), "// gives 2"),
    (lambda x: x[2 / 1], "// gives 2"), (lambda x: np.zeros(2 / 1), "// gives 2"),
    (lambda x: NOTHING[0], "something is None"), (lambda x: NOTHING + x, "something is None"),
    (lambda x: x(0), "square brackets"), (lambda x: x.shape(0), "square brackets"),
    (lambda x: THREE(0), "no function is called"), (lambda x: len[0], "index into something"),
    (lambda x: np.ones(3, int).__iadd__(0.5), "whole numbers only"),
    (lambda x: 1 if x else 0, "one yes or no"), (lambda x: float(x), "one number is asked for"),
    (lambda x: x.__setitem__((0, 0), [1, 2]), "a whole array where one number belongs"),
    (lambda x: [1] - [2], "no numbers or arrays"), (lambda x: 1 // 0, "divided by 0"),
    (lambda x: x.shap, "nothing called shap in it"),
    (lambda x: undefined, "is called undefined"),  # noqa: F821
    (lambda x: np.einsum("ijk->i", x), "letters of einsum"),
    (lambda x: [1][2], "the list is short"),
    (lambda x: check.conv2d(), "more or fewer arguments"), (lambda x: {}[1], "no such key"),
])
def test_usual_errors_are_explained(run, words):
    assert words in check.explain.meaning(error_of(run)), error_of(run)


def test_an_unusual_error_is_not_explained():
    assert check.explain.meaning("OSError: no such file (line 1: index 3 is out of bounds)") == ""
