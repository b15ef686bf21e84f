"""`check.gradients(my_layer, x)`: the numerical check of anything with a forward and a backward.

A thin door to course_lib.gradcheck, which does the work and explains what is wrong; here it runs
in the sandbox. Only `course_lib.check` imports this module.
"""

import traceback

import numpy as np

from course_lib.check import sandbox
from course_lib.check.tasks import Section
from course_lib.gradcheck import STEP, GradientCheckError, check_gradients

THE_CHECK = Section(
    "05b_backpropagation_convolution", "A gradient you have not checked is a guess"
)


def gradients(subject, x, targets=None, *, backward=None, loss=None, seed=0, h=STEP,
              tolerance=1e-7, max_coordinates=200):
    """Compare a backward pass of your own with central differences and print what was found.

    A layer or model      check.gradients(my_layer, x): forward(x) -> y, backward(dy) -> dx
    a pair of functions   check.gradients(my_forward, x, backward=my_backward), with
                          my_forward(x) -> (y, cache) and my_backward(dy, cache) -> dx;
                          several arrays: x = (x, weight), and backward returns a tuple
    a loss                check.gradients(my_loss, logits, labels): -> (loss, dlogits)
    a model and its loss  check.gradients(model, x, labels, loss=my_loss)

    x must hold float64 numbers. A failure is explained: a corner, float32, a step h of the wrong
    size, a wrong axis, a factor such as a missing 1/N. The same `seed` tries the same numbers.
    """
    from course_lib.check import Result  # it imports this module

    who = getattr(subject, "__name__", type(subject).__name__)
    state, text, guard = _verdict(who, subject, _Check(
        subject, x, targets, backward=backward, loss=loss, seed=seed, h=h, tolerance=tolerance,
        max_coordinates=max_coordinates,
    ))
    print(text)
    return Result("gradients", state, text, None, int(state == "passed"), 1, guard)


class _Check:
    """The call that is made in the sandbox: it returns (how it ended, what to print)."""

    def __init__(self, subject, x, targets, seed, **options):
        self.subject, self.x, self.targets = subject, x, targets
        self.seed, self.options = seed, options

    def __call__(self):
        try:
            report = check_gradients(self.subject, self.x, self.targets,
                                     rng=np.random.default_rng(self.seed), **self.options)
        except NotImplementedError:
            return "not attempted", "", ""
        except GradientCheckError as error:
            return "refused", str(error), ""
        except Exception as error:  # noqa: BLE001  (whatever the student's code raises)
            return "raised", f"{type(error).__name__}: {error}"[:300], _line_of(error)
        wrong = [f"{array.name}: {array.explanation}" for array in report.arrays
                 if not array.passed]
        reason = (wrong + report.notes + [""])[0]
        return ("passed" if report.passed else "failed"), str(report), reason[:300]


def _line_of(error) -> str:
    """Return the last line of the traceback that lies outside the library."""
    inside = ("course_lib", "numpy", "copy.py")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if not any(name in frame.filename for name in inside)]
    return f"line {frames[-1].lineno}: {frames[-1].line}"[:150] if frames else ""


def _verdict(who: str, subject, check: _Check) -> tuple[str, str, str]:
    """Return the state, the text to print and which guard was on."""
    if isinstance(subject, type):
        return "failed", (f"check.gradients: expected a layer, got the class {who}. Make one "
                          f"first: {who}(...)."), ""
    with sandbox.originals():
        (answer, *_), guard = sandbox.call(check, [()])
    if answer.how != "returned":
        return "failed", f"{who}, not yet: {ENDINGS.get(answer.how, answer.how)}", guard
    how, text, more = answer.value
    if how == "passed":
        return "passed", text, guard
    if how == "not attempted":
        return "not attempted", f"{who}: not attempted yet.", guard
    if how == "refused":
        return "failed", text, guard
    if how == "raised":
        line = f" ({more})" if more else ""
        return "failed", f"{who}, not yet: it stopped with {text}{line}.", guard
    return "failed", f"{who}, not yet: in {more}\n\n{text}\n\nRead again: {THE_CHECK}", guard


ENDINGS = {
    "too slow": f"the check did not come back within {sandbox.SECONDS} seconds. Does a loop never "
    "end? Otherwise try fewer or smaller images, or max_coordinates=20.",
    "out of memory": "it asked for far more memory than it needs.",
    "asked for input": "it asks for input(): all it needs are its arguments.",
    "exited": "it ends Python itself (exit): leave a function with return.",
    "crashed": "it made Python crash.",
    "raised": "it stopped with an error.",
}
