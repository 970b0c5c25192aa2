"""Post-training quantisation methods, one a file. A method finds parameters; it holds no Linear, quantiser or hook. Torch."""
