"""FLOP and bytes of an operator from its shapes: one small pure function per operator family.

The conventions, which `docs/method/graph.md` repeats:

* One multiply-add is two FLOP. Operators made of multiply-adds (`MULTIPLY_ADD`) count their products only:
  bias, scaling, requantisation and the softmax inside a fused attention are left out. This is what published
  counts do.
* Every other operator counts the scalar operations of its ONNX definition, an exponential as much as an
  addition.
* Each activation is read and written once and each constant is read once, whatever a cache would save.
* Data movement is 0 FLOP; operators that pick from a table or an array read what they pick.

Shapes are tuples of sizes. Nothing here needs the onnx package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

Shape: TypeAlias = tuple[int, ...]


class Call(NamedTuple):
    """One use of an operator.

    Attributes:
        inputs: shape of each input, None where an optional input is left out.
        outputs: shape of each output.
        attributes: the numbers, lists of numbers and strings of the node.
    """

    inputs: tuple[Shape | None, ...]
    outputs: tuple[Shape | None, ...]
    attributes: Mapping[str, object]

    def shape(self, index: int) -> Shape:
        """Shape of input ``index``; ValueError when the call has no such input."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise ValueError(f"input {index} is missing")
        return found

    def has(self, index: int) -> bool:
        """True when input ``index`` is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    @property
    def result(self) -> Shape:
        """Shape of the first output."""
        if not self.outputs or self.outputs[0] is None:
            raise ValueError("output 0 is missing")
        return self.outputs[0]

    def number(self, name: str, default: int = 0) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, int) else default

    def numbers(self, name: str) -> tuple[int, ...]:
        """An attribute that is a list of integers; empty when absent."""
        value = self.attributes.get(name, ())
        return tuple(int(v) for v in value) if isinstance(value, (list, tuple)) else ()


Formula: TypeAlias = Callable[[Call], float]


def elements(shape: Shape) -> int:
    """Number of values in a tensor of ``shape``; 1 for a scalar."""
    return math.prod(shape)


# Multiply-adds. Each returns 2 x the number of products.


def convolution(output: Shape, weight: Shape) -> float:
    """FLOP of a convolution: ``2 x output elements x (channels in / groups) x kernel elements``.

    Args:
        output: (batch, channels out, *spatial).
        weight: (channels out, channels in / groups, *kernel); the groups are in the weight's shape.
    """
    return 2.0 * elements(output) * elements(weight[1:])


def transposed_convolution(image: Shape, weight: Shape) -> float:
    """FLOP of a transposed convolution: every input value meets ``channels out / groups x kernel`` weights.

    Args:
        image: (batch, channels in, *spatial).
        weight: (channels in, channels out / groups, *kernel).
    """
    return 2.0 * elements(image) * elements(weight[1:])


def matrix_product(output: Shape, depth: int) -> float:
    """FLOP of a (batched) matrix product whose inner dimension is ``depth``."""
    return 2.0 * elements(output) * depth


def attention_products(batch: int, heads: int, queries: int, keys: int, head: int, value_head: int) -> float:
    """FLOP of scores and weighted sum, ``2 x batch x heads x queries x keys x (head + value head)``.

    A causal mask saves nothing here: dense kernels compute the whole matrix.
    """
    return 2.0 * batch * heads * queries * keys * (head + value_head)


def recurrent(steps: int, batch: int, inputs: int, hidden: int, gates: int, directions: int) -> float:
    """FLOP of a recurrent layer: per step, sequence and gate, ``hidden x (inputs + hidden)`` products."""
    return 2.0 * steps * batch * directions * gates * hidden * (inputs + hidden)


def _convolution(weight: int) -> Formula:
    return lambda call: convolution(call.result, call.shape(weight))


def _matmul(call: Call) -> float:
    return matrix_product(call.result, call.shape(0)[-1])


def _fused_matmul(call: Call) -> float:
    return matrix_product(call.result, call.shape(0)[-2 if call.number("transA") else -1])


def _gemm(call: Call) -> float:
    return matrix_product(call.result, call.shape(0)[0 if call.number("transA") else 1])


def _einsum(call: Call) -> float:
    equation = call.attributes.get("equation")
    if not isinstance(equation, str) or "..." in equation or len(call.inputs) > 2:
        raise ValueError("only an einsum of one or two operands with named axes is counted")
    operands = equation.replace(" ", "").split("->")[0].split(",")
    sizes = {
        label: n for i, labels in enumerate(operands) for label, n in zip(labels, call.shape(i), strict=True)
    }
    return len(operands) * float(math.prod(sizes.values()))


def _attention(call: Call) -> float:
    """ONNX Attention (opset 23): (batch, heads, length, head) or (batch, length, heads x head)."""
    query, key, value = call.shape(0), call.shape(1), call.shape(2)
    past = call.shape(4)[2] if call.has(4) else 0
    if len(query) == 4:
        return attention_products(query[0], query[1], query[2], key[2] + past, query[3], value[3])
    heads, kv_heads = call.number("q_num_heads"), call.number("kv_num_heads")
    head, value_head = query[2] // heads, value[2] // kv_heads
    return attention_products(query[0], heads, query[1], key[1] + past, head, value_head)


def _packed_attention(past_index: int) -> Formula:
    """com.microsoft Attention: projects (batch, length, width) to queries, keys and values, then attends."""

    def formula(call: Call) -> float:
        (batch, length, _), weight = call.shape(0), call.shape(1)
        past = call.shape(past_index)[3] if call.has(past_index) else 0
        query, _, value = call.numbers("qkv_hidden_sizes") or (weight[1] // 3,) * 3
        projection = matrix_product((batch, length, weight[1]), weight[0])
        return projection + attention_products(batch, 1, length, length + past, query, value)

    return formula


def _multi_head_attention(call: Call) -> float:
    """com.microsoft MultiHeadAttention: separate, or packed as (batch, length, heads, 3, head)."""
    query = call.shape(0)
    past = call.shape(6)[2] if call.has(6) else 0
    if len(query) == 5:
        batch, length, heads, _, head = query
        return attention_products(batch, heads, length, length + past, head, head)
    key = call.shape(1)
    keys = key[2] if len(key) == 4 else key[1]
    # The widths of all heads together, so one "head" of that width.
    return attention_products(query[0], 1, query[1], keys + past, query[2], call.result[2])


def _recurrent(gates: int) -> Formula:
    def formula(call: Call) -> float:
        (first, second, inputs), (directions, _, _) = call.shape(0), call.shape(1)
        return recurrent(first, second, inputs, call.shape(2)[2], gates, directions)

    return formula


# Everything else: scalar operations of the definition.


def _each_output(operations: float) -> Formula:
    return lambda call: operations * elements(call.result)


def _each_input(operations: float) -> Formula:
    return lambda call: operations * elements(call.shape(0))


def _variadic(call: Call) -> float:
    return float((len(call.inputs) - 1) * elements(call.result))


def _mean(call: Call) -> float:
    return float(len(call.inputs) * elements(call.result))


def _window(operations: float) -> Formula:
    """Pooling: so many operations for each element of the window of each output."""
    return lambda call: operations * elements(call.result) * elements(call.numbers("kernel_shape"))


def _local_response(call: Call) -> float:
    return float(elements(call.result) * (call.number("size") + 4))


def _normalisation(operations: float) -> Formula:
    """``operations`` an element, and one more where a bias (input 2) is added."""
    return lambda call: (operations + call.has(2)) * elements(call.shape(0))


def _interpolation(call: Call) -> float:
    """Two operations a tap; 2 taps an axis that changes size when linear, 4 when cubic, none for nearest."""
    taps = {"linear": 2, "cubic": 4, "bilinear": 2, "bicubic": 4}.get(
        str(call.attributes.get("mode", "nearest"))
    )
    if taps is None:
        return 0.0
    changed = sum(a != b for a, b in zip(call.shape(0), call.result, strict=True))
    return 2.0 * elements(call.result) * taps**changed if changed else 0.0


def _requantised(formula: Formula) -> Formula:
    """On quantised values: dequantise (2), work, quantise again (5)."""
    return lambda call: formula(call) + 7.0 * elements(call.result)


def _names(text: str, formula: Formula, domain: str = "") -> dict[str, Formula]:
    return {domain + name: formula for name in text.split()}


_MS = "com.microsoft."

MULTIPLY_ADD: Mapping[str, Formula] = {
    **_names("Conv", _convolution(1)),
    **_names("ConvInteger", _convolution(1)),
    **_names("QLinearConv", _convolution(3)),
    **_names("FusedConv", _convolution(1), _MS),
    **_names("ConvTranspose", lambda call: transposed_convolution(call.shape(0), call.shape(1))),
    **_names("MatMul MatMulInteger QLinearMatMul", _matmul),
    **_names("FusedMatMul", _fused_matmul, _MS),
    **_names("MatMulNBits MatMulIntegerToFloat DynamicQuantizeMatMul", _matmul, _MS),
    **_names("Gemm", _gemm),
    **_names("QGemm FusedGemm", _gemm, _MS),
    **_names("Einsum", _einsum),
    **_names("Attention", _attention),
    **_names("Attention", _packed_attention(4), _MS),
    **_names("QAttention", _packed_attention(8), _MS),
    **_names("MultiHeadAttention", _multi_head_attention, _MS),
    **_names("RNN", _recurrent(1)),
    **_names("GRU", _recurrent(3)),
    **_names("LSTM", _recurrent(4)),
}
"""Operators whose cost is products: their FLOP is exactly twice their multiply-adds."""

_MOVEMENT = """
    BitCast Cast CastLike CenterCropPad Compress Concat Constant ConstantOfShape DepthToSpace Dropout Expand
    EyeLike Flatten Gather GatherElements GatherND Identity NonZero OneHot Pad Reshape ReverseSequence Scatter
    ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze
