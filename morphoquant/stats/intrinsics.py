"""Two things that numba has no name for. Its cache sees a change here only when `kernel.py`, which uses them, changes too."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


@intrinsic
def prefetch(context, array, index):
    """prefetch(array, index) asks for the second-level cache to fetch the line of a flat array's item; it never faults."""

    def generate(context, builder, signature, args):
        found = context.make_array(signature.args[0])(context, builder, args[0])
        line = builder.bitcast(builder.gep(found.data, [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [line.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [line.type], kind)
        builder.call(fetch, [line, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def float32_bits(bits):
    """Bits of the float32 that a float widens to, given as uint32 of a float32 or uint16 of a bfloat16."""
    raise NotImplementedError("only compiled code calls this")


@overload(float32_bits)
def _widened(bits):
    if bits == types.uint16:
        return lambda bits: np.uint32(bits) << np.uint32(16)
    return lambda bits: bits
