"""How `lab` starts JupyterLab: sidebars closed, no question about news, nothing of the user's."""

import json
import sys
from pathlib import Path

import pytest

from course_lib.commands import lab


def test_the_workspace_of_the_course_starts_with_closed_sidebars(tmp_path):
    from jupyterlab_server.workspaces_handler import WORKSPACE_EXTENSION, slugify

    folder = tmp_path / "share" / "jupyter" / "lab" / "course-workspaces"
    assert lab.workspaces(["--port", "1"], tmp_path) == [f"--LabApp.workspaces_dir={folder}"]
    assert lab.WORKSPACE == slugify("default", base="") + WORKSPACE_EXTENSION
    kept = json.loads((folder / lab.WORKSPACE).read_text(encoding="utf-8"))
    layout = kept["data"]["layout-restorer:data"]
    assert kept["metadata"] == {"id": "default"}
    assert layout["left"]["collapsed"] and layout["right"]["collapsed"]


def test_what_the_user_opened_is_kept(tmp_path):
    (argument,) = lab.workspaces([], tmp_path)
    file = Path(argument.partition("=")[2]) / lab.WORKSPACE
    file.write_text("mine", encoding="utf-8")
    lab.workspaces([], tmp_path)
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("word", ["--LabApp.workspaces_dir=/x", "--notebook-dir=/x"])
def test_a_workspace_or_folder_of_the_users_own_is_left_alone(tmp_path, word):
    assert lab.workspaces([word], tmp_path) == [] and list(tmp_path.iterdir()) == []


def test_without_an_environment_or_where_it_cannot_be_written_lab_starts_as_ever(
        tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    assert lab.workspaces([], tmp_path / "file") == []
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert lab.workspaces([]) == []


def test_nobody_is_asked_about_news(tmp_path, monkeypatch):
    from jupyterlab_server.config import ConfigManager

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/theirs")
    path = lab.no_news(tmp_path)
    assert path.endswith("/theirs")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", path)
    overrides = ConfigManager(config_dir_name="labconfig").get("default_setting_overrides")
    assert overrides[lab.NEWS]["fetchNews"] == "false"
