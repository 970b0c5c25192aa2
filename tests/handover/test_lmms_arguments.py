import handover.needs_lmms  # noqa: F401
import pytest
from fixtures.small_loaded import small_loaded
from handover.ground import SCOPE
from lmms_eval.utils import simple_parse_args_string

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.layers import Component
from morphoquant.handover.arguments import Arguments
from morphoquant.handover.served import ServedChat

pytestmark = pytest.mark.slow


def test_words_of_the_command_line():
    line = (
        "pretrained=demo,capture=capture-0,method='morphoquant:variant=paper,lam=1.5',spec=w4a8-g64,scope=language+audio,frames=8"
    )
    found = Arguments.read({**simple_parse_args_string(line), "batch_size": "2", "device": None, "max_batch_size": None})
    method, spec = found.pair()
    assert (method.name, method.lam, str(spec)) == ("morphoquant", 1.5, "w4a8-g64")
    assert found.parts() == [Component.LANGUAGE, Component.AUDIO]
    assert (found.batch_size, found.frames, found.device, found.pretrained) == (2, 8, "cpu", "demo")


def test_without_a_method_it_is_full_precision():
    assert Arguments.read({"pretrained": "demo"}).pair() is None


def test_code_of_a_repository_is_not_run_unless_asked():
    assert Arguments.read({}).trust_remote_code is False
    assert Arguments.read(simple_parse_args_string("trust_remote_code=True")).trust_remote_code is True


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("pretraned=demo", "unknown model argument 'pretraned': did you mean 'pretrained'"),
        ("method=rtn", "a method is fitted to a capture: add capture="),
        ("capture=capture-0,spec=w4a4", "capture and spec without a method: nothing would be quantised"),
        ("capture=c,method=rtm", "did you mean 'rtn'"),
        ("capture=c,method=rtn,spec=w4b4", "cannot read quantisation spec"),
        ("capture=c,method=rtn,scope=hearing", "unknown scope hearing"),
        ("trust_remote_code=maybe", "allowed are True and False"),
        ("batch_size=auto", "batch_size cannot be 'auto': give a whole number"),
        ("frames=0", "frames cannot be 0"),
        ("capture=capture-000000000000,method=rtn,cache=nowhere", "unknown run 'capture-000000000000'"),
        ("pretrained=./nowhere", "there is no model folder './nowhere'"),
    ],
)
def test_bad_words_are_one_sentence_before_anything_is_loaded(line, sentence):
    with pytest.raises(MorphoQuantError, match="[.]$") as error:
        ServedChat(**simple_parse_args_string(line))
    assert sentence in str(error.value)


def test_a_capture_of_another_model_is_refused(ground):
    loaded = small_loaded()
    loaded.identity["revision"] = "another"
    with pytest.raises(MorphoQuantError, match="was captured from another model than the one given"):
        ServedChat(loaded, method="rtn", capture=ground.capture.run_id, cache=str(ground.cache), scope="+".join(SCOPE))
    assert not [module for module in loaded.model.modules() if type(module).__name__ == "QuantizedLinear"]
