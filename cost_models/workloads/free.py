"""Operators of imported graphs that cost nothing: they ride along with the layers around them.

A fused kernel or the vector unit applies them while activations are written or read, as with the
networks in `networks`. Names are those of PyTorch's ATen operators, without the trailing underscore
of in-place variants, and of ONNX's.
"""

from __future__ import annotations

_TORCH_SHAPE = """
    _reshape_alias _to_copy _unsafe_view alias cat chunk clone concat constant_pad_nd contiguous
    detach diagonal dropout embedding expand expand_as feature_dropout flatten flip gather getitem
    index index_select lift_fresh_copy masked_fill movedim narrow native_dropout alpha_dropout pad
    permute pixel_shuffle pixel_unshuffle channel_shuffle reflection_pad1d reflection_pad2d repeat
    repeat_interleave replication_pad1d replication_pad2d reshape reshape_as roll select slice
    split split_with_sizes squeeze stack swapaxes t tile to transpose tril triu type_as unbind
    unflatten unsqueeze upsample_bilinear2d upsample_nearest1d upsample_nearest2d view view_as
    zeros_like ones_like full_like new_zeros new_ones new_full copy index_put select_scatter
    slice_scatter sym_size _assert_tensor_metadata
"""
_TORCH_NORMALISATION = """
    _native_batch_norm_legit _native_batch_norm_legit_no_training batch_norm group_norm
    instance_norm layer_norm linalg_vector_norm native_batch_norm native_group_norm
    native_layer_norm norm rms_norm
"""
_TORCH_ACTIVATION = """
    __and__ __or__ __xor__ _log_softmax _safe_softmax _softmax abs bitwise_and bitwise_not
    bitwise_or celu clamp clamp_max clamp_min cos elu eq erf exp floor ge gelu glu gt hardsigmoid
    hardswish hardtanh isinf isnan le leaky_relu log log_sigmoid log_softmax logical_and
    logical_not logical_or lt mish ne neg pow prelu reciprocal relu relu6 round rrelu rsqrt rsub
    selu sigmoid sign silu sin softmax softplus softsign sqrt square tanh threshold where
"""
_TORCH_REDUCTION = """
    all amax amin any argmax argmin argsort cumsum logsumexp max mean min prod sort std sum topk
    var
"""

TORCH = frozenset(
    (_TORCH_SHAPE + _TORCH_NORMALISATION + _TORCH_ACTIVATION + _TORCH_REDUCTION).split()
)
"""ATen operators that cost nothing."""

_ONNX_SHAPE = """
    Cast Compress Concat ConstantOfShape DepthToSpace DequantizeLinear Dropout Expand Flatten
    Gather GatherElements GatherND Identity Pad QuantizeLinear Range Reshape Resize
    ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze Tile Transpose Trilu
    Unsqueeze Upsample
"""
_ONNX_NORMALISATION = """
    BatchNormalization GroupNormalization InstanceNormalization LayerNormalization LRN
    LpNormalization MeanVarianceNormalization RMSNormalization SimplifiedLayerNormalization
"""
_ONNX_ACTIVATION = """
    Abs And Ceil Celu Clip Cos Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid
    HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log LogSoftmax Mish Mod Neg Not Or PRelu Pow
    Reciprocal Relu Round Selu Sigmoid Sign Sin Softmax Softplus Softsign Sqrt Swish Tanh
    ThresholdedRelu Where Xor
"""
_ONNX_REDUCTION = """
    ArgMax ArgMin CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
    ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK
"""

ONNX = frozenset((_ONNX_SHAPE + _ONNX_NORMALISATION + _ONNX_ACTIVATION + _ONNX_REDUCTION).split())
"""ONNX operators that cost nothing."""
