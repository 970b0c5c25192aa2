"""The hand-over to lmms-eval: it runs the published benchmarks, on a model that this project loads and quantises.

Nothing else in the project imports lmms-eval or this package; lmms-eval finds it by the entry point in pyproject.toml.
"""

from morphoquant.core.errors import MissingExtraError

try:
    import lmms_eval  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError("lmms-eval", "lmms") from error