"""
MOVEMENT = frozenset(_MOVEMENT.split())
"""Operators that move data and compute nothing."""

_PICKING = frozenset({"Gather", "GatherElements", "GatherND", "Slice"})
_LOOKING = frozenset({"Shape", "Size"})

_OTHER: Mapping[str, Formula] = {
    **_names(
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor "
        "Ceil Cos Cosh Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Log Mod "
        "Mul Neg Not Or Pow Reciprocal Relu Round Sign Sin Sinh Sqrt Sub Tan Tanh Where Xor",
        _each_output(1),
    ),
    **_names("Clip LeakyRelu PRelu Shrink ThresholdedRelu", _each_output(2)),
    **_names("Softplus Softsign", _each_output(3)),
    **_names("Celu Elu HardSigmoid Selu Sigmoid", _each_output(4)),
    **_names("Gelu HardSwish Mish Swish", _each_output(5)),
    **_names("Gelu FastGelu QuickGelu", _each_output(5), _MS),
    **_names("BiasGelu", _each_output(6), _MS),
    **_names("Max Min Sum", _variadic),
    **_names("Mean", _mean),
    **_names("Softmax LogSoftmax Hardmax", _each_output(5)),
    **_names("ArgMax ArgMin CumSum GlobalAveragePool GlobalMaxPool", _each_input(1)),
    **_names("ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceLogSum", _each_input(1)),
    **_names("GlobalLpPool ReduceL1 ReduceL2 ReduceSumSquare", _each_input(2)),
    **_names("ReduceLogSumExp LpNormalization", _each_input(4)),
    **_names("AveragePool MaxPool", _window(1)),
    **_names("LpPool", _window(2)),
    # Scale and shift follow from the constants once, so two operations an element are left.
    **_names("BatchNormalization", _each_input(2)),
    # Mean, difference, square, its mean, times 1/deviation, times scale; a bias is one more.
    **_names("LayerNormalization InstanceNormalization GroupNormalization", _normalisation(6)),
    **_names("MeanVarianceNormalization", _each_input(5)),
    **_names("RMSNormalization SimplifiedLayerNormalization", _each_input(4)),
    **_names("SkipLayerNormalization", _each_input(8), _MS),
    **_names("SkipSimplifiedLayerNormalization", _each_input(5), _MS),
    **_names("LRN", _local_response),
    **_names("Resize Upsample", _interpolation),
    # Divide, round, add the zero point, saturate below and above.
    **_names("QuantizeLinear", _each_output(5)),
    **_names("DequantizeLinear", _each_output(2)),
    **_names("QuantizeLinear", _each_output(5), _MS),
    **_names("DequantizeLinear", _each_output(2), _MS),
    **_names("DynamicQuantizeLinear", _each_input(7)),
    # The second operand is dequantised too.
    **_names("QLinearAdd QLinearMul", _requantised(_each_output(3)), _MS),
    **_names("QLinearLeakyRelu", _requantised(_each_output(2)), _MS),
    **_names("QLinearSigmoid", _requantised(_each_output(4)), _MS),
    **_names("QLinearSoftmax", _requantised(_each_output(5)), _MS),
    **_names("QLinearGlobalAveragePool", _requantised(_each_input(1)), _MS),
    **_names("QLinearAveragePool", _requantised(_window(1)), _MS),
    **_names("QLinearConcat", _requantised(_each_output(0)), _MS),
}


def flop(op: str, call: Call) -> float | None:
    """FLOP of one use of operator ``op``.

    Args:
        op: operator type, with its domain in front when that is not ONNX's own (``com.microsoft.QGemm``).
        call: shapes and attributes.

    Returns:
        The FLOP, or None when there is no formula for the operator or for this use of it.
    """
    if op in MOVEMENT:
        return 0.0
    formula = MULTIPLY_ADD.get(op) or _OTHER.get(op)
    if formula is None:
        return None
    try:
        return float(formula(call))
    except (ValueError, IndexError, ZeroDivisionError):
        # An input of the definition is missing or has another rank: say "unknown" instead of guessing.
        return None


def read_bytes(op: str, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> int:
    """Bytes that operator ``op`` reads.

    Args:
        op: operator type.
        inputs: bytes of each distinct input, constants included, in order.
        outputs: bytes of each output.

    Returns:
        The sum of the inputs; of the first input only what is picked, for an operator that picks.
    """
    if not inputs:
        return 0
    first = inputs[0]
    if op in _LOOKING:
        first = 0
    elif op in _PICKING:
        first = min(first, sum(outputs))
    return first + sum(inputs[1:])
