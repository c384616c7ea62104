"""Completion in shells: the scripts, and what bash makes of one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from negprep.cli.group import COMMANDS

BASH = shutil.which("bash")
DRIVEN = """
source {script}
complete() {{
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _negprep_completion negprep
    echo "${{COMPREPLY[*]}}"
}}
compopt() {{ echo "compopt $1 $2"; }}
complete negprep ''
complete negprep tr
complete negprep train --hold
complete negprep train a b --layout ''
complete negprep train a b --layout pair
complete negprep train a b --items ''
complete negprep train ''
complete negprep nonsense ''
"""


@pytest.mark.parametrize(
    ("shell", "words"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef negprep"), ("fish", "complete --no-files --command negprep")],
)
def test_a_script_for_each_shell(line, capsys, shell, words):
    assert line.run("completion", shell) == 0
    script = capsys.readouterr().out
    assert words in script
    assert f"_NEGPREP_COMPLETE={shell}_complete" in script


def test_another_shell_is_refused(line, capsys):
    assert line.run("completion", "tcsh") == 2
    told = capsys.readouterr().err
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'; see 'negprep completion --help'" in told
    assert told.count("\n") == 1


@pytest.mark.skipif(BASH is None, reason="bash")
def test_bash_completes_commands_options_choices_and_files(line, capsys, tmp_path):
    assert line.run("completion", "bash") == 0
    script = tmp_path / "script"
    # The script registers itself by `complete`, for which the driver has a function of its own.
    script.write_text("\n".join(text for text in capsys.readouterr().out.splitlines() if "_setup;" not in text))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [BASH, "-c", DRIVEN.format(script=script)], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr == ""
    shown = [text for text in done.stdout.splitlines() if not text.startswith("negprep_")]
    assert shown[0].split() == [*COMMANDS, "recipes", "completion"]
    assert shown[1].split() == ["train"]
    assert shown[2].split() == ["--holdout"]
    assert shown[3].split() == ["pointwise", "pairwise", "listwise"]
    assert shown[4].split() == ["pairwise"]
    assert shown[5:7] == ["compopt -o default", ""]  # bash completes the names of files itself
    assert shown[7:9] == ["compopt -o default", ""]
    assert shown[9:] == [""] or shown[9].split() == [*COMMANDS, "recipes", "completion"]
