"""Words that several verbs share, and the defaults of the demo. No engine here: `--help` and `runs` answer at once."""

import argparse

from morphoquant.core.offered import AUTO, EXAMPLES, NAMES, RECOMMENDED, RECOMMENDED_BY_TOKEN, SPECS
from morphoquant.core.spec import SPEC_FORM

CALIBRATION, EVALUATION = "demo-calibration", "demo-evaluation"
CALIBRATION_SAMPLES, EVALUATION_SAMPLES = 45, 15  # three rounds and one round of all kinds
VIDEO_FRAMES = 16


def add_model_words(verb) -> None:
    """Adds --model, --revision, --trust-remote-code and --device."""
    verb.add_argument(
        "--model", default="demo", help="demo, a hub id, or a folder with config.json and safetensors (default: demo)"
    )
    verb.add_argument("--revision", help="commit, tag or branch of a hub model")
    verb.add_argument(
        "--trust-remote-code", action="store_true", help="run the Python code in the model's repository; off by default"
    )
    verb.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ... (default: cpu)")


def add_memory_words(verb) -> None:
    """Adds --memory and --dtype, of verbs that can work on a model that is larger than the memory."""
    verb.add_argument(
        "--memory",
        metavar="SIZE",
        help="main memory that the command may take, such as 24GB: weights are read from the disk as they are needed, and inputs "
        "are counted and groups fitted a few at a time; the results are the same (default: no bound)",
    )
    verb.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help="type of the weights and activations of the model; fits and errors are calculated in float32 (default: float32)",
    )


def add_capture_words(verb) -> None:
    """Adds --data, --samples, --video-frames, --keep-rows and --seed."""
    verb.add_argument(
        "--data",
        default=CALIBRATION,
        help="calibration data: a data set, a file of chat messages (.jsonl), a folder of media, or hf:NAME for a data set of "
        f"the hub (default: {CALIBRATION})",
    )
    verb.add_argument(
        "--samples", type=int, default=CALIBRATION_SAMPLES, help=f"calibration samples (default: {CALIBRATION_SAMPLES})"
    )
    verb.add_argument(
        "--video-frames", type=int, default=VIDEO_FRAMES, help=f"frames of a video file, at most (default: {VIDEO_FRAMES})"
    )
    verb.add_argument(
        "--keep-rows", type=int, default=128, help="tokens kept for each layer, modality and position (default: 128)"
    )
    verb.add_argument("--seed", type=int, default=0, help="of the samples and of the kept tokens (default: 0)")


def add_preflight_words(verb) -> None:
    """Adds --preflight and --no-preflight."""
    verb.add_argument(
        "--preflight",
        action=argparse.BooleanOptionalAction,
        help="print what memory and disk will be needed and what stands in the way, and end (default: check it, then work)",
    )


def add_processes_word(verb) -> None:
    """Adds --processes, of verbs whose samples are divided among processes."""
    verb.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="stop unless the command runs as N processes, which share the work: started with torchrun or accelerate launch "
        "(docs/many_processes.md)",
    )


def add_quantize_words(verb, samples: int = EVALUATION_SAMPLES) -> None:
    """Adds --eval-data, --eval-samples and --scope."""
    verb.add_argument(
        "--eval-data", default=EVALUATION, help=f"data the errors are measured on, as --data (default: {EVALUATION})"
    )
    verb.add_argument("--eval-samples", type=int, default=samples, help=f"samples of it (default: {samples})")
    verb.add_argument(
        "--scope",
        nargs="+",
        metavar="PART",
        default=["language", "vision", "audio", "connector"],
        help="parts to quantise: language vision audio connector head (default: all but head)",
    )


def add_server_words(verb) -> None:
    """Adds --port, --address and --headless."""
    verb.add_argument("--port", type=int, default=8501, help="port of the dashboard (default: 8501)")
    verb.add_argument("--address", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    verb.add_argument("--headless", action="store_true", help="do not open a browser")


def add_names(verb) -> None:
    """Adds sections to the help that name every method and number format."""
    verb.add_argument_group(
        "methods",
        f"{', '.join(NAMES)}; with fields as name:field=value,... and combined with +, such as {', '.join(EXAMPLES)}; "
        f"{AUTO} is {RECOMMENDED}, the recommended one, and with -token {RECOMMENDED_BY_TOKEN} (docs/recommended.md says why). "
        "What each does, needs and costs: python -m morphoquant methods NAME.",
    )
    verb.add_argument_group(
        "specs", f"{SPEC_FORM}; bits from 2 to 8, or 16 for none; nf4 is for weights alone. For example: {', '.join(SPECS)}."
    )


def pairs(args) -> list[tuple]:
    """Every method of the words at every spec, checked before anything is loaded.

    Raises:
        SpecError: a method cannot honour a spec.
    """
    found = parsed(args)
    for method, spec in found:
        method.check(spec)
    return found


def parsed(args) -> list[tuple]:
    """Every method of the words at every spec, though it may not honour it.

    Raises:
        UnknownNameError: there is no such method.
        SpecError: a spec or a field is not one.
    """
    from morphoquant.core.spec import QuantSpec
    from morphoquant.methods.options import parse_method

    return [(parse_method(method, spec), spec) for spec in map(QuantSpec.parse, args.spec) for method in args.method]
