"""`course reproduce` as a user types it: small experiments in this process, a real one in another."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_experiments import shrink

from course_lib import data
from course_lib.commands import reproduce as command
from course_lib.experiments import report
from course_lib.experiments.measure import stored
from course_lib.experiments.systems import EXPERIMENTS

FOLDER = Path(__file__).parents[1]


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "nothing")


def here(*words, capsys):
    """The command in this process: (exit status, stdout, stderr)."""
    try:
        status = command.main([str(word) for word in words])
    except SystemExit as left:
        status = left.code
    return status, *capsys.readouterr()


def start(*words, **environment):
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen([sys.executable, "-m", "course_lib", "reproduce", *words], cwd=FOLDER,
                            env={**os.environ, **threads, **environment}, encoding="utf-8",
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_all_five_offline_on_the_embedded_digits(no_mnist, monkeypatch, tmp_path, capsys):
    shrink(monkeypatch)
    out = tmp_path / "results"
    status, told, _ = here("all", "--out", out, capsys=capsys)
    assert status == 0
    assert told.startswith("MNIST is not on this machine: using 1,797 small digits")
    for key, experiment in EXPERIMENTS.items():
        result = json.loads((out / f"{key}.json").read_text(encoding="utf-8"))
        assert result["data"] == "small digits" and result["experiment"] == key
        assert set(result["trials"]) == {t.name for t in experiment.trials if not t.only_full}
        for name in result["tables"]:
            assert name in told and name in (out / f"{key}.txt").read_text(encoding="utf-8")
        for name in report.FIGURES[key]:
            assert (out / f"{key}_{name}.png").read_bytes().startswith(b"\x89PNG")
            assert len((out / f"{key}_{name}.alt.txt").read_text(encoding="utf-8")) > 20
    images, labels, _ = data.load_image_folder(out / "s1_images" / "train")
    assert images.shape == (200, 1, 28, 28) and sorted(set(labels)) == [0, 1]


def test_json_is_one_line_and_all_else_on_stderr(no_mnist, monkeypatch, capsys):
    shrink(monkeypatch, "s2")
    status, out, err = here("s2", "s2", "--json", "--seeds", "2", capsys=capsys)
    assert status == 0 and out.count("\n") == 1 and "Lines task" in err
    found = json.loads(out, parse_constant=pytest.fail)
    assert list(found) == ["s2"]
    assert all(len(runs) == 2 for runs in found["s2"]["trials"].values())


def test_full_runs_what_only_full_has(no_mnist, monkeypatch, capsys):
    shrink(monkeypatch, "s4")
    status, out, _ = here("s4", "--json", "--full", capsys=capsys)
    result = json.loads(out)["s4"]
    assert status == 0 and result["full"]
    assert {trial.name for trial in EXPERIMENTS["s4"].trials} == set(result["trials"])


def test_a_folder_of_other_digits_is_replaced_and_a_strangers_is_not(
        no_mnist, monkeypatch, tmp_path, capsys):
    shrink(monkeypatch, "s1")
    other = tmp_path / "s1_images" / "train"
    other.mkdir(parents=True)
    for name in ("zero_99999.png", "one_99998.png", "labels.txt"):
        (other / name).write_text("of other digits")
    status, _, err = here("S1", "--out", tmp_path, "--seeds", "1", capsys=capsys)
    assert status == 0, err
    assert len(data.load_image_folder(other)[0]) == 200 and not (other / "zero_99999.png").exists()
    (other / "zero_holiday.png").write_text("of a stranger")
    monkeypatch.setattr(command, "measure", lambda *_, **__: pytest.fail("measured"))
    status, _, err = here("s1", "--out", tmp_path, capsys=capsys)
    assert status == 1 and "holds zero_holiday.png, which is none of them" in err
    assert (other / "zero_holiday.png").exists()


def test_a_run_that_diverged_is_drawn_as_far_as_it_came():
    result = copy.deepcopy(stored("s1"))
    run = result["trials"]["lr 0.2"][0]
    run["loss"] = [*run["loss"][:3], *[None] * 7]
    axes = report.figures(result)["learning_rates"].figure.axes[0]
    lengths = sorted(len(line.get_xdata()) for line in axes.lines)
    assert lengths[0] == 3 and lengths[-1] == 10
    run["loss"] = [None] * 10
    report.figures(result)


@pytest.mark.parametrize("words, status, told", [
    (["s2", "--out", ""], 2, "--out: expected a name, got nothing"),
    (["s5"], 2, "invalid choice: 's5'"),
    ([], 2, "SYSTEM"),
    (["s2", "--seeds", "0"], 2, "expected a whole number, 1 to 10000, got '0'"),
    (["s2", "--seeds", "many"], 2, "expected a whole number, 1 to 10000, got 'many'"),
    (["s2", "--executor", "cluster"], 2, "invalid choice: 'cluster'"),
    (["s2", "--out", "README.md"], 1, "README.md"),
])
def test_refusals(words, status, told, capsys, monkeypatch):
    monkeypatch.chdir(FOLDER)
    found, _, err = here(*words, capsys=capsys)
    assert found == status and told in err


def test_incomplete_data_are_an_error_and_no_fallback(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    status, _, err = here("s4", capsys=capsys)
    assert status == 1 and "expected the four files of MNIST" in err and "COURSE_DATA" in err


def test_dask_where_it_is_not_installed(no_mnist, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    shrink(monkeypatch, "s2")
    status, _, err = here("s2", "--executor", "dask", capsys=capsys)
    assert status == 1 and "--executor dask needs distributed" in err and "[cluster]" in err


def test_a_real_one_in_another_process(tmp_path):
    process = start("s2", "--seeds", "1", "--executor", "threads", "--workers", "2",
                    "--json", "--out", str(tmp_path))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    result = json.loads(out)["s2"]
    rows = {row["label"]: row for row in result["tables"][
        "Lines task: accuracy on 40 test images, 15 epochs"]}
    assert rows["right"]["mean"] >= 0.9 and rows["right"]["count"] == 40
    assert rows["right, loss of epoch 15"]["mean"] < rows["right, loss of epoch 3"]["mean"]
    assert (tmp_path / "s2_filters_after.png").is_file() and "run/s" not in err  # no bar in a file


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_ends_it(tmp_path):
    out = tmp_path / "results"
    process = start("s2", "--seeds", "50", "--out", str(out))
    deadline = time.monotonic() + 120
    while not out.is_dir() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "interrupted" in err
    assert not list(out.iterdir())  # nothing half done is left
