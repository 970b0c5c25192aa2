"""MorphoQuant: see and compare what low-bit activations do to each modality of an omni-modal model."""

__version__ = "0.1.0"
