"""Whether the scale of a linear's input can be moved into what produces the input."""

# Fed by a norm, or, like down_proj and w2 of gated blocks, by an element-wise product of which one factor is a linear.
_FOLDING = frozenset(
    ("q_proj k_proj v_proj qkv qkv_proj wqkv in_proj query key value q k v gate_proj up_proj gate_up_proj fc1 w1 w3 down_proj w2")
    .split()
)  # fmt: skip


def scale_folds(role: str) -> bool:
    """True for linears known to stand behind a norm or a gated product. Behind softmax or an activation function, and
    wherever the role is not known, the scale is applied online.
    """
    return role in _FOLDING
