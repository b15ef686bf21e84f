"""Two commands: which Python runs them, how `.venv` is made, what `doctor` sees, who is in step."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections import namedtuple
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

import course_lib.__main__ as start
from course_lib import commands
from course_lib.commands import doctor, lab, setup
from course_lib.commands import test as test_command
from course_lib.commands.setup import SetupError

FOLDER = Path(__file__).parents[1]
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
POSIX = os.name == "posix"


def run_course(*words, options=(), **environment):
    """Run the real thing in another process."""
    return subprocess.run(
        [sys.executable, *options, "-m", "course_lib", *words],
        cwd=FOLDER,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path):
    """Return a folder that could be the course's: a pyproject.toml with two requirements."""
    place = tmp_path / "the course"  # the space is meant
    place.mkdir()
    text = '[project]\ndependencies = ["numpy>=1.26", "pillow>=10.2"]\n'
    (place / "pyproject.toml").write_text(text, encoding="utf-8")
    return place


# An old Python is told what is wrong.


def too_new(source):
    """Say whether an old Python (2.7 to 3.10) would stumble over a source."""
    try:
        nodes = list(ast.walk(ast.parse(source, feature_version=(3, 5))))
    except SyntaxError:
        return True
    new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal)
    hints = [getattr(node, "returns", None) or getattr(node, "annotation", None) for node in nodes]
    return any(isinstance(node, new) for node in nodes) or any(hints) or not source.isascii()


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_an_old_python_can_read_the_start(name):
    source = (FOLDER / "course_lib" / name).read_text(encoding="utf-8")
    assert not too_new(source)
    early = [node for node in ast.parse(source).body if isinstance(node, ast.Import)]
    assert {alias.name for node in early for alias in node.names} <= {"sys"}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.parse(source).body)


@pytest.mark.parametrize("line", ["f'{1}'", "x: int = 1", "def f() -> int: 1", "(x := 1)", "'≥'"])
def test_what_an_old_python_cannot_read_is_found(line):
    assert too_new(line)


def test_an_old_python_is_told_what_it_needs(monkeypatch, capsys):
    monkeypatch.setattr(start, "OLDEST", (9, 1))
    monkeypatch.setattr(commands, "run", lambda words: pytest.fail("ran all the same"))
    assert start.main(["lab"]) == 1
    have = "this is Python {}.{} ".format(*sys.version_info[:2])
    assert f"needs Python >= 9.1, and {have}" in capsys.readouterr().err


def test_the_oldest_python_is_the_same_everywhere():
    oldest = ".".join(map(str, start.OLDEST))
    assert PROJECT["project"]["requires-python"] == f">={oldest}"
    jobs = yaml.safe_load((FOLDER / ".github/workflows/tests.yml").read_text())["jobs"]
    matrix = jobs["systems"]["strategy"]["matrix"]
    assert matrix["python"][0] == oldest
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}


# The words.


def test_help_has_a_line_for_every_command():
    done = run_course("--help", options=["-S"])  # -S: no installed package is found
    assert done.returncode == 0
    modules = {path.stem for path in (FOLDER / "course_lib/commands").glob("[!_]*.py")}
    assert {"lab", "test", "setup", "doctor"} <= modules
    for name in modules:
        assert re.search(rf"^  {name} +[A-Z].{{15,}}$", done.stdout, re.MULTILINE), name


def test_an_unknown_command_names_the_known(capsys):
    assert commands.run(["tset"]) == 2
    error = capsys.readouterr().err
    assert "no command 'tset'. Did you mean 'test'?" in error and "doctor, setup" in error
    assert commands.run([]) == 2


def test_words_and_status_pass_untouched(monkeypatch):
    words = ["-k", "conv", "--x=y z", ""]
    monkeypatch.setattr(setup, "environment", lambda: None)
    monkeypatch.setattr(test_command, "main", lambda got: 5 if got == words else 99)
    assert commands.run(["test", *words]) == 5


def test_another_python_gets_all_the_words(monkeypatch):
    monkeypatch.setattr(setup, "environment", lambda: Path("elsewhere"))
    monkeypatch.setattr(setup, "hand_over", lambda python, words: [str(python), *words])
    assert commands.run(["lab", "--port", "1"]) == ["elsewhere", "lab", "--port", "1"]


