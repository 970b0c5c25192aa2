"""Videos of a user's own data where they stand behind the image placeholder: rows and tokens are told apart, none is guessed."""

import json

import numpy as np
import pytest
import torch
from fixtures.shared_placeholders import TOKENS, save_internvl, save_smolvlm, stocked
from PIL import Image

from morphoquant.cli import main
from morphoquant.core.modality import Modality, unslot
from morphoquant.data.datasets import DATASETS
from morphoquant.data.own import read_own
from morphoquant.hooks.collector import Collector
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.models.load import load
from morphoquant.models.shared_placeholder import STANDS_FOR
from morphoquant.quant.by_modality import rows_of
from morphoquant.runs.sequences import sequences
from morphoquant.store.run_store import RunStore

# Lines of the file, by the media of each in their order; a clip has three frames, a wide picture three tiles of InternVL and one
# of the whole.
LINES = {"video": "v", "image": "i", "both": "viv", "text": ""}
FAMILIES = {"internvl": save_internvl, "smolvlm": save_smolvlm}
FRAMES, TILES = 3, {"internvl": 4, "smolvlm": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)) for _ in range(FRAMES)]
    frames[0].save(folder / "v.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(rng.integers(0, 255, (20, 60, 3), dtype=np.uint8)).save(folder / "i.png")
    kinds = {"v": {"type": "video", "path": "v.gif"}, "i": {"type": "image", "path": "i.png"}}
    lines = [
        {"id": name, "messages": [{"role": "user", "content": [*(kinds[one] for one in media), {"type": "text", "text": "So?"}]}]}
        for name, media in LINES.items()
    ]
    (folder / "talks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder / "talks.jsonl"


@pytest.fixture(scope="module", params=FAMILIES)
def captured(request, data, tmp_path_factory):
    family = request.param
    with stocked(FAMILIES[family], tmp_path_factory.mktemp(family)) as folder:
        cache = tmp_path_factory.mktemp("cache")
        assert main(["capture", "--model", str(folder), "--cache", str(cache), "--data", str(data)]) == 0
        (entry,) = RunStore(cache).entries()
        yield family, folder, RunStore(cache).open(entry.run_id)


def wanted(family):
    """Placeholders of each line that is run, by modality."""
    each = {"v": ("video", FRAMES * TOKENS), "i": ("image", TILES[family] * TOKENS)}
    for name, media in LINES.items():
        if family == "internvl" or name != "both":
            yield {kind: media.count(mark) * count for mark, (kind, count) in each.items() if mark in media}


def test_tokens_and_rows_are_of_the_medium_that_they_come_from(captured):
    family, _, run = captured
    tokens = run.frame("tokens", ["sample", "modality", "count"])
    media = tokens[tokens["modality"].isin(["image", "video"])]
    found = {sample: dict(zip(own["modality"], own["count"], strict=True)) for sample, own in media.groupby("sample")}
    expected = list(wanted(family))
    assert found == {sample: one for sample, one in enumerate(expected) if one}
    total = {kind: sum(one.get(kind, 0) for one in expected) for kind in ("image", "video")}
    stats = run.frame("channel_stats", ["group", "channel", "modality", "count"])
    rows = stats[stats["channel"] == 0].groupby(["group", "modality"])["count"].sum()
    layers = run.frame("layers").drop_duplicates("group").set_index("group")["component"]
    for group, component in layers.items():
        own = rows[group].to_dict()
        if component in ("vision", "connector"):
            # A tower has several rows for a placeholder, of every medium as many.
            assert set(own) == {"image", "video"} and own["image"] * total["video"] == own["video"] * total["image"], group
        else:
            assert {kind: own[kind] for kind in total} == total, group


def test_what_cannot_be_told_apart_is_left_out_with_a_sentence(captured):
    family, _, run = captured
    said = run.header.summary.get("left_out", [])
    if family == "internvl":
        assert not said
    else:
        assert len(said) == 1 and "holds images and videos, and this model takes one of them at a time" in said[0]


def test_kept_sequences_are_labelled_alike_when_they_run_again(captured, tmp_path):
    _, folder, run = captured
    loaded = load(str(folder), tmp_path)
    kept = sequences(run)
    assert all(STANDS_FOR in batch for batch in kept.values())
    with ModalityHooks(loaded.model, Collector(), loaded.control) as hooks:
        for batch in kept.values():
            hooks.run(batch)
    again = [{tuple(map(str, unslot(label))): count for label, count in counts.items()} for counts in hooks.tokens]
    tokens = run.frame("tokens").set_index(["sample", "modality", "position"])["count"]
    assert again == [tokens[sample].to_dict() for sample in kept]


class TowerRows:
    """Rows of the vision tower's linears by what they are said to be of."""

    def __init__(self):
        self.found = {}

    def on_input(self, group, module, x, slots, keys):
        if "vision" in group:
            for kind in (Modality.IMAGE, Modality.VIDEO):
                self.found[group, kind] = x[rows_of(slots, kind)]


def test_rows_of_a_tower_are_those_of_the_medium_alone(captured, data, tmp_path):
    family, folder, _ = captured
    loaded, rows = load(str(folder), tmp_path), {}
    for sample in read_own(str(data), 4, 0).samples:
        if family == "smolvlm" and sample.id == "both":
            continue
        seen = TowerRows()
        with ModalityHooks(loaded.model, seen, loaded.control) as hooks:
            hooks.run(loaded.encode([sample]))
        rows[sample.id] = seen.found
    groups = {group for group, _ in rows["video"]}
    assert len(groups) >= 4 and not rows["text"]
    for group in groups:
        alone = {kind: rows[str(kind)][group, kind] for kind in (Modality.IMAGE, Modality.VIDEO)}
        assert len(alone["image"]) and len(alone["video"])
        assert not len(rows["image"][group, Modality.VIDEO]) and not len(rows["video"][group, Modality.IMAGE])
        if family == "internvl":
            both = {kind: rows["both"][group, kind] for kind in alone}
            assert torch.allclose(both["image"], alone["image"], atol=1e-5)
            assert torch.allclose(both["video"], alone["video"].repeat(2, 1), atol=1e-5)


def test_generation_and_a_bare_forward_take_the_batch(captured, data, tmp_path):
    _, folder, _ = captured
    loaded = load(str(folder), tmp_path)
    (sample,) = (one for one in read_own(str(data), 4, 0).samples if one.id == "video")
    batch = loaded.encode([sample])
    assert Modality.VIDEO in loaded.modalities and STANDS_FOR in batch
    bare = {name: value for name, value in batch.items() if name != STANDS_FOR}
    inner = ModalityHooks(loaded.model, Collector(), loaded.control)
    with ModalityHooks(loaded.model, Collector(), loaded.control) as hooks, inner, torch.no_grad():
        prompt = loaded.encode([sample], answers=False)
        loaded.model.generate(**prompt, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        assert torch.equal(loaded.model(**batch).logits, loaded.model(**bare).logits)
    kinds = [{unslot(label)[0] for label in counts} for counts in hooks.tokens]
    assert (
        sum(hooks.tokens[0].values()) == prompt["input_ids"].shape[1] + 2
        and Modality.VIDEO in kinds[0]
        and Modality.IMAGE not in kinds[0]
    )
    assert inner.tokens == hooks.tokens
    assert Modality.VIDEO in kinds[1] and Modality.IMAGE in kinds[2], "without the word of the batch they are images"


@pytest.mark.slow
def test_of_a_shipped_data_set_what_the_model_does_not_take_is_left_out(captured, tmp_path, capsys):
    family, folder, _ = captured
    words = ["--model", str(folder), "--cache", str(tmp_path), "--samples", "9", "--eval-samples", "2"]
    assert main(["quantize", *words, "--method", "mbq", "mquant", "--spec", "w4a8-tensor"]) == 0, capsys.readouterr().err
    drawn = DATASETS["demo-calibration"](9, 0)
    mixed = [one.id for one in drawn if {Modality.IMAGE, Modality.VIDEO} <= one.modalities]
    runs = {entry.header.plan.kind: RunStore(tmp_path).open(entry.run_id) for entry in RunStore(tmp_path).entries()}
    header = runs["capture"].header
    left = mixed if family == "smolvlm" else []
    assert mixed and [name for name in mixed if any(repr(name) in why for why in header.summary.get("left_out", []))] == left
    assert header.plan.data["samples"] == 9 and runs["capture"].frame("tokens")["sample"].nunique() == 9 - len(left)
    assert {"gradients", "quantize"} <= set(runs), "the samples are drawn again for gradients, and named alike"
