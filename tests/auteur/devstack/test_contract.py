"""docs/openapi.json is the code's, on every machine."""

from pathlib import Path

import pytest

from auteur.devstack import cli, contract

SETTINGS = {
    "AUTEUR_PLUGINS": str(Path(__file__).parents[2] / "plugins"),
    "DEBUG": "true",
    "FEATURES_DISABLED": "tts",
    "MAX_OPEN_IMPORTS": "2",
    "PUBLIC_URL": "https://api.example.com",
    "PYTHONHASHSEED": "7",
}


def test_the_file_is_what_the_code_describes_whatever_is_set(monkeypatch, capfd):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["schema", "--check"]) == 0
    assert capfd.readouterr().err == ""


def test_it_is_written_as_it_is_compared(tmp_path):
    path = tmp_path / "openapi.json"
    assert contract.check_contract(path) == 1
    assert contract.write_contract(path) == 0
    assert path.read_text() == contract.FILE.read_text()


def test_a_difference_is_told_with_the_line_to_run():
    message = contract.describe_difference('{\n "old": 1\n}\n', '{\n "new": 1\n}\n')
    assert '- "old": 1\n+ "new": 1' in message.replace("-{", "")
    assert "`make schema`" in message.splitlines()[-1]
    assert contract.describe_difference("{}\n", "{}\n") == ""


@pytest.mark.parametrize(("changed", "output"), [(36, True), (37, False)])
def test_a_long_difference_is_cut(changed, output):
    result = "".join(f"line {number}\n" for number in range(changed + 1))
    message = contract.describe_difference("line 0\n", result)
    assert (f"line {changed}" in message.splitlines()[contract.SHOWN_LINES - 1]) is output
