"""Names of linears as llm-compressor takes them: exact names, or a regular expression for those of several blocks.

A target that begins with "re:" is matched from the beginning of a module's name (`match_name` of compressed-tensors 0.19.0).
Blocks are listed, never taken as all numbers: a linear that the capture never reached is not meant.
"""

import re
from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
_GATE_UP = re.compile(r"(.*\bexperts\.\d+\.)gate_up_proj")


def names_there(name: str) -> list[str]:
    """What llm-compressor calls a linear: of fused experts it takes gate and up apart, which here are one.

    Source: `linearize_moe` of llm-compressor 0.14.0.1, which `oneshot` calls before it looks for targets.
    """
    fused = _GATE_UP.fullmatch(name)
    return [fused[1] + role for role in ("gate_proj", "up_proj")] if fused else [name]


def patterns(names: Iterable[str]) -> list[str]:
    """Few targets that match these names and no others."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for head, tail, numbers in _kinds(names):
        alike.setdefault((head, numbers), []).append(tail)
    return [target for (head, numbers), tails in alike.items() for target in _targets(head, numbers, tails)]


def pattern_by_role(names: Iterable[str]) -> list[str]:
    """The same with one target for each kind of linear, as mappings of modifiers are matched."""
    return [target for head, tail, numbers in _kinds(names) for target in _targets(head, numbers, [tail])]


def _kinds(names: Iterable[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    """What stands before the block's number, what after it, and the numbers; all before, where there is no number."""
    blocks: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys(names):
        found = _NUMBER.search(name)
        key = (name[: found.start()], name[found.end() :]) if found else (name, "")
        blocks.setdefault(key, []).append(found[0] if found else "")
    return [(head, tail, tuple(sorted(numbers, key=lambda text: int(text or 0)))) for (head, tail), numbers in blocks.items()]


def _targets(head: str, numbers: Sequence[str], tails: Sequence[str]) -> list[str]:
    if len(numbers) == len(tails) == 1 or numbers == ("",):
        return [head + number + tail for number in numbers for tail in tails]
    ends = [re.escape(tail) for tail in tails]
    return [f"re:^{re.escape(head)}{_either(_decades(numbers))}{_either(ends)}$"]


def _decades(numbers: Sequence[str]) -> list[str]:
    """["7", "8", "9", "10", "12"] as ["[789]", "1[02]"], a whole decade as "2[0-9]"."""
    ends: dict[str, str] = {}
    for number in numbers:
        ends[number[:-1]] = ends.get(number[:-1], "") + number[-1]
    return [start + _digits(last) for start, last in ends.items()]


def _digits(last: str) -> str:
    if len(last) == 1:
        return last
    run = len(last) > 2 and int(last[-1]) - int(last[0]) == len(last) - 1
    return f"[{last[0]}-{last[-1]}]" if run else f"[{last}]"


def _either(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})"
