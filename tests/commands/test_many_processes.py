"""torchrun and accelerate launch: the run that several processes make is the one that a single one makes, to the last byte."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from fixtures.object_store import bucket, files, fresh
from fixtures.run_files import contents
from fixtures.saved_models import save_llava

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore

ROOT = Path(__file__).parents[2]
PROGRAM = ["-m", "morphoquant"]
TIGHT = [str(ROOT / "tests" / "commands" / "tight.py")]
ALONE = [sys.executable]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1", "--mixed_precision", "no"]
ACCELERATE += ["--dynamo_backend", "no", "--num_processes"]
QUANTIZE = ["quantize", "--samples", "100", "--eval-samples", "40", "--method", "rtn", "morphoquant", "--spec", "w4a4"]
EVALUATE = ["evaluate", "--samples", "100", "--items", "10", "--method", "rtn", "--spec", "w4a4"]
# Within any budget, and what that leaves is set by the program.
LITTLE = ["--memory", "1kB", "--no-preflight"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


def command(launcher, words, model, cache, program=None):
    """Starts a command; all with one thread, as torchrun has it, since sums of matrix products depend on their number."""
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    program = [*launcher, *(PROGRAM if program is None else program)]
    whole = [*program, *words, "--model", str(model), "--cache", str(cache)]
    return subprocess.Popen(whole, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(*given, **other):
    process = command(*given, **other)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-4000:]
    return out


@pytest.fixture(scope="module")
def alone(model, tmp_path_factory):
    cache = tmp_path_factory.mktemp("alone")
    for words in (QUANTIZE, EVALUATE):
        done(ALONE, words, model, cache)
    return cache


@pytest.mark.slow
def test_two_processes_make_the_runs_of_one(model, alone, tmp_path):
    out = done([*TORCHRUN, "2"], [*QUANTIZE, "--processes", "2"], model, tmp_path)
    assert out.count("run rtn-w4a4-") == 1, "one of them speaks"
    done([*TORCHRUN, "2"], [*EVALUATE, "--processes", "2"], model, tmp_path)
    assert contents(tmp_path) == contents(alone) and len(contents(alone)) > 20


@pytest.mark.slow
def test_one_that_dies_leaves_a_run_that_others_go_on_with(model, alone, tmp_path):
    process = command([*TORCHRUN, "2"], [*QUANTIZE, "--processes", "2"], model, tmp_path)
    while not (marks := list(tmp_path.glob("runs/*/shards/*/shard.json"))):
        assert process.poll() is None, process.communicate()[1][-4000:]
        time.sleep(0.002)
    workers = psutil.Process(process.pid).children()
    workers[-1].send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=600)
    assert process.returncode != 0 and "SIGKILL" in err and len(workers) == 2
    (entry,) = RunStore(tmp_path).entries()
    assert entry.header.status == "failed" and "it resumes" in entry.header.error and all(mark.exists() for mark in marks)
    # Without GPUs accelerate starts several processes if it is told that there are.
    done([*ACCELERATE, "3", "--multi_gpu"], [*QUANTIZE, "--processes", "3"], model, tmp_path)
    done(ALONE, EVALUATE, model, tmp_path)
    assert contents(tmp_path) == contents(alone)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """A bucket; what is no run goes to a folder of its own."""
    with bucket() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MORPHOQUANT_LOCAL", str(tmp_path_factory.mktemp("local")))
        yield url


@pytest.mark.slow
def test_two_processes_with_little_memory_make_the_runs_of_one_with_much(model, alone, tmp_path):
    for words in (QUANTIZE, EVALUATE):
        done([*TORCHRUN, "2"], [*words, *LITTLE, "--processes", "2"], model, tmp_path, program=TIGHT)
    assert contents(tmp_path) == contents(alone)
    kinds = {entry.header.plan.kind: entry.header.summary for entry in RunStore(tmp_path).entries()}
    assert kinds["capture"]["passes"] > 2 and not list((tmp_path / "scratch").glob("*/"))


@pytest.mark.slow
@pytest.mark.parametrize("little", [[], LITTLE])
def test_two_processes_make_the_runs_of_one_on_a_bucket_also_after_one_has_died(model, alone, s3, little):
    cache = fresh(s3)
    store = RunStore(cache)
    process = command([*TORCHRUN, "2"], [*QUANTIZE, *little, "--processes", "2"], model, cache, program=TIGHT)
    while not any(name.endswith("shard.json") for name in store.cache.objects.below("runs")):
        assert process.poll() is None, process.communicate()[1][-4000:]
        time.sleep(0.2)
    psutil.Process(process.pid).children()[-1].send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=600)
    assert process.returncode != 0 and "SIGKILL" in err
    for words in (QUANTIZE, EVALUATE):
        out = done([*TORCHRUN, "2"], [*words, *little, "--processes", "2"], model, cache, program=TIGHT)
        assert out.count("run rtn-w4a4-") <= 1, "one of them speaks"
    assert files(RunStore(cache).cache) == files(alone)


@pytest.mark.slow
def test_a_launcher_that_starts_fewer_than_asked_is_found_out(model, tmp_path):
    process = command([*ACCELERATE, "2", "--cpu"], ["capture", "--processes", "2"], model, tmp_path)
    _, err = process.communicate(timeout=600)
    assert process.returncode != 0 and "LaunchError: --processes asks for 2 and one process runs" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("world", "words", "says"),
    [
        (None, ["capture", "--processes", "2"], "--processes asks for 2 and one process runs: start the command with torchrun"),
        (3, ["capture", "--processes", "2"], "asks for 2 and 3 processes run"),
        (1, ["evaluate", "--processes", "2"], "asks for 2 and one process runs"),
        (2, ["capture", "--processes", "2", "--device", "cuda"], "has no GPU, there are 0"),
        (2, ["compare"], "compare is not divided among processes: allowed are capture, quantize and evaluate"),
    ],
)
def test_another_number_of_processes_is_refused(world, words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    if world:
        monkeypatch.setenv("RANK", "1" if world > 1 else "0")
        monkeypatch.setenv("WORLD_SIZE", str(world))
    assert main([*words, "--cache", str(tmp_path / "cache")]) == 2
    told = capsys.readouterr()
    assert says in told.err and told.err.count("\n") == 1 and not told.out and not (tmp_path / "cache").exists()


def test_each_process_of_a_machine_gets_its_gpu_and_one_speaks(monkeypatch, capsys):
    from argparse import Namespace

    from morphoquant.commands.ranks import Rank, check, this_one

    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    environment = {"RANK": "11", "WORLD_SIZE": "16", "LOCAL_RANK": "3", "LOCAL_WORLD_SIZE": "4"}
    rank, args = this_one(environment), Namespace(verb="capture", processes=16, device="cuda")
    check(rank, args)
    assert rank == Rank(11, 16, 3, 4) and args.device == "cuda:3" and args.together and args.beside == 4
    for one in (rank, Rank(0, 16)):
        with one.speaking():
            print(one.number)
    assert capsys.readouterr().out == "0\n"
    assert this_one({}) == this_one({"WORLD_SIZE": "8"}) == this_one({"RANK": "", "WORLD_SIZE": "x"}) == Rank()
