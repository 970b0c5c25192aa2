"""The published benchmarks' own task files of lmms-eval, over stand-in data of a few rows with the columns of the real ones."""

from pathlib import Path

import av
import lmms_eval.tasks
import numpy as np
import yaml
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pictures

OWN = Path(lmms_eval.tasks.__file__).parent
TASKS = {  # our name: the file of lmms-eval that it takes all from but the data, and the split of the data
    "local_scienceqa": ("scienceqa/scienceqa_img.yaml", "test"),
    "local_mmmu": ("mmmu/mmmu_val.yaml", "validation"),
    "local_air_bench": ("air_bench/air_bench_foundation_sound.yaml", "sound"),
    "local_videomme": ("videomme/videomme.yaml", "test"),
}
LETTERS = ["A", "B", "C", "D"]


def write_published(folder: Path, hub: Path) -> Path:
    """A folder for --include_path.

    Args:
        folder: where it goes.
        hub: what HF_HOME is set to; Video-MME's videos are looked for in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"local_scienceqa": _science(), "local_mmmu": _mmmu(), "local_air_bench": _air(), "local_videomme": _videos(hub)}
    for name, (own, split) in TASKS.items():
        data = folder / f"{name}.parquet"
        rows[name].to_parquet(str(data))
        config = {
            "include": str(OWN / own),
            "task": name,
            "tag": [],
            "dataset_path": "parquet",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {split: str(data)}},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def _picture(seed: int) -> Pictures.Image:
    return Pictures.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def _science() -> Dataset:
    features = Features(
        {"image": Image(), "question": Value("string"), "choices": List(Value("string")), "answer": Value("int8")}
        | {"hint": Value("string")}
    )
    rows = [
        {"image": _picture(n), "question": f"Which is {n}?", "choices": ["one", "two"], "answer": n % 2, "hint": ""}
        for n in range(2)
    ]
    return Dataset.from_list(rows, features=features)


def _mmmu() -> Dataset:
    words = {name: Value("string") for name in ("id", "question", "options", "answer", "question_type")}
    features = Features(words | {f"image_{number}": Image() for number in range(1, 8)})
    rows = [
        {
            "id": f"validation_Art_{n}",
            "question": "Is <image 1> older than <image 2>?" if n else "What is <image 1>?",
            "options": "['yes', 'no']",
            "answer": "A",
            "question_type": "multiple-choice",
            **{f"image_{number}": _picture(n + number) if number <= n + 1 else None for number in range(1, 8)},
        }
        for n in range(2)
    ]
    return Dataset.from_list(rows, features=features)


def _air() -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset.from_list(
        [
            {
                "audio": {"path": None, "array": rng.normal(0, 0.1, 8000).tolist(), "sampling_rate": 32000},
                "question": "What is heard?",
                **{f"choice_{letter.lower()}": f"a {letter}" for letter in LETTERS},
                "answer_gt": "a B",
                "task_name": "Acoustic_Scene_Classification",
                "uniq_id": n,
            }
            for n in range(2)
        ]
    )


def _videos(hub: Path) -> Dataset:
    folder = hub / "videomme" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(2):
        with av.open(str(folder / f"clip{n}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(12):
                pixels = np.full((48, 64, 3), 20 * number if n else 240 - 20 * number, np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        rows.append(
            {
                "videoID": f"clip{n}",
                "question": "What changes?",
                "options": [f"{letter}. thing {letter}" for letter in LETTERS],
                "answer": "C",
                "question_id": f"{n}-1",
                "duration": "short",
                "domain": "Knowledge",
                "sub_category": "Geography",
                "task_type": "OCR Problems",
            }
        )
    return Dataset.from_list(rows)
