"""Several processes of one command, as torchrun and accelerate launch start them.

Which of them this is stands in the environment. They need to know no more of each other than that: whoever shares the cache
folder divides the work (`runs.division`), so that nothing is said over a network and no process waits for one that died.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass

from morphoquant.core.errors import LaunchError


@dataclass(frozen=True)
class Rank:
    """Which of the processes this is.

    Attributes:
        number: 0 for the one that speaks for all.
        world: how many there are.
        local: its number on its machine.
        beside: how many there are on its machine.
    """

    number: int = 0
    world: int = 1
    local: int = 0
    beside: int = 1

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Inside the `with`, what is printed is printed once, not by every process; errors are told by all."""
        if self.number == 0:
            yield
            return
        with open(os.devnull, "w", encoding="utf-8") as nothing, redirect_stdout(nothing):
            yield


def this_one(environment: Mapping[str, str] = os.environ) -> Rank:
    """The rank that the environment says; the only one where it says none."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    number, world, local, beside = (environment.get(name, "") for name in names)
    if not (number.isdecimal() and world.isdecimal()):
        return Rank()
    return Rank(int(number), int(world), int(local or number), int(beside or world))


def check(rank: Rank, args) -> None:
    """Looks whether there are as many processes as were asked for, and gives each its GPU; sets `args.together`.

    Args:
        rank: of this process.
        args: the words of a verb.

    Raises:
        LaunchError: there are not, the verb does not divide its work, or there are fewer GPUs than processes.
    """
    asked = getattr(args, "processes", None)
    if asked is not None and asked != rank.world:
        found = "one process runs" if rank.world == 1 else f"{rank.world} processes run"
        raise LaunchError(
            f"--processes asks for {asked} and {found}: start the command with torchrun --nproc-per-node {asked} -m morphoquant "
            f"{args.verb} (accelerate launch --num_processes {asked} needs --multi_gpu, also on a CPU)."
        )
    if rank.world > 1 and not hasattr(args, "processes"):
        raise LaunchError(
            f"{args.verb} is not divided among processes: allowed are capture, quantize and evaluate; start it once, without "
            "torchrun or accelerate launch."
        )
    args.together = rank.world > 1
    args.beside = rank.beside
    if args.together and getattr(args, "device", "") == "cuda":
        args.device = f"cuda:{_gpu(rank)}"


def _gpu(rank: Rank) -> int:
    import torch

    count = torch.cuda.device_count()
    if rank.local >= count:
        raise LaunchError(
            f"process {rank.local + 1} of this machine has no GPU, there are {count}: start at most {count} processes a machine, "
            "or name the device that they share, such as --device cuda:0."
        )
    return rank.local
