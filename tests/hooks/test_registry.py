"""The walk through the multimodal classes of the installed transformers."""

from pathlib import Path

import pytest
import transformers

from morphoquant.core.modality import Modality
from morphoquant.hooks.registry import RUN, judge, judge_all

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_a_class_is_judged_by_its_modules():
    found = judge("qwen2_audio", "Qwen2AudioForConditionalGeneration")
    assert found.covered == "run" and found.modalities == (Modality.AUDIO,) and not found.experts
    crossed = judge("mllama", "MllamaForConditionalGeneration")
    assert crossed.covered == "no" and any("cross-attention" in reason for reason in crossed.why)


def test_a_class_that_cannot_be_built_is_judged_by_its_methods():
    found = judge("fast_vlm", "FastVlmForConditionalGeneration")
    assert "timm" in found.unbuilt and found.covered == "by rule" and found.modalities == (Modality.IMAGE,)
    stood_in = judge("gemma3n", "Gemma3nForConditionalGeneration")
    assert stood_in.covered == "run" and "timm" in stood_in.stood_in and stood_in.modalities == (Modality.IMAGE, Modality.AUDIO)


def test_an_id_of_two_modalities_is_declared_by_a_family():
    assert judge("molmo2", "Molmo2ForConditionalGeneration").covered == "run"


@pytest.mark.slow
def test_the_page_says_what_the_installed_version_gives(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import model_classes

    judged = list(judge_all())
    assert len(judged) > 100 and sum(one.covered != "no" for one in judged) > len(judged) / 2
    assert all(one.why or one.modalities for one in judged)
    assert RUN <= {one.kind for one in judged if one.covered == "run"}
    stored = model_classes.DOCS.read_text(encoding="utf-8")
    if f"transformers {transformers.__version__}:" not in stored:
        pytest.skip("the page tells of another version of transformers")
    again = "write it anew with: python benchmarks/model_classes.py --write"
    assert model_classes.written(stored, model_classes.table(judged)) == stored, again
