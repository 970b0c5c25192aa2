"""Command lines that the New run page starts: the real parser reads them, and no value becomes an option."""

import pytest

from morphoquant.cli import parser
from morphoquant.core import offered
from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.catalog import METHODS
from morphoquant.methods.options import parse_method
from morphoquant.ui import launch


def _read(argv: list[str]):
    assert argv[1:3] == ["-m", "morphoquant"]
    return parser().parse_args(argv[3:])


def test_the_demo_ends_without_opening_a_second_dashboard():
    assert _read(launch.demo_command()).no_dashboard


def test_capture_words_are_read_as_meant():
    args = _read(launch.capture_command("Qwen/Qwen2.5-Omni-3B", samples=12, seed=5))
    assert (args.verb, args.model, args.samples, args.seed, args.trust_remote_code) == (
        "capture",
        "Qwen/Qwen2.5-Omni-3B",
        12,
        5,
        False,
    )


def test_a_local_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert _read(launch.capture_command("model", 1, 0)).model == str(tmp_path / "model")


def test_quantize_words_are_read_as_meant():
    argv = launch.quantize_command(
        "capture-0123456789ab", ["rtn", "morphoquant:variant=paper,lam=1.5"], ["W4A4", "w4a8-g128"], 6, 1
    )
    args = _read(argv)
    assert (args.capture_run, args.eval_samples, args.seed) == ("capture-0123456789ab", 6, 1)
    assert args.method == ["rtn", "morphoquant:variant=paper,lam=1.5"]
    assert args.spec == ["w4a4", "w4a8-g128"]


@pytest.mark.parametrize("name", ["--trust-remote-code", "-h"])
def test_a_model_name_is_never_an_option(name):
    args = _read(launch.capture_command(name, 1, 0))
    assert (args.model, args.trust_remote_code) == (name, False)


@pytest.mark.parametrize("method", ["--json", "rtn; rm", "../rtn", ""])
def test_a_method_that_cannot_be_one_is_refused(method):
    with pytest.raises(MorphoQuantError):
        launch.quantize_command("capture-0", [method], ["w4a4"], 1, 0)


@pytest.mark.parametrize(
    ("capture", "methods", "specs"), [("../x", ["rtn"], ["w4a4"]), ("c", [], ["w4a4"]), ("c", ["rtn"], ["w9"])]
)
def test_other_words_that_cannot_be_are_refused(capture, methods, specs):
    with pytest.raises(MorphoQuantError):
        launch.quantize_command(capture, methods, specs, 1, 0)


def test_a_command_line_is_shown_as_it_is_typed():
    assert launch.shown(launch.demo_command()) == "python -m morphoquant demo --no-dashboard"


def test_every_method_is_offered_and_all_that_is_offered_can_be_read():
    assert sorted(offered.NAMES) == sorted(METHODS)
    assert len({parse_method(text) for text in offered.METHODS}) == len(offered.METHODS) - 1, "auto is one of the others"
    assert all(str(QuantSpec.parse(text)) == text for text in offered.SPECS)
    launch.evaluate_command(offered.METHODS, offered.SPECS)


def test_answer_words_are_read_as_meant():
    args = _read(launch.matrix_command(["rtn", "gptq+morphoquant"], ["w4a8"], 7))
    assert (args.verb, args.name, args.items, args.spec) == ("evaluate", "demo", 7, ["w4a8"])
    assert args.method == ["rtn", "gptq+morphoquant"] and args.calibrate_on == ["text", "image", "audio", "video", "all"]
    args = _read(launch.sensitivity_command("mdqfo", "w8a8", 3))
    assert (args.verb, args.name, args.method, args.spec, args.items) == ("sensitivity", "demo", "mdqfo", "w8a8", 3)
    args = _read(launch.inspect_command(["dabc"], ["w4a8"]))
    assert (args.verb, args.model, args.method, args.spec) == ("inspect", "demo", ["dabc"], ["w4a8"])
    assert _read(launch.evaluate_command([], [], 5)).method == []


@pytest.mark.parametrize("make", [launch.evaluate_command, launch.matrix_command, launch.inspect_command])
@pytest.mark.parametrize(("methods", "specs"), [(["--evil"], ["w4a4"]), (["rtn"], ["w99"]), (["rtn"], []), (["a b"], ["w4a4"])])
def test_answer_words_that_cannot_be_are_refused(make, methods, specs):
    with pytest.raises(MorphoQuantError):
        make(methods, specs)
