"""lmms-eval's own files of the four benchmarks, over stand-in data: prompts, media and scoring are the real ones."""

from argparse import Namespace
from dataclasses import replace

import handover.needs_lmms  # noqa: F401
import pytest
from fixtures.small_loaded import small_loaded
from handover.ground import SCOPE
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager

from morphoquant.core.modality import Modality
from morphoquant.handover.served import ServedChat, ServedSimple

pytestmark = pytest.mark.slow
published = pytest.importorskip("handover.published", reason="PyAV is not installed: run .ci/lmms")
pytest.importorskip("cv2", reason="lmms-eval's Video-MME imports OpenCV: run .ci/lmms")
METRICS = {
    "local_scienceqa": "exact_match,none",
    "local_mmmu": "mmmu_acc,none",
    "local_air_bench": "accuracy,none",
    "local_videomme": "videomme_perception_score,none",
}
MEDIA = {
    "local_scienceqa": [[Modality.IMAGE]] * 2,
    "local_mmmu": [[Modality.IMAGE], [Modality.IMAGE, Modality.IMAGE]],
    "local_air_bench": [[Modality.AUDIO]] * 2,
    "local_videomme": [[Modality.VIDEO]] * 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    hub = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(hub))  # read by Video-MME's functions when the task is loaded
        yield published.write_published(tmp_path_factory.mktemp("published"), hub)


@pytest.mark.parametrize("served", [ServedChat, ServedSimple])
def test_the_benchmarks_ask_and_score_a_quantised_model(folder, ground, served, tmp_path):
    loaded, seen = small_loaded(), {}
    encode = loaded.encode

    def see(samples, **more):
        for sample in samples:
            seen.setdefault(sample.id.split("/")[0], []).append(sample)
        return encode(samples, **more)

    model = served(
        replace(loaded, encode=see), method="rtn", capture=ground.capture.run_id, cache=str(ground.cache), scope="+".join(SCOPE)
    )
    results = simple_evaluate(
        model=model,
        tasks=list(published.TASKS),
        task_manager=TaskManager("ERROR", str(folder), include_defaults=False, model_name="morphoquant"),
        gen_kwargs="max_new_tokens=4",
        bootstrap_iters=0,
        cli_args=Namespace(output_path=str(tmp_path), process_with_media=True),
    )
    for task, metric in METRICS.items():
        assert 0 <= results["results"][task][metric] <= 100
        found = [[part.modality for part in sample.parts if part.modality is not Modality.TEXT] for sample in seen[task]]
        assert found == MEDIA[task]
        assert all(any(part.modality is Modality.TEXT for part in sample.parts) for sample in seen[task])
    two = [part.modality for part in seen["local_mmmu"][1].parts]
    interleaved = [Modality.TEXT, Modality.IMAGE, Modality.TEXT, Modality.IMAGE, Modality.TEXT]
    assert two == (interleaved if served is ServedChat else [Modality.IMAGE, Modality.IMAGE, Modality.TEXT])
    sound = seen["local_air_bench"][0].parts[0].value
    assert len(sound) == 4000  # a quarter of a second, from 32 to 16 kHz
