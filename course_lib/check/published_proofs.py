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
    calls: int = 0

    def fresh(self) -> "Suspect":
        """Return the same function before anybody called it."""
        return Suspect(self.label, self.function)

    def __call__(self, *arguments):
        self.calls += 1
        try:
            return self.function(*arguments)
        except Exception as error:
            error.on_trial = repr(self)
            raise

    def __repr__(self) -> str:
        return f"function {self.label}"


def proof(exercise: str, name: str, right: tuple, wrong: tuple, section: Section) -> Task:
    """Return the task `<name>_test(function) -> True or False`.

    right: two functions that are; wrong: three or four of (what it does, function, advice), the
    published bug first. The cases are all of them, mixed; every way to misjudge some is a mistake.
    """
    accused = [(function, f"{what}. {advice}") for what, function, advice in wrong]
    order = [(right[0], None), *accused[:2], (right[1], None), *accused[2:]]
    suspects = [Suspect(label, function) for label, (function, _) in zip(LABELS, order)]
    does = {label: said for label, (_, said) in zip(LABELS, order)}
    fine = [label for label, said in does.items() if said is None]
    published, second, third, *_ = bad = [label for label, said in does.items() if said]

    def misjudge(*labels, always=None):
        """Return the test that is wrong about these, or that always says the same."""
        if always is not None:
            return lambda suspect: always
        return lambda suspect: (suspect.label in fine) != (suspect.label in labels)

    def mistake(identity, sentence, variant):
        return Mistake(identity, sentence, variant, section)

    named = [
        mistake("passes everything", "your test lets every function pass: it never returns "
                "False.", misjudge(always=True)),
        mistake("refuses everything", "your test refuses every function, the right ones too. Try "
                "it on one that you trust and print what is compared: equal bits, where np.isclose "
                "is meant? A step too small or too large? Does it expect the right thing?",
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
        *(mistake(f"misses {label}", f"your test lets a function pass that {does[label]}",
                  misjudge(label)) for label in bad),
        *(mistake(f"refuses {label}", RIGHT, misjudge(label)) for label in fine),
    ]
    verdicts = {tuple(map(one.variant, suspects)) for one in named}
    for labels in chain.from_iterable(combinations(does, n) for n in range(2, len(does))):
        if tuple(map(misjudge(*labels), suspects)) in verdicts:
            continue
        refused = [label for label in labels if label in fine]
        missed = [label for label in labels if label in bad]
        named.append(mistake(
            "; ".join(f"{verb} {', '.join(some)}" for verb, some in
                      (("refuses", refused), ("misses", missed)) if some),
            " ".join([f"your test misjudges {len(labels)} of {len(does)} functions.",
                      *(f"It refuses {label}, which is right." for label in refused),
                      *(f"It lets {label} pass, which {does[label]}" for label in missed)]),
            misjudge(*labels)))
    return Task(
        id=f"{exercise}/prove_{name}", function_name=f"{name}_test",
        argument_names=("function",), result_name="verdict", reference=misjudge(),
        cases=tuple(Case((suspect,)) for suspect in suspects), mistakes=tuple(named),
        section=section, shape_rule="True or False", keeps_dtype=False, as_a_whole=True,
    )
