"""The shape of the library: who may import whom, how long a file may be, how it opens."""

import ast
import tokenize
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "course_lib"
MODULES = sorted(LIBRARY.rglob("*.py"))

READING_LIST = "shapes conv pool pointwise losses initializers layers model optim train".split()
LINES_A_FILE, LINES_IN_ALL, COLUMNS = 250, 1300, 100

OPERATIONS = {"shapes", "doors", "formula", "conv", "pool", "pointwise", "losses"}
NETWORK = OPERATIONS | {"initializers", "layers", "summary", "model"}
FILES = {"data", "idx", "image_folder"}
LEARNING = NETWORK | FILES | {"optim", "config"}
ALL = LEARNING | set("npz train metrics augment checkpoint gradcheck plots fast fused workers notebooks lesson site slides".split())
ALLOWED = {  # module or folder -> what of the course it may import
    "": set(),
    "__main__": {"commands"},
    "shapes": set(),
    "doors": {"shapes"},
    "formula": {"shapes", "doors"},
    "conv": {"shapes", "doors", "formula"},
    "pool": {"shapes", "doors", "formula", "conv"},  # pads and crops as conv does
    "pointwise": {"shapes", "doors", "formula"},
    "losses": {"doors", "formula", "pointwise"},
    "metrics": {"doors"},
    "initializers": {"shapes"},
    "layers": OPERATIONS | {"initializers"},
    "summary": set(),
    "model": OPERATIONS | {"initializers", "layers", "summary"},
    "optim": {"shapes", "doors"},
    "idx": set(),
    "image_folder": {"shapes", "idx"},
    "data": {"shapes", "idx", "image_folder"},
    "npz": set(),
    "config": NETWORK | {"optim", "npz"},
    "checkpoint": {"shapes", "doors", "npz"},
    "augment": {"shapes", "doors"},
    "train": LEARNING | {"metrics", "checkpoint", "augment"},  # and `fast`, inside a function
    "gradcheck": NETWORK,
    "snapshots": {"shapes", "doors", "layers", "train"},
    "plots": {"shapes", "conv"},
    "stills": {"shapes", "conv", "pool", "plots", "stills"},
    "notebooks": set(),
    "lesson": set(),
    "site": {"notebooks", "widgets"},
    "slides": {"notebooks", "site", "widgets"},
    "fast": LEARNING,
    "fused": LEARNING | {"fast"},
    "workers": LEARNING | {"fast", "fused"},
    "machine": set(),
    "benchmark": LEARNING | {"train", "fast", "fused", "machine"},
    "widgets": NETWORK | {"config", "gradcheck", "plots", "snapshots", "stills", "train",
                          "widgets"},
    "check": ALL | {"check"},
    "experiments": LEARNING | {"train", "metrics", "fast", "plots", "experiments"},
    "commands": ALL | {"machine", "benchmark", "check", "widgets", "experiments", "commands"},
}
LAZY = {("train", "fast"), ("train", "workers"), ("fast", "fused")}  # only inside a function
ONLY_IN = {"matplotlib": {"plots", "stills"}, "anywidget": {"widgets"}, "numba": {"fused"}}


def place(path):
    """Return a module's name in the table: "conv", or its folder "check"; "" for the package."""
    first = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported(tree):
    """Yield the dotted name of everything that a tree imports, `from x import y` as x.y."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full: from course_lib.conv import conv2d"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_the_course(tree):
    """Return the modules and folders of course_lib that a tree imports."""
    names = (name.split(".") for name in imported(tree))
    return {parts[1] if len(parts) > 1 else "" for parts in names if parts[0] == "course_lib"}


def outside_functions(tree):
    """Return the tree without its functions: what importing the module does at once."""

    class Outside(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return None

    return Outside().visit(ast.parse(ast.unparse(tree)))


def code_lines(source):
    """Return how many lines hold code: docstrings, comments and blank lines are not counted."""
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    counted = set()
    for token in tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__):
        if token.type not in quiet | {tokenize.ENDMARKER}:
            counted.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        owner = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if owner and ast.get_docstring(node) is not None:
            text = node.body[0]
            counted.difference_update(range(text.lineno, text.end_lineno + 1))
    return len(counted)


def test_the_rulers_measure():
    source = '"""Two\nlines."""\n\nX = """a\nb"""  # no docstring\n\n\ndef f():\n    "Doc."\n'
    assert code_lines(source + "    # no code\n    return 1\n") == 4
    tree = ast.parse("import course_lib.conv\nfrom course_lib import pool\ndef f():\n import a.b")
    assert of_the_course(tree) == {"conv", "pool"}
    assert set(imported(outside_functions(tree))) == {"course_lib.conv", "course_lib.pool"}


def test_every_module_is_in_the_table():
    unknown = {place(path) for path in MODULES} - set(ALLOWED)
    assert not unknown, f"say in ALLOWED what these may import: {sorted(unknown)}"
    assert ALL <= set(ALLOWED)


def test_the_table_has_no_circles():
    free, before = set(), None
    while free != before:
        before = set(free)
        free |= {name for name, others in ALLOWED.items() if others - {name} <= free}
    assert free == set(ALLOWED)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_module_keeps_the_rules(path):
    source, name = path.read_text(encoding="utf-8"), place(path)
    tree = ast.parse(source)
    opening = ast.get_docstring(tree)
    assert opening, "a module opens with two or three lines: what lives here, what it may import"
    long = [n for n, line in enumerate(source.splitlines(), 1) if len(line) > COLUMNS]
    assert not long, f"lines longer than {COLUMNS} columns: {long}"

    lazy = {other for user, other in LAZY if user == name}
    beyond = of_the_course(tree) - ALLOWED.get(name, set()) - lazy
    assert not beyond, f"{name} may not import {sorted(beyond)}"
    early = of_the_course(outside_functions(tree)) & lazy
    assert not early, f"{name} may import {sorted(early)} only inside a function"
    outside = {other.split(".")[0] for other in imported(tree)}
    for package, homes in ONLY_IN.items():
        assert package not in outside or name in homes, f"{package} belongs in {sorted(homes)}"


def test_the_reading_list_is_short():
    lengths = {
        name: code_lines((LIBRARY / f"{name}.py").read_text(encoding="utf-8"))
        for name in READING_LIST
        if (LIBRARY / f"{name}.py").exists()
    }
    assert lengths, "no module of the reading list found"
    too_long = {name: lines for name, lines in lengths.items() if lines > LINES_A_FILE}
    assert not too_long, f"over {LINES_A_FILE} lines of code: {too_long}"
    assert sum(lengths.values()) <= LINES_IN_ALL, f"over {LINES_IN_ALL} lines in all: {lengths}"


def test_the_fast_convolution_is_one_screen():
    source = (LIBRARY / "fast.py").read_text(encoding="utf-8")
    screen = source[source.index("# The convolution: one screen") : source.index("# The same for")]
    assert {"conv", "conv_backward"} < {one.name for one in ast.parse(screen).body}
    assert code_lines(screen) <= 40
