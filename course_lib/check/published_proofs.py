"""Tasks that ask for a test: a function that says of another function whether it is right.

`published` makes its five proofs with this; imports only the form of a task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, combinations

from course_lib.check.tasks import Case, Mistake, Section, Task

LABELS = "ABCDEF"
RIGHT = "your test refuses a function that is right, only written in another way. Does it ask " \
    "for equal bits where rounding may differ (np.isclose), or for more than the task promises?"


@dataclass
class Suspect:
    """A function on trial: a test may call it; printed it shows only its letter."""

    label: str
    function: Callable
    names: tuple[str, ...] = ()  # of its arguments, for who calls it by these
    call: str = ""  # how it is called
    calls: int = 0
    stopped: str = ""

    def __post_init__(self):
        self.__name__, self.__doc__ = repr(self), None

    def fresh(self) -> "Suspect":
        """Return the same function before anybody called it."""
        return Suspect(self.label, self.function, self.names, self.call)

    def __call__(self, *arguments, **named):
        self.calls += 1
        places = self.names[len(arguments) : len(arguments) + len(named)]
        try:
            if set(named) == set(places):
                return self.function(*arguments, *(named[name] for name in places))
            return self.function(*arguments, **named)
        except Exception as error:
            error.on_trial = repr(self)
            self.stopped = f"{self} stopped with {type(error).__name__}: {error}"[:200]
            raise

    def __iter__(self):
        raise TypeError(f"{self} is no result but a function: call it, as in {self.call}")

    def __getattr__(self, name: str):
        raise AttributeError(f"{self} is a function and has no .{name}: call it, as in "
                             f"{self.call}, and look at what it returns")

    def __repr__(self) -> str:
        return f"function {self.label}"


def proof(exercise: str, name: str, call: str, right: tuple, wrong: tuple,
          section: Section) -> Task:
    """Return the task `<name>_test(function) -> True or False`.

    call: how the function is called, "loss(z, t)".
    right: two functions that are; wrong: three or four of (what it does, function, advice), the
    published bug first. The cases are all of them, mixed; every way to misjudge some is a mistake.
    """
    function_name, _, inside = call.rstrip(")").partition("(")
    names = tuple(inside.split(", "))
    accused = [(function, f"{what}. {advice}") for what, function, advice in wrong]
    begin = wrong[0][2][0].lower() + wrong[0][2][1:]  # the advice that finds the published bug
    order = [(right[0], None), *accused[:2], (right[1], None), *accused[2:]]
    suspects = [Suspect(label, function, names, call)
                for label, (function, _) in zip(LABELS, order)]
    does = {label: said for label, (_, said) in zip(LABELS, order)}
    what = dict(zip((label for label, said in does.items() if said), (one[0] for one in wrong)))
    fine = [label for label, said in does.items() if said is None]
    published, second, third, *_ = bad = [label for label, said in does.items() if said]

    def misjudge(*labels, always=None):
        """Return the test that is wrong about these, or that always says the same."""
        def judge(suspect):
            suspect.calls += 1  # as one that asks it
            right = (suspect.label in fine) != (suspect.label in labels)
            return right if always is None else always

        return judge

    def mistake(identity, sentence, variant):
        return Mistake(identity, sentence, variant, section)

    named = [
        mistake("passes everything", "your test lets every function pass: it returns False for "
                f"none of them. Begin with the published bug: {begin}", misjudge(always=True)),
        mistake("refuses everything", "your test refuses every function, the right ones too. Try "
                "it on one that you trust and print what it compares: does it expect the right "
                "thing? Do the two differ by rounding only, which np.isclose forgives, or hardly "
                "at all where you ask for a difference?",
                misjudge(always=False)),
        mistake("the wrong way round", "your test says True for the wrong functions and False for "
                "the right ones: True means “this function is right”.", misjudge(*does)),
        mistake("knows one bug only", "your test finds the published bug, but two others pass: "
                f"one {does[second]} The other {does[third]}", misjudge(second, third)),
        mistake("misses the published bug and another", "your test finds one bug only. A function "
                f"passes that {does[published]} So does one that {does[second]}",
                misjudge(published, second)),
        mistake("misses the published bug and a third", "your test finds one bug only. A function "
                f"passes that {does[published]} So does one that {does[third]}",
                misjudge(published, third)),
        *(mistake(f"misses {label}", f"your test lets a function pass that {does[label]} If it "
                  "does that already: is the tolerance too wide, or does a comparison not reach "
                  "the `return`?", misjudge(label)) for label in bad),
        *(mistake(f"refuses {label}", RIGHT, misjudge(label)) for label in fine),
    ]
    verdicts = {tuple(map(one.variant, suspects)) for one in named}
    for labels in chain.from_iterable(combinations(does, n) for n in range(2, len(does))):
        if tuple(map(misjudge(*labels), suspects)) in verdicts:
            continue
        refused = [label for label in labels if label in fine]
        missed = [label for label in labels if label in bad]
        told = [f"your test misjudges {len(labels)} of {len(does)} functions.",
                *(f"Function {label} is right, and your test refuses it." for label in refused)]
        for label in missed:  # where right ones are refused, advice for one bug leads astray
            bug = f"{what[label]}." if refused else does[label]
            told.append(f"It lets {label} pass, which {bug}")
        if refused == fine and published in missed:
            told.append("Does it expect what the bug does? Work out by hand what is right.")
        named.append(mistake(
            "; ".join(f"{verb} {', '.join(some)}" for verb, some in
                      (("refuses", refused), ("misses", missed)) if some),
            " ".join(told), misjudge(*labels)))
    return Task(
        id=f"{exercise}/prove_{name}", function_name=f"{name}_test",
        argument_names=(function_name,), result_name="verdict", reference=misjudge(),
        cases=tuple(Case((suspect,)) for suspect in suspects), mistakes=tuple(named),
        section=section, shape_rule="True or False", keeps_dtype=False, as_a_whole=True,
    )
