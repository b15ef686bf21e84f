"""Checks: `check.conv2d(my_conv2d)` runs a student's function and says what is wrong with it.

Everything is printed on stdout and nothing of a right answer's code is shown. Notebooks import this
module; it may import all of the library, which imports nothing from here.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_lib.check import (
    attempts, backprop, convolution, dense, explain, filters, padding, pooling, published,
    relations, sandbox, start, training,
)
from course_lib.check.gradients import gradients
from course_lib.check.kernel_state import remember_originals
from course_lib.check.loops import Stops
from course_lib.check.sandbox import Answer, Unshown
from course_lib.check.showing import show_case
from course_lib.check.tasks import Mistake, Task
from course_lib.check.values import (
    how_many_wrong, number_text, parts, same_values, where_wrong,
)
from course_lib.shapes import ShapeError

__all__ = ["TASKS", "Result", "gradients", "judge", "number_text", "parts", "progress",
           "same_values"]


@dataclass(frozen=True)
class Result:
    """The verdict of one check: `passed`, the `message` that was printed, and how it came about.

    state is "passed", "failed" or "not attempted"; mistake is the id of the recognised mistake,
    and kind says in a word or two what went wrong where none is recognised.
    """

    task: str
    state: str
    message: str
    mistake: str | None = None
    right: int = 0
    cases: int = 0
    guard: str = ""
    kind: str = ""

    @property
    def passed(self) -> bool:
        return self.state == "passed"

    def __bool__(self) -> bool:
        return self.passed

    def _ipython_display_(self) -> None:
        """Show nothing at the end of a cell: the verdict is printed already."""


@dataclass(frozen=True)
class Fault:
    """What is wrong in one case: a short kind, a sentence, and whether the numbers are right.

    part: in which of several results.
    """

    kind: str
    sentence: str
    numbers_right: bool = False
    part: int = 0


def judge(task: Task, student_function) -> Result:
    """Call the function on every case of the task, twice, and print and return the verdict."""
    with sandbox.originals():
        result = _verdict(task, student_function)
        print(result.message)
        if not sandbox.inside():
            attempts.remember(result.task, result.state)
    return result


def _verdict(task: Task, student_function) -> Result:
    if not callable(student_function):
        kind = type(student_function).__name__
        text = (
            f"The check needs the function itself: expected {task.function_name}, without "
            f"brackets behind it, got a value of type {kind}."
        )
        return Result(task.id, "failed", text, kind="no function")
    inputs = [case.arguments for case in task.cases for _ in range(2)]
    definition = dict(vars(task))
    answers, guard = sandbox.call(student_function, inputs)
    vars(task).update(definition)  # a call in this process can reach it
    if answers[0].how == "not attempted":
        text = f"{task.function_name}: not attempted yet."
        if answers[0].detail:
            text = f"{text[:-1]}: {answers[0].detail}."
        return Result(task.id, "not attempted", text, guard=guard)
    expected = [task.reference(*case.arguments) for case in task.cases]
    faults = _faults(task, answers, expected)
    right = len(task.cases) - sum(fault is not None for fault in faults)
    if _never_calls(answers):
        text = (f"{task.function_name}, not yet: it never calls {task.argument_names[0]}, the "
                f"function that it is given, and so cannot know it.\n\nRead again: {task.section}")
        return Result(task.id, "failed", text, None, 0, len(task.cases), guard, "never calls")
    if right == len(task.cases):
        text = "\n".join([f"{task.function_name}: passed, {right} cases of {right}.",
                          *_remark_on_printing(task, answers)])
        return Result(task.id, "passed", text, None, right, right, guard)
    mistake, kind, text = _explain(task, answers, expected, faults)
    text = f"{text}\nRight so far: {right} of {len(task.cases)} cases."
    name = mistake.id if mistake else None
    return Result(task.id, "failed", text, name, right, len(task.cases), guard, kind)


def _never_calls(answers: list[Answer]) -> bool:
    """Was a function on trial judged in every call, and never asked?"""
    return all(answer.unused and answer.how == "returned"
               and isinstance(answer.value, (bool, int, np.ndarray)) for answer in answers)


def checker(task: Task):
    """Return the function that checks one task: check.conv2d and its like."""

    def check(student_function) -> Result:
        return judge(task, student_function)

    results = ", ".join(task.result_names)
    rules = "; ".join(f"{name}: {rule}" for name, rule
                      in zip(task.result_names, task.shape_rules, strict=True))
    check.__name__ = check.__qualname__ = task.id.partition("/")[2]
    check.__doc__ = (f"Check {task.function_name}({', '.join(task.argument_names)}) -> {results} "
                     f"and print the verdict.\n\n    {rules}\n    ")
    return check


# check.conv2d(my_conv2d), check.max_pool2d(my_max_pool2d), ...: one function for each task.
TOPICS = (convolution, padding, pooling, training, filters, backprop, dense, start, published)
TASKS = {task.id.partition("/")[2]: task for topic in TOPICS for task in topic.TASKS}
globals().update({name: checker(task) for name, task in TASKS.items()})


def progress(copy: str | Path | None = None) -> None:
    """Print the state of every task, and how many checks each took until it passed.

    copy: where to write the same as a file, to be handed in beside the notebooks.
    """
    known = attempts.read_progress()
    if not known:
        print("No task has been checked yet.")
    else:
        print("\n".join(attempts.progress_lines(known, sorted(t.id for t in TASKS.values()))))
    if copy is not None:
        attempts.write_progress(known, Path(copy))
        print(f"Written to {copy}.")


# What is wrong in a case


def _faults(task: Task, answers: list[Answer], expected: list) -> list:
    """Return one Fault or None for each case, in order; cases never reached count as faults."""
    faults: list = []
    for position, right in enumerate(expected):
        pair = answers[2 * position : 2 * position + 2]
        if not pair:
            faults.append(Fault("not reached", "it was not called."))
            continue
        fault = _fault(task, pair[0], right)
        if len(pair) == 2:
            fault = _unsteady(task, pair) or fault or _second_fault(task, pair, right)
        faults.append(fault)
    return faults


def _fault(task: Task, answer: Answer, right) -> Fault | None:
    """Compare one answer: how it ended, each of its results, inputs."""
    if answer.how != "returned":
        return Fault(answer.how, _how_it_ended(task, answer))
    names = task.result_names
    if answer.value is None and task.as_a_whole:
        return Fault("None", "it returns None: on some path nothing is returned. Is `return False` "
                     "or `return True` missing there?")
    if answer.value is None:
        return Fault("None", f"it returns None: does it end with `return {', '.join(names)}`?")
    got, expected = parts(answer.value, len(names)), parts(right, len(names))
    if got is None:
        return Fault("type", f"it must return {len(names)} results, ({', '.join(names)}), "
                     f"got a value of type {_type_of(answer.value)}.")
    for part, (name, value, want) in enumerate(zip(names, got, expected, strict=True)):
        fault = _result_fault(task, part, name, value, want)
        if fault:
            return fault
    if answer.changed:
        names = " and ".join(task.argument_names[position] for position in answer.changed)
        were, them = ("was", "it") if len(answer.changed) == 1 else ("were", "them")
        return Fault(
            "inputs changed", f"the numbers are right, but {names} {were} changed in place. "
            f"Whoever called the function still needs {them}: work on a copy.",
            numbers_right=True,
        )
    return None


def _type_of(value) -> str:
    """Return "float", "tuple of 3", "generator": the type of what was returned."""
    if isinstance(value, Unshown):
        return value.name
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return f"{value.dtype}, one number"
    name = type(value).__name__
    return f"{name} of {len(value)}" if isinstance(value, (list, tuple)) else name


def _result_fault(task: Task, part: int, y: str, value, right: np.ndarray) -> Fault | None:
    """Compare one result: type, shape, values, dtype."""
    what = "one NumPy array" if right.ndim else \
        "True or False" if right.dtype == bool else "a number"
    if value is None:
        return Fault("None", f"{y} is None; it must be {what}.", part=part)
    an_array = isinstance(value, np.ndarray) or isinstance(value, Unshown) and value.dtype
    if not an_array:
        name = value.name if isinstance(value, Unshown) else type(value).__name__
        return Fault("type", _sentences(f"{y} must be {what}, got a value of type {name}.",
                                        explain.kind(name, what)), part=part)
    if right.ndim and value.shape == ():
        more = explain.number(y, value.item(), right) if isinstance(value, np.ndarray) else ""
        return Fault("type", _sentences(f"{y} must be {what}, got a value of type {value.dtype}: "
                                        "a single number.", more), part=part)
    if value.shape != right.shape:
        return Fault(
            "shape", f"{y} has the wrong shape: expected {right.shape}, got {value.shape}. "
            f"It is {task.shape_rules[part]}.", part=part
        )
    if right.dtype == bool and right.ndim == 0 and value.dtype.kind not in "biu":
        return Fault("type", f"{y} must be {what}, got a number, {number_text(value)}: compare it "
                     "with a bound, as in `error < 1e-6`.", part=part)
    if isinstance(value, Unshown):
        return Fault("dtype", _sentences(f"{y} must hold numbers of x's dtype, got dtype "
                                         f"{value.dtype}.", explain.objects(value)), part=part)
    if np.isnan(value).any() and not np.isnan(right).any():
        return Fault("nan", f"{y} holds nan, not a number: 0/0, inf - inf, or never written to?",
                     part=part)
    if not same_values(value, right):
        return Fault("values", how_many_wrong(y, where_wrong(value, right)), part=part)
    if task.keeps_dtype and value.dtype != right.dtype:
        kind = f"{value.dtype}, which keeps whole numbers only. Say" if value.dtype.kind in "iub" \
            else f"{value.dtype}. Say"
        x = task.argument_names[0]
        return Fault(
            "dtype", f"the numbers are right, but {y} has the wrong dtype: {x} is {right.dtype}, "
            f"{y} is {kind} np.zeros(shape, dtype={x}.dtype).", numbers_right=True, part=part
        )
    return None


def _sentences(*texts: str) -> str:
    """Join sentences, of which the later ones may be empty."""
    return " ".join(filter(None, texts))


def _unsteady(task: Task, pair: list[Answer]) -> Fault | None:
    """Say where two equal calls give different numbers: what np.empty holds differs on purpose."""
    count = len(task.result_names)
    first, second = (parts(answer.value, count) if answer.how == "returned" else None
                     for answer in pair)
    if first is None or second is None:
        return None
    for part, (y, a, b) in enumerate(zip(task.result_names, first, second, strict=True)):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape
                and a.dtype == b.dtype and a.ndim):
            continue
        differ = where_wrong(a, b)  # rounding may differ: where an array lies in memory moves it
        if not differ.any():
            continue
        place = ", ".join(map(str, np.argwhere(differ)[0]))
        return Fault(
            "unsteady", f"two calls with the same inputs give different numbers, at {differ.sum()} "
            f"of {differ.size} places of {y}, the first one [{place}]. Is something made with "
            "np.empty and not written to before it is used? (Here it holds other numbers in every "
            "call.) Or is something kept from call to call, in a global or a default argument?",
            part=part)
    return None


def _second_fault(task: Task, pair: list[Answer], right: np.ndarray) -> Fault | None:
    """Look at the second of two equal calls."""
    fault = _fault(task, pair[1], right)
    if fault is None or pair[1].how != "returned":
        return fault
    return Fault(
        "unsteady", "the first call is right, the second with the same inputs is not. Does it "
        "keep something from call to call (a global, a default argument) or use np.empty?",
    )


def _how_it_ended(task: Task, answer: Answer) -> str:
    """Return the sentence for a call that did not return."""
    name = task.function_name
    return {
        "raised": f"{name} stopped with {answer.detail}.",
        "not attempted": f"{name} stopped with NotImplementedError: this case is left to do.",
        "asked for input": "it asks for input(): all it needs are its arguments.",
        "exited": "it ends Python itself (exit): leave a function with return.",
        "out of memory": "it asked for far more memory than the answer needs.",
        "too slow": f"it did not come back within {sandbox.SECONDS} seconds, which is the time for "
        "all cases together, each twice: does a loop never end, or is there too much to compute?",
        "crashed": f"it made Python crash ({answer.detail or 'no reason given'}).",
    }[answer.how]


# Which mistake it is


def _recognise(task: Task, answers: list[Answer], faults: list) -> tuple[Mistake | None, str]:
    """Return (the mistake that does what the student's function did, in which cases).

    "all": the same numbers, or an error of the same kind. A mistake that explains the smallest
    failing case is named too, as such, if it gives the same wrong numbers there: in all "wrong"
    cases (in others it would be wrong, and the function is right) or in "some" of them.
    """
    answers = answers[::2]
    wrong = [n for n, fault in enumerate(faults) if fault and fault.kind in EXPLAINED]
    if not wrong:
        return None, ""
    numbers = [n for n in wrong if faults[n].kind != "raised"]
    others = [n for n in range(len(answers)) if n not in wrong]
    best, most = None, 0
    for mistake in task.mistakes:
        for variant in mistake.variants:
            def agrees(n, variant=variant):
                return _agrees(variant, task.cases[n].arguments, answers[n])

            if not agrees(wrong[0]):
                continue
            if all(map(agrees, wrong[1:])) and all(map(agrees, others)):
                return mistake, "all"
            if task.as_a_whole:
                continue
            if wrong[0] in numbers and (same := sum(map(agrees, numbers))) > most:
                best, most = mistake, same
    failed = sum(fault is not None for fault in faults)
    return best, "wrong" if most == failed else "some"


EXPLAINED = ("values", "shape", "type", "nan", "raised")  # faults that a variant can show


def _agrees(variant, arguments: tuple, answer: Answer) -> bool:
    """Say whether a wrong variant does the same: the same values, or the same kind of error.

    The library refuses sizes that make no sense by a ShapeError, and a variant may just stop:
    there, any error is the same.
    """
    raised = answer.how == "raised"
    try:
        expected = variant(*arguments)
    except (ShapeError, Stops):
        return raised
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        return raised and answer.error == type(error).__name__
    if answer.how != "returned":
        return False
    count = len(expected) if isinstance(expected, tuple) else 1
    got, wanted = parts(answer.value, count), parts(expected, count)
    return got is not None and all(
        isinstance(one, np.ndarray) and same_values(one, other)
        for one, other in zip(got, wanted, strict=True)
    )


def _explain(task: Task, answers, expected, faults) -> tuple[Mistake | None, str, str]:
    """Return (recognised mistake or None, its kind, the message) for a function that failed."""
    reached = [n for n, fault in enumerate(faults) if fault and fault.kind != "not reached"]
    shown = min(reached, key=lambda n: (faults[n].numbers_right, n))
    if task.as_a_whole:  # an error hides verdicts: first the errors
        shown = min(reached, key=lambda n: (faults[n].kind not in ("raised", "too slow"), n))
    fault, (mistake, extent) = faults[shown], _recognise(task, answers, faults)
    known = mistake is not None and fault.kind in EXPLAINED
    sentence, section = fault.sentence, task.section
    if known:
        sentence, section = mistake.sentence, mistake.section
        if extent != "all":
            where = "where it goes wrong" if extent == "wrong" else "in the case below"
            sentence = f"{where}, {sentence}"
    elif fault.kind in ("values", "shape"):
        sentence = _sentences(sentence, _relation(task, answers, expected, faults, fault.part))
    lines = [f"{task.function_name}, not yet: {sentence}"]
    if known and extent == "some":
        lines.append("That does not explain every wrong case: repair this first, then check again.")
    elif known and fault.kind in ("shape", "type"):
        lines.append(f"Therefore {fault.sentence}")
    elif known and fault.kind == "raised":
        lines.append(f"In the case below, {fault.sentence}")
    if not known and fault.kind == "raised":
        lines += explain.stopped(answers[2 * shown])
        if expected[shown] is False and not answers[2 * shown].inside:
            lines.append("The function on trial there is a wrong one: your test is to say so, by "
                         "returning False, not to stop.")
    if not known:
        lines += _where(task, answers, faults)
    caught = [answer.caught for answer in answers if answer.caught]
    if task.as_a_whole and caught and fault.kind != "raised":
        lines.append(f"While it ran, {caught[0]}, and your test went on: does it give the function "
                     "what the task names?")
    lines += ["", *show_case(task, task.cases[shown].arguments, expected[shown],
                             answers[2 * shown], fault)]
    lines += ["", f"Read again: {section}"]
    kind = answers[2 * shown].error if fault.kind == "raised" else fault.kind
    return (mistake if known else None), kind, "\n".join(lines)


def _relation(task: Task, answers, expected, faults, part: int) -> str:
    """Return what this result has to do with the right one, if the same in every case."""
    if any(fault and (fault.kind not in ("values", "shape") or fault.part != part)
           for fault in faults):
        return ""
    count = len(task.result_names)
    pairs = [(parts(answer.value, count)[part], parts(right, count)[part], case.arguments)
             for answer, right, case in zip(answers[::2], expected, task.cases, strict=True)]
    return relations.relation(pairs, [n for n, fault in enumerate(faults) if fault])


def _where(task: Task, answers: list, faults: list) -> list[str]:
    """Return a line that says what the wrong cases have in common, if something simple."""
    wrong = [None if 2 * n >= len(answers) else fault is not None for n, fault in enumerate(faults)]
    text = explain.only_where(task.argument_names, [case.arguments for case in task.cases], wrong)
    return [text] if text else []


def _remark_on_printing(task: Task, answers: list[Answer]) -> list[str]:
    if any(answer.printed for answer in answers) and not task.as_a_whole:
        return ["It also prints something: take that out before it is called a million times."]
    return []


remember_originals()  # the last thing: from here on a notebook may patch what it likes
