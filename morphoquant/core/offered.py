"""Names of methods and specs that the dashboard offers and the command line's help lists.

Written out, because methods are found by importing torch, which neither does; a test holds the names to the registry.
"""

# Every registered method.
NAMES = (
    *("rtn", "dabc", "mdqfo", "morphoquant", "morphomodal"),
    *("smoothquant", "osplus", "awq", "quarot", "spinquant", "gptq", "llm_int8", "zeroquant", "atom", "easyquant"),
    *("mbq", "mquant", "masquant", "omniquant", "qvlm"),
)
# What "auto" stands for, and where each token has a scale of its own: docs/recommended.md has the evidence.
AUTO = "auto"
RECOMMENDED, RECOMMENDED_BY_TOKEN = "gptq+morphomodal", "quarot+gptq"
# One with a field, and combinations.
EXAMPLES = ("morphoquant:variant=paper", "smoothquant+quarot+gptq", "gptq+morphoquant", RECOMMENDED)
METHODS = (AUTO, *NAMES, *EXAMPLES, RECOMMENDED_BY_TOKEN)
SPECS = (
    *("w4a4", "w4a8", "w8a8", "w4a16", "w4a4-g128", "w4a4-token", "w4a4-tensor", "w4a4-nf4"),
    *("w4a4-mxfp4", "w4a4-nvfp4", "w4a4-hif4", "w8a8-hif8", "w8a8-e4m3", "w8a8-e5m2"),
)