def test_doctor_never_makes_an_environment(monkeypatch, capsys):
    monkeypatch.setattr(setup, "environment", lambda: pytest.fail("bootstrapped"))
    monkeypatch.setattr(doctor, "findings", lambda: [])
    assert commands.run(["doctor"]) == 0
    assert "can run here" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(
    path.stem for path in (FOLDER / "course_lib" / "commands").glob("[!_]*.py")))
def test_help_works_in_a_foreign_environment(tmp_path, name):
    """In a virtual environment with nothing in it: neither refused nor anything made."""
    python = tmp_path / "foreign" / ("bin/python" if POSIX else "Scripts/python.exe")
    make = [sys.executable, "-m", "venv", "--without-pip", tmp_path / "foreign"]
    subprocess.run(make, check=True)
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run([python, "-m", "course_lib", name, "--help"], cwd=FOLDER, timeout=60,
                          capture_output=True, encoding="utf-8",
                          env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": ""})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    # In a folder with a ready .venv the command itself answers (lab: JupyterLab).
    by_itself = name in done.stdout and re.search("usage:|jupyter lab", done.stdout)
    assert by_itself or commands.opening(name) in done.stdout
    if name == "train" and not by_itself:
        assert "Options: --config --data" in done.stdout and "Exit status" in done.stdout
        assert f"this Python ({python}) cannot run the course:\n  - " in done.stdout
        assert "not installed: numpy" in done.stdout and "doctor` says what to do" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_help_is_the_commands_own_where_the_course_is(monkeypatch, capsys):
    monkeypatch.setattr(setup, "shortfalls", lambda: [])
    monkeypatch.setattr(setup, "environment", lambda: pytest.fail("an environment was asked for"))
    with pytest.raises(SystemExit) as left:
        commands.run(["train", "--help"])
    assert left.value.code == 0 and "--batch-size N" in capsys.readouterr().out


def test_help_is_asked_of_an_environment_that_is_ready(monkeypatch):
    monkeypatch.setattr(setup, "shortfalls", lambda: ["x is not installed"])
    monkeypatch.setattr(setup, "state", lambda: "ready")
    monkeypatch.setattr(setup, "hand_over", lambda python, words: [str(python), *words])
    assert commands.run(["train", "-h"]) == [str(setup.venv_python()), "train", "-h"]


def test_help_of_lab_writes_nothing_into_a_foreign_environment(monkeypatch, capsys):
    monkeypatch.setattr(setup, "shortfalls", lambda: ["x is not installed"])
    monkeypatch.setattr(setup, "state", lambda: "none")
    monkeypatch.setattr(lab, "main", lambda words: pytest.fail("lab was started"))
    assert commands.run(["lab", "--help"]) == 0
    assert "Open JupyterLab on the course" in capsys.readouterr().out


def stop():
    raise KeyboardInterrupt


def refuse():
    raise SetupError("no room", code=7)


@pytest.mark.parametrize(
    "what, status, words", [(stop, 130, "interrupted"), (refuse, 7, "course: no room")]
)
def test_a_stopped_set_up_ends_in_a_status(monkeypatch, capsys, what, status, words):
    monkeypatch.setattr(setup, "environment", what)
    assert commands.run(["lab"]) == status
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["setup", "doctor"])
def test_words_that_mean_nothing_are_refused(name, capsys):
    assert commands.run([name, "now"]) == 2
    assert f"{name} takes no words, got 'now'" in capsys.readouterr().err


def test_one_blas_thread_unless_the_user_chose(monkeypatch):
    variables = {"OMP_NUM_THREADS": "4"}
    monkeypatch.setattr(commands.os, "environ", variables)
    commands.one_blas_thread()
    assert variables["OMP_NUM_THREADS"] == "4"
    assert variables["OPENBLAS_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "1"


def test_threads_are_set_before_numpy_comes():
    probe = (
        "import os, sys; from course_lib import commands; from course_lib.commands import setup\n"
        "setup.environment = lambda: print('numpy' in sys.modules, os.environ['OMP_NUM_THREADS'])\n"
        "commands.importlib.import_module = lambda name: sys.exit(0)\n"
        "commands.run(['lab'])"
    )
    plain = {name: text for name, text in os.environ.items() if name not in commands.THREADS}
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=FOLDER, env=plain, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "1"], done.stderr


