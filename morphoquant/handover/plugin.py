"""What lmms-eval reads at its start: the name "morphoquant" and the class for each of its two interfaces."""

from lmms_eval.models.registry_v2 import ModelManifest

MANIFEST = ModelManifest(
    model_id="morphoquant",
    chat_class_path="morphoquant.handover.served.ServedChat",
    simple_class_path="morphoquant.handover.served.ServedSimple",
)
