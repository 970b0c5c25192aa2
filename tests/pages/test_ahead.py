"""What the server loads while nobody waits: the engine, by predicting the narrowest input, and only where it was asked to."""

import threading

from fixtures.small_runs import SmallRuns

from morphoquant.ui import ahead


def test_the_narrowest_input_with_histograms_is_predicted(small_runs: SmallRuns):
    layers = small_runs.capture.frame("layers")
    layer = ahead.load(small_runs.store.cache)
    assert layers.set_index("layer")["in_features"][layer] == layers["in_features"].min()


def test_a_cache_without_a_capture_loads_nothing(tmp_path):
    assert ahead.load(tmp_path) is None
    folder = tmp_path / "runs" / "capture-000000000000"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    assert ahead.load(tmp_path) is None


def test_nothing_is_loaded_where_nobody_asked(monkeypatch):
    monkeypatch.delenv(ahead.WANTED, raising=False)
    ahead.load_ahead()
    assert "morphoquant-ahead" not in {thread.name for thread in threading.enumerate()}