# lab and test.


def test_lab_opens_on_the_first_lesson(tmp_path):
    assert lab.first_page(tmp_path) == "/lab"
    (tmp_path / "notebooks").mkdir()
    for name in ("README.md", "06_mnist.ipynb", "01_convolution.ipynb"):
        (tmp_path / "notebooks" / name).touch()
    page = "/lab/tree/notebooks/01_convolution.ipynb"
    ours = [f"--ServerApp.root_dir={tmp_path}", f"--LabApp.default_url={page}"]
    assert lab.arguments(["--port", "1"], tmp_path) == [*ours, "--port", "1"]
    theirs = ["--LabApp.default_url=/lab", "--no-browser"]
    assert lab.arguments(theirs, tmp_path) == [ours[0], *theirs]
    for word in ("--notebook-dir=/x", "--ServerApp.root_dir=/x"):
        assert lab.arguments([word], tmp_path) == [word]


def test_test_gives_pytest_the_notebooks_and_returns_its_status(monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.setenv("COURSE_FAST", "0")
    calls = []
    monkeypatch.setattr(pytest, "main", lambda words: calls.append(words) or pytest.ExitCode(5))
    assert test_command.main(["-k", "conv", "-x"]) == 5
    assert calls[0][-3:] == ["-k", "conv", "-x"] and "--nbval-lax" in calls[0]
    assert Path.cwd() == FOLDER and os.environ["COURSE_FAST"] == "1"


def test_without_words_everything_is_tested():
    options = PROJECT["tool"]["pytest"]["ini_options"]
    everything = {"tests", "course_lib", "notebooks", "solutions", "exercises"}
    assert set(options["testpaths"]) == everything and "--doctest-modules" in options["addopts"]


@pytest.mark.parametrize("name, command", [("lab", lab), ("test", test_command)])
def test_lab_and_test_need_the_course_folder(monkeypatch, tmp_path, name, command):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    with pytest.raises(SetupError, match=f"{name} needs a copy of the course.*; .* is none"):
        command.main([])


# Which Python.


@pytest.mark.parametrize(
    "lacking, kind, expected",
    [
        ([], None, None),
        ([], "the virtual environment", None),
        (["x is not installed"], None, "made"),
        (["x is not installed"], "the conda environment", "refused"),
    ],
)
def test_the_three_cases(monkeypatch, folder, lacking, kind, expected):
    monkeypatch.setattr(setup, "shortfalls", lambda place: lacking)
    monkeypatch.setattr(setup, "environment_kind", lambda: kind)
    monkeypatch.setattr(setup, "make", lambda place: "made")
    if expected != "refused":
        assert setup.environment(folder) == expected
        return
    words = f"not ready in {kind} .*\n  - x is not installed\n.*\n    .*install .*-e"
    with pytest.raises(SetupError, match=words) as caught:
        setup.environment(folder)
    assert caught.value.code == 2 and "or leave that environment" in str(caught.value)
    monkeypatch.setattr(setup.sys, "prefix", str(folder / ".venv"))
    with pytest.raises(SetupError, match="or remove that folder and run the same command again"):
        setup.environment(folder)


def test_setup_asks_the_new_environment_whether_it_is_ready(monkeypatch, capsys):
    monkeypatch.setattr(setup, "environment", lambda: Path("elsewhere"))
    monkeypatch.setattr(setup, "hand_over", lambda python, words: (str(python), words))
    assert setup.main([]) == ("elsewhere", ["setup"])
    monkeypatch.setattr(setup, "environment", lambda: None)
    assert setup.main([]) == 0
    assert f"The course runs with {sys.executable}. Next: " in capsys.readouterr().out


def test_a_wheel_needs_no_folder(tmp_path):
    assert setup.environment(tmp_path) is None


def test_kinds_of_environments(tmp_path):
    here, base = str(tmp_path), str(tmp_path / "other")
    assert setup.environment_kind(here, here) is None
    assert setup.environment_kind(here, base) == "the virtual environment"
    (tmp_path / "conda-meta").mkdir()
    assert setup.environment_kind(here, here) == "the conda environment"
    (tmp_path / "condabin").mkdir()  # conda's base
    assert setup.environment_kind(here, here) is None


@pytest.mark.parametrize(
    "pip, line",
    [(True, f'"{sys.executable}" -m pip install -e'), (None, "uv pip install --python")],
)
def test_the_install_line_runs_without_pip_too(monkeypatch, folder, pip, line):
    monkeypatch.setattr(setup.importlib.util, "find_spec", lambda name: pip)
    assert setup.install_line(folder).startswith(line)
    assert setup.install_line(folder).endswith(f'"{folder}"')


def install_fake(site, name, version, origin=None):
    """Write the metadata of an installed package, as pip leaves it."""
    place = site / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (place / "METADATA").write_text(text, encoding="utf-8")
    if origin is not None:
        (place / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")


def from_folder(place, editable=True):
    return {"url": place.as_uri(), "dir_info": {"editable": editable} if editable else {}}


def test_installed_from_this_folder(tmp_path, folder):
    cases = {
        "here": (from_folder(folder), True),
        "elsewhere": (from_folder(tmp_path), False),
        "gone": (from_folder(tmp_path / "gone"), False),
        "a copy": (from_folder(folder, editable=False), False),
        "wheel": (None, False),
    }
    for name, (origin, expected) in cases.items():
        install_fake(tmp_path / name, setup.COURSE, "0.1.0", origin)
        assert setup.installed_from(folder, [str(tmp_path / name)]) is expected, name
    assert not setup.installed_from(folder, [str(tmp_path / "empty")])


def test_what_an_installation_leaves_in_the_folder_proves_nothing(folder):
    left = folder / "cnn_from_scratch_course.egg-info"
    left.mkdir()
    (left / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {setup.COURSE}\nVersion: 1\n")
    assert not setup.installed_from(folder, [str(folder)])


def test_shortfalls_are_listed(tmp_path, folder):
    site = tmp_path / "site"
    install_fake(site, "numpy", "1.9.3")  # as text it would be newer than 1.26
    lacking = setup.shortfalls(folder, [str(site)])
    assert lacking == [
        f"{setup.COURSE} is not installed from {folder}",
        "not installed: pillow",
        "numpy is 1.9.3, and the course needs 1.26 or newer",
    ]


def test_enough_is_enough(tmp_path, folder):
    install_fake(tmp_path, setup.COURSE, "0.1.0", from_folder(folder))
    install_fake(tmp_path, "numpy", "1.26.0")
    install_fake(tmp_path, "pillow", "13.0.0rc1")
    assert setup.shortfalls(folder, [str(tmp_path)]) == []


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=2, max_size=2))
def test_versions_compare_as_packaging_does(numbers):
    first, second = (".".join(map(str, parts)) for parts in numbers)
    assert (setup.release(first) < setup.release(second)) == (Version(first) < Version(second))


def test_handing_over_becomes_the_other_python(monkeypatch):
    calls = []
    monkeypatch.setattr(setup.os, "name", "posix")
    monkeypatch.setattr(setup.os, "execv", lambda *call: calls.append(call) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        setup.hand_over("python", ["lab", "a b"])
    assert calls == [("python", ["python", "-m", "course_lib", "lab", "a b"])]


def test_handing_over_on_windows_keeps_the_status(monkeypatch, capfd):
    monkeypatch.chdir(FOLDER)
    with monkeypatch.context() as windows:
        windows.setattr(setup.os, "name", "nt")
        status = setup.hand_over(sys.executable, ["nonsense"])
    assert status == 2 and "no command 'nonsense'" in capfd.readouterr().err


# Making .venv.


def fake_steps(monkeypatch, folder, fail=None):
    """Replace the slow steps by one that records them, writes a Python, and may fail."""
    steps = []

    def step(command, lock):
        steps.append(("pip" if "pip" in command else "venv", setup.state(folder)))
        if steps[-1][0] == fail:
            raise SetupError("no network", 1)
        setup.venv_python(folder).parent.mkdir(exist_ok=True)
        setup.venv_python(folder).touch()

    monkeypatch.setattr(setup, "run", step)
    return steps


FRESH = [("venv", "unfinished"), ("pip", "unfinished")]


def test_an_environment_is_made_once_and_stamped_last(monkeypatch, folder, capsys):
    steps = fake_steps(monkeypatch, folder)
    assert setup.state(folder) == "none"
    assert setup.make(folder) == setup.venv_python(folder)
    assert steps == FRESH and setup.state(folder) == "ready"
    assert "ready after 0 s" in capsys.readouterr().err
    setup.make(folder)
    setup.install(folder, lock=0)  # as one does that waited for the lock while another made it
    assert steps == FRESH


@pytest.mark.parametrize("failing", ["venv", "pip"])
def test_an_interrupted_set_up_is_noticed_and_redone(monkeypatch, folder, failing):
    fake_steps(monkeypatch, folder, fail=failing)
    with pytest.raises(SetupError, match="no network"):
        setup.make(folder)
    assert setup.state(folder) == "unfinished"
    (folder / ".venv" / "half").touch()
    steps = fake_steps(monkeypatch, folder)
    setup.make(folder)
    assert steps == FRESH and setup.state(folder) == "ready"
    assert not (folder / ".venv" / "half").exists() and not (folder / ".venv-old").exists()


def test_a_moved_folder_is_set_up_again(monkeypatch, folder):
    fake_steps(monkeypatch, folder)
    setup.make(folder)
    moved = folder.with_name("moved")
    folder.rename(moved)
    assert setup.state(moved) == "other"
    steps = fake_steps(monkeypatch, moved)
    setup.make(moved)
    assert steps == FRESH and setup.state(moved) == "ready"


def test_another_python_sets_up_again(monkeypatch, folder):
    fake_steps(monkeypatch, folder)
    setup.make(folder)
    with monkeypatch.context() as older:
        older.setattr(sys, "version_info", (*sys.version_info[:1], 99, 0, "final", 0))
        assert setup.state(folder) == "other"
    assert setup.state(folder) == "ready"
    setup.venv_python(folder).unlink()  # its Python was uninstalled
    assert setup.state(folder) == "other"


def test_new_dependencies_are_added_to_what_is_there(monkeypatch, folder):
    fake_steps(monkeypatch, folder)
    setup.make(folder)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert setup.state(folder) == "older"
    (folder / ".venv" / "mine").touch()
    steps = fake_steps(monkeypatch, folder)
    setup.make(folder)
    assert steps == FRESH[1:] and setup.state(folder) == "ready"
    assert (folder / ".venv" / "mine").exists()


def test_an_environment_of_others_is_used_and_never_changed(monkeypatch, folder):
    steps = fake_steps(monkeypatch, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").touch()
    assert setup.state(folder) == "foreign"
    with pytest.raises(SetupError, match="has no Python and was not made here: remove it"):
        setup.make(folder)
    setup.venv_python(folder).parent.mkdir()
    setup.venv_python(folder).touch()
    assert setup.make(folder) == setup.venv_python(folder)
    assert steps == [] and setup.state(folder) == "foreign"


def test_debian_without_venv_gets_the_one_line(monkeypatch, folder):
    monkeypatch.setattr(setup, "can_make_environments", lambda: False)
    line = r"sudo apt install python{}\.{}-venv".format(*sys.version_info[:2])
    with pytest.raises(SetupError, match=f"ensurepip is missing(.|\n)*{line}"):
        setup.make(folder)
    assert setup.state(folder) == "none"


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, folder):
    def deny(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(setup, "install", deny)
    words = "cannot write .*venv: .*Permission denied(.|\n)*folder of your own"
    with pytest.raises(SetupError, match=words):
        setup.make(folder)


def test_a_step_that_fails_shows_its_end_and_keeps_its_status():
    noise = "import sys; [print('line', n) for n in range(30)]; print('No space left'); sys.exit(3)"
    with open(os.devnull) as lock, pytest.raises(SetupError) as caught:
        setup.run([sys.executable, "-c", noise], lock.fileno())
    message = str(caught.value)
    assert caught.value.code == 3 and "failed (exit status 3)" in message
    assert "line 29\n    No space left" in message and "line 9\n" not in message
    assert "What to try: free some disk space" in message


@pytest.mark.parametrize(
    "line, fix",
    [
        ("OSError: [Errno 28] No space left on device", "free some disk space"),
        ("SSLError: certificate verify failed: Connection broken", "PIP_CERT"),
        ("Temporary failure in name resolution", "check the network"),
        ("ERROR: No matching distribution found for numpy>=1.26", "check the network"),
        ("PermissionError: [WinError 5] Access is denied", "close programs that use .venv"),
        ("something nobody thought of", "run that line by hand"),
    ],
)
def test_each_failure_gets_its_fix(line, fix):
    message = setup.explain("python -m pip install", 1, [line + "\n"])
    assert f"What to try: {fix}" in message.replace("a proxy replaces certificates here: set ", "")
    assert line in message


def test_only_one_makes_it(tmp_path):
    path = tmp_path / ".venv.lock"
    with setup.only_one(path), path.open("a") as other:
        assert not setup.grab(other.fileno())
    with path.open("a") as other:
        assert setup.grab(other.fileno())


def test_a_killed_holder_lets_go(tmp_path):
    path = tmp_path / ".venv.lock"
    hold = (
        "import sys, time; from pathlib import Path; from course_lib.commands import setup\n"
        "with setup.only_one(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with path.open("a") as other:
            assert not setup.grab(other.fileno())
            holder.kill()
            holder.wait()
            assert setup.grab(other.fileno())


def test_a_waiting_one_says_so(monkeypatch, tmp_path, capsys):
    answers = iter([False, False, True])
    monkeypatch.setattr(setup, "grab", lambda lock: next(answers))
    monkeypatch.setattr(setup.time, "sleep", lambda seconds: None)
    with setup.only_one(tmp_path / ".venv.lock"):
        pass
    assert capsys.readouterr().err.count("another process is making .venv; waiting") == 1


@pytest.mark.skipif(not POSIX, reason="the lock is inherited on POSIX only")
def test_the_lock_outlives_a_killed_set_up_until_its_step_ends(tmp_path):
    path, note = tmp_path / ".venv.lock", tmp_path / "step"
    step = f"import os, time; print(os.getpid(), file=open({str(note)!r}, 'w')); time.sleep(60)"
    hold = "import sys; from pathlib import Path; from course_lib.commands import setup\n"
    hold += "with setup.only_one(Path(sys.argv[1])) as lock:\n"
    hold += "    setup.run([sys.executable, '-c', sys.argv[2]], lock)"
    command = [sys.executable, "-c", hold, str(path), step]
    with subprocess.Popen(command, cwd=FOLDER) as holder, path.open("a") as other:
        assert within(20, lambda: note.exists() and note.read_text())
        holder.kill()
        holder.wait()
        try:
            assert not setup.grab(other.fileno())
        finally:
            os.kill(int(note.read_text()), signal.SIGKILL)
        assert within(20, lambda: setup.grab(other.fileno()))


def within(seconds, happens):
    """Wait until something happens; say whether it did in time."""
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_a_setting_of_pip_for_users_is_switched_off(monkeypatch):
    monkeypatch.setenv("PIP_USER", "1")  # in .venv pip would refuse it
    probe = "import os, sys; sys.exit(os.environ['PIP_USER'] != '0')"
    with open(os.devnull) as lock:
        setup.run([sys.executable, "-c", probe], lock.fileno())


# doctor.


def marks(found):
    return [finding.mark for finding in found]


def test_doctor_needs_nothing_but_python(tmp_path):
    done = run_course("doctor", options=["-S"], COURSE_DATA=str(tmp_path))
    assert done.returncode == 1 and done.stderr == "", done.stderr
    assert f"problem  COURSE_DATA={tmp_path} lacks train-images-idx3-ubyte, train-l" in done.stdout
    assert "fix: put the files there, or unset COURSE_DATA" in done.stdout


def test_doctor_on_a_bare_python(monkeypatch, folder):
    monkeypatch.setattr(setup, "environment_kind", lambda: None)
    found = list(doctor.check_environment(folder))
    assert marks(found) == ["ok", "ok"] and "not made yet" in found[1].what
    assert list(doctor.check_widgets(folder)) == []
    fake_steps(monkeypatch, folder, fail="pip")
    with pytest.raises(SetupError):
        setup.make(folder)
    assert "is not finished" in list(doctor.check_environment(folder))[1].what
    monkeypatch.setattr(setup, "can_make_environments", lambda: False)
    found = list(doctor.check_environment(folder))
    assert found[1].mark == "problem" and "sudo apt install python3" in found[1].fix


def test_doctor_in_an_environment_of_yours(monkeypatch, folder):
    monkeypatch.setattr(setup, "environment_kind", lambda: "the virtual environment")
    found = list(doctor.check_environment(folder))
    assert marks(found)[:2] == ["ok", "problem"]
    assert "this Python is not ready: cnn-from-scratch-course is not" in found[1].what
    assert found[1].fix == setup.install_line(folder)


def make_ready(monkeypatch, folder):
    monkeypatch.setattr(setup, "environment_kind", lambda: None)
    fake_steps(monkeypatch, folder)
    setup.make(folder)
    site = folder / ".venv" / ("lib/python3.11/site-packages" if POSIX else "Lib/site-packages")
    install_fake(site, setup.COURSE, "0.1.0", from_folder(folder))
    install_fake(site, "numpy", "2.4.6")
    return site


def test_doctor_looks_into_the_environment(monkeypatch, folder):
    site = make_ready(monkeypatch, folder)
    found = list(doctor.check_environment(folder))
    assert marks(found) == ["ok", "problem"]
    assert found[1].what == ".venv is not ready: not installed: pillow"
    assert list(doctor.check_widgets(folder)) == []
    assert "remove the folder .venv" in found[1].fix
    install_fake(site, "pillow", "10.2")
    found = list(doctor.check_environment(folder))
    assert marks(found) == ["ok", "ok"]
    assert ".venv has all packages: numpy 2.4.6, pillow 10.2" in found[1].what


def test_doctor_looks_for_both_widget_front_ends(monkeypatch, folder):
    install_fake(make_ready(monkeypatch, folder), "pillow", "10.2")
    found = list(doctor.check_widgets(folder))
    assert marks(found) == ["problem", "problem"]
    assert "widgets stay blank: no " in found[0].what
    assert "--force-reinstall anywidget" in found[0].fix
    for extension in doctor.FRONT_ENDS.values():
        place = folder / ".venv/share/jupyter/labextensions" / extension
        place.mkdir(parents=True)
        (place / "package.json").touch()
    assert marks(doctor.check_widgets(folder)) == ["ok", "ok"]


def test_doctor_says_whether_numba_is_used(monkeypatch, folder):
    monkeypatch.delenv("COURSE_FUSED", raising=False)
    site = make_ready(monkeypatch, folder)
    install_fake(site, "pillow", "10.2")
    [without] = doctor.check_fused(folder)
    assert without.mark == "ok" and "NumPy alone" in without.what
    install_fake(site, "numba", "0.68.1")
    [found] = doctor.check_fused(folder)
    assert found.mark == "ok" and "with Numba 0.68.1" in found.what
    monkeypatch.setenv("COURSE_FUSED", "0")
    [forbidden] = doctor.check_fused(folder)
    assert forbidden.mark == "note" and "COURSE_FUSED=0" in forbidden.what


def test_the_widget_front_ends_here_are_found():
    pytest.importorskip("anywidget")
    assert marks(doctor.check_widgets(FOLDER)) == ["ok", "ok"]


def test_doctor_finds_the_data(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path)
    (found,) = doctor.check_data()
    assert found.mark == "note" and "python3 -m course_lib data" in found.fix
    place = tmp_path / "mnist"
    place.mkdir()
    ends = ("", ".gz", "", ".gz")
    for name, end in zip(doctor.MNIST, ends):
        (place / f"{name}{end}".replace("t10k-images-", "t10k-images.")).touch()
    (found,) = doctor.check_data()
    assert found == ("ok", f"MNIST is in {place}", "")
    monkeypatch.setenv("COURSE_DATA", str(place))
    assert marks(doctor.check_data()) == ["ok"]
    next(place.glob("t10k-images*")).unlink()
    (found,) = doctor.check_data()
    assert found.mark == "problem" and found.what.endswith("lacks t10k-images-idx3-ubyte")
    monkeypatch.setenv("COURSE_DATA", "mnist")
    (found,) = doctor.check_data()
    assert found.mark == "problem" and "COURSE_DATA=mnist is a relative path" in found.what


def test_doctor_and_data_mean_the_same_places(monkeypatch, tmp_path):
    data = pytest.importorskip("course_lib.data")
    monkeypatch.delenv("COURSE_DATA", raising=False)
    assert doctor.cache_folder() == data.cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert doctor.cache_folder() == data.cache_folder()
    assert data.mnist_folder(None)[0] == doctor.cache_folder() / "mnist"
    assert set(doctor.MNIST) == set(data.MNIST_FILES)


def test_doctor_tries_to_write(monkeypatch, tmp_path):
    assert marks(doctor.check_writing(tmp_path)) == ["ok", "ok"]
    found = list(doctor.check_writing(tmp_path / "gone"))
    assert marks(found) == ["problem", "ok"]
    assert "cannot write in" in found[0].what and "a folder of your own" in found[0].fix
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("free, made, mark", [(2, 0, "ok"), (0.5, 0, "problem"), (0.5, 1, "ok")])
def test_doctor_measures_the_disk(monkeypatch, tmp_path, free, made, mark):
    usage = namedtuple("Usage", "free")(free * 1e9)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: usage)
    monkeypatch.setattr(doctor, "find_environment", lambda place: made or None)
    (found,) = doctor.check_disk(tmp_path)
    assert found.mark == mark and f"{free:.1f} GB free" in found.what


def test_doctor_reads_the_thread_variables(monkeypatch):
    for name in commands.THREADS:
        monkeypatch.setenv(name, "1")
    assert marks(doctor.check_threads()) == ["ok"]
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    (found,) = doctor.check_threads()
    assert found.mark == "note" and "OMP_NUM_THREADS=8" in found.what and "unset" in found.fix


def test_a_note_is_no_problem(monkeypatch, capsys):
    found = [doctor.Finding("ok", "a"), doctor.Finding("note", "b", "c")]
    monkeypatch.setattr(doctor, "findings", lambda: found)
    assert doctor.main([]) == 0
    assert capsys.readouterr().out.startswith("ok       a\nnote     b\n         fix: c\n")
    monkeypatch.setattr(doctor, "findings", lambda: [*found, doctor.Finding("problem", "d", "e")])
    assert doctor.main([]) == 1
    assert "1 problem(s) to fix first" in capsys.readouterr().out


# The lists of dependencies are in step.


def bounds(lines):
    """Return package -> lowest version; a line of any other form than name>=version fails."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", line)
        assert match, f"a lower bound and nothing else: {line!r}"
        found[match[1]] = match[2]
    return found


def test_lower_bounds_and_no_pins():
    needed = bounds(PROJECT["project"]["dependencies"])
    assert setup.requirements() == needed and {"numpy", "jupyterlab", "nbval"} <= set(needed)
    for extra in PROJECT["project"]["optional-dependencies"].values():
        bounds(extra)


def test_environment_yml_is_in_step():
    conda = yaml.safe_load((FOLDER / "environment.yml").read_text(encoding="utf-8"))
    python, pip, *packages, by_pip = conda["dependencies"]
    assert python == "python=3.12"  # in exactly this form, or Binder takes another Python
    assert pip == "pip" and by_pip == {"pip": ["-e ."]}
    assert conda["channels"] == ["conda-forge"]
    assert bounds(packages) == bounds(PROJECT["project"]["dependencies"])


def constraints():
    text = (FOLDER / "tests/constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[a-z0-9_.-]+==[0-9][0-9a-z.]*", line), f"name==version: {line!r}"
    return dict(line.split("==") for line in lines)


def test_the_known_good_set_is_complete():
    known, extras = constraints(), PROJECT["project"]["optional-dependencies"]
    needed = bounds(PROJECT["project"]["dependencies"] + extras["browser"] + extras["frameworks"]
                    + extras["fused"])
    assert set(needed) <= set(known)
    for name, least in needed.items():
        assert Version(known[name]) >= Version(least), name


def test_ci_runs_the_command_of_the_readme():
    script = (FOLDER / ".ci/run").read_text(encoding="utf-8")
    command = "python3 -m course_lib test"
    assert re.search(rf"^{command}", script, re.MULTILINE)
    assert command in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"torch=={constraints()['torch']}\n" in script
    assert "://" not in script  # no host's name
