"""Writes items as tasks that lmms-eval reads from a folder, with nothing to fetch."""

import json
import re
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from morphoquant.core.modality import Modality
from morphoquant.data.item_media import write_audio, write_image
from morphoquant.data.items import Item

FUNCTIONS = '''
import json

import soundfile
from PIL import Image


def to_text(doc):
    return " ".join(part["text"] for part in json.loads(doc["parts"]) if part["type"] == "text")


def to_visual(doc):
    """Pictures opened, sounds as arrays, videos by their paths: as the published tasks hand them out."""
    found = []
    for part in json.loads(doc["parts"]):
        if part["type"] == "image":
            found.append(Image.open(part["url"]))
        elif part["type"] == "audio":
            levels, rate = soundfile.read(part["url"])
            found.append({"array": levels, "sampling_rate": rate})
        elif part["type"] == "video":
            found.append({"type": "video", "url": part["url"]})
    return found


def to_messages(doc):
    return [{"role": "user", "content": json.loads(doc["parts"])}]


def likely(doc, results):
    return {"likely": results[0][0]}
'''
SHARED = {
    "dataset_path": "json",
    "test_split": "test",
    "doc_to_text": "!function functions.to_text",
    "doc_to_visual": "!function functions.to_visual",
}
WORDS = {
    **SHARED,
    "output_type": "generate_until",
    "doc_to_target": "answer",
    "generation_kwargs": {"max_new_tokens": 6, "until": ["\n\n"], "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}],
}
CHOICES = {
    **SHARED,
    "output_type": "multiple_choice",
    "doc_to_target": "place",
    "doc_to_choice": "choices",
    "metric_list": [
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True},
    ],
}
TASKS = {
    "local_chat": {**WORDS, "doc_to_messages": "!function functions.to_messages"},
    "local_words": WORDS,
    "local_choices": CHOICES,
    "local_likely": {
        **SHARED,
        "output_type": "loglikelihood",
        "doc_to_target": "answer",
        "process_results": "!function functions.likely",  # lmms-eval 0.7.3 cannot unpack what it holds without one
        "metric_list": [{"metric": "likely", "aggregation": "mean", "higher_is_better": True}],
    },
}


def write_tasks(folder: Path, items: list[Item]) -> Path:
    """A folder for --include_path with the tasks of `TASKS` over `items`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(_line(item, folder / "media" / str(number))) for number, item in enumerate(items)]
    (folder / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    for name, task in TASKS.items():
        config = {"task": name, **task, "dataset_kwargs": {"data_files": {"test": str(folder / "items.jsonl")}}}
        text = re.sub(r"'(!function [.\w]+)'", r"\1", yaml.safe_dump(config))
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def _line(item: Item, stem: Path) -> dict:
    parts = json.dumps([_part(part, stem.with_name(f"{stem.name}-{place}")) for place, part in enumerate(item.sample.parts)])
    return {"id": item.id, "parts": parts, "choices": item.choices, "answer": item.sample.answer, "place": item.answer}


def _part(part, stem: Path) -> dict:
    if part.modality is Modality.TEXT:
        return {"type": "text", "text": part.value}
    stem.parent.mkdir(parents=True, exist_ok=True)
    ending = {Modality.IMAGE: ".png", Modality.AUDIO: ".flac", Modality.VIDEO: ".webp"}[part.modality]
    path = stem.with_name(stem.name + ending)
    if part.modality is Modality.IMAGE:
        write_image(path, part.value)
    elif part.modality is Modality.AUDIO:
        write_audio(path, part.value)
    else:
        frames = [Image.fromarray(np.ascontiguousarray(frame)) for frame in part.value]
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    return {"type": str(part.modality), "url": str(path)}
