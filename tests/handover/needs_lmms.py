"""Skips a test module where lmms-eval is not installed, and says how to run it."""

import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the libraries are first imported
pytest.importorskip("lmms_eval", reason="lmms-eval is not installed: .ci/lmms makes an environment with it and runs these tests")
