#!/usr/bin/env python3
"""Writes the models of this folder, models/*.json, which flatc turns into .tflite files when the tests are built.

Run by hand after a change here. Constants without given data have the pattern that support.h computes as well:
element i of tensor t is ((29 i + 7 t) mod 19 - 8) / 16.
"""
import json
import os
import re
import struct

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROWS = open(os.path.join(FOLDER, "../../compiler/import/tflite_ops.def")).read()
CODES = {name: int(code) for code, name in re.findall(r"^TF_(?:OP|NAME)\((\d+), (\w+)", ROWS, re.M)}


class Model:
    def __init__(self, name):
        self.name, self.tensors, self.buffers, self.ops, self.codes = name, [], [{}], [], []
        self.inputs, self.outputs = [], []

    def tensor(self, shape, type="f32", name=None, **more):
        t = {"shape": list(shape), "type": type, "buffer": 0, "name": name or f"t{len(self.tensors)}", **more}
        self.tensors.append(t)
        return len(self.tensors) - 1

    def input(self, shape, type="f32", name=None, **more):
        self.inputs.append(self.tensor(shape, type, name or f"x{len(self.inputs)}", **more))
        return self.inputs[-1]

    def const(self, shape, values=None, type="f32", **more):
        t = self.tensor(shape, type, **more)
        n = 1
        for d in shape:
            n *= d
        if values is None:
            values = [((29 * i + 7 * t) % 19 - 8) / 16 for i in range(n)]
        code = {"f32": "f", "f16": "e", "i32": "i", "i64": "q", "i8": "b", "u8": "B", "bool": "?"}[type]
        self.buffers.append({"data": list(struct.pack(f"<{len(values)}{code}", *values))})
        self.tensors[t]["buffer"] = len(self.buffers) - 1
        return t

    def ints(self, *values, type="i32"):
        return self.const([len(values)], values, type)

    def op(self, name, inputs, out_shapes, kind=None, custom=None, custom_options=None, type="f32", quant=None,
           **options):
        code = {"short_code": min(CODES.get(name, name), 127), "code": CODES.get(name, name)} if not custom \
            else {"short_code": 32, "code": 32, "custom": custom}
        if code not in self.codes:
            self.codes.append(code)
        outs = [self.tensor(s, type, **({"quant": quant} if quant else {})) for s in out_shapes]
        op = {"code_index": self.codes.index(code), "inputs": list(inputs), "outputs": outs}
        if kind:
            op.update({"options_type": kind, "options": options})
        if custom_options:
            op["custom_options"] = list(struct.pack(f"<{len(custom_options)}i", *custom_options))
        self.ops.append(op)
        return outs[0] if len(outs) == 1 else outs

    def write(self, outputs, more_graphs=(), version=3):
        self.outputs = outputs if isinstance(outputs, list) else [outputs]
        for k, t in enumerate(self.outputs):
            self.tensors[t]["name"] = f"y{k}"
        graph = {"tensors": self.tensors, "inputs": self.inputs, "outputs": self.outputs, "operators": self.ops,
                 "name": "main"}
        model = {"version": version, "operator_codes": self.codes, "subgraphs": [graph, *more_graphs],
                 "description": self.name, "buffers": self.buffers}
        with open(os.path.join(FOLDER, "models", self.name + ".json"), "w") as f:
            f.write(pretty(model) + "\n")


def pretty(x, depth=0):
    """JSON with one line per tensor, buffer and operator."""
    pad = " " * (depth + 1)
    if isinstance(x, list) and x and isinstance(x[0], dict) and depth < 4:
        return "[\n" + ",\n".join(pad + pretty(v, depth + 1) for v in x) + "\n" + " " * depth + "]"
    if isinstance(x, dict) and any(isinstance(v, list) and v and isinstance(v[0], dict) for v in x.values()):
        return "{\n" + ",\n".join(f'{pad}"{k}": {pretty(v, depth + 1)}' for k, v in x.items()) + "\n" + " " * depth + "}"
    return json.dumps(x)


def unary(file, name, kind=None, **options):
    m = Model(file)
    x = m.input([1, 3, 4, 5])
    m.write(m.op(name, [x], [[1, 3, 4, 5]], kind, **options))


def binary(file, name, kind=None, act="none"):
    """A map and a row of channels; then the other way round with a whole map that is an input."""
    m = Model(file)
    x, z, c = m.input([1, 3, 4, 5]), m.input([1, 3, 4, 5]), m.const([5])
    options = {"act": act} if kind else {}
    y = m.op(name, [x, c], [[1, 3, 4, 5]], kind, **options)
    m.write(m.op(name, [z, y], [[1, 3, 4, 5]], kind, **options))


def layers():
    m = Model("conv_same")
    x = m.input([1, 5, 6, 3])
    m.write(m.op("CONV_2D", [x, m.const([4, 3, 3, 3]), m.const([4])], [[1, 3, 6, 4]], "Conv", padding="same",
                 stride_h=2, stride_w=1, act="relu"))
    m = Model("conv_dilated")
    x = m.input([1, 7, 7, 2])
    m.write(m.op("CONV_2D", [x, m.const([3, 2, 3, 2])], [[1, 5, 5, 3]], "Conv", padding="valid", stride_h=1, stride_w=1,
                 dil_h=2, dil_w=1, act="relu6"))
    m = Model("conv_groups")
    x = m.input([1, 4, 4, 4])
    m.write(m.op("CONV_2D", [x, m.const([6, 1, 1, 2]), m.const([6])], [[1, 4, 4, 6]], "Conv", padding="same", stride_h=1,
                 stride_w=1))
    m = Model("depthwise")
    x = m.input([1, 6, 5, 2])
    m.write(m.op("DEPTHWISE_CONV_2D", [x, m.const([1, 3, 3, 4]), m.const([4])], [[1, 3, 3, 4]], "Depthwise",
                 padding="same", stride_h=2, stride_w=2, multiplier=2, act="relu_n1_to_1"))
    m = Model("depthwise_dilated")
    x = m.input([1, 7, 6, 3])
    m.write(m.op("DEPTHWISE_CONV_2D", [x, m.const([1, 3, 2, 3])], [[1, 3, 4, 3]], "Depthwise", padding="valid",
                 stride_h=1, stride_w=1, multiplier=1, dil_h=2, dil_w=2))
    for file, padding, size, k in (("transpose_conv_same", "same", 5, 3), ("transpose_conv_even", "same", 6, 3),
                                   ("transpose_conv_valid", "valid", 7, 3), ("transpose_conv_gap", "same", 6, 1)):
        m = Model(file)
        x = m.input([1, 3, 3, 2])
        m.write(m.op("TRANSPOSE_CONV", [m.ints(1, size, size, 3), m.const([3, k, k, 2]), x, m.const([3])],
                     [[1, size, size, 3]], "TransposeConv", padding=padding, stride_h=2, stride_w=2))
    for file, padding, size in (("convolution2dtransposebias", 1, 5), ("convolution2dtransposebias_valid", 2, 7)):
        m = Model(file)
        x = m.input([1, 3, 3, 2])
        m.write(m.op("CUSTOM", [x, m.const([3, 3, 3, 2]), m.const([3])], [[1, size, size, 3]],
                     custom="Convolution2DTransposeBias", custom_options=(padding, 2, 2)))
    m = Model("fully_connected")
    x = m.input([1, 2, 3, 4])
    m.write(m.op("FULLY_CONNECTED", [x, m.const([5, 24]), m.const([5])], [[1, 5]], "FullyConnected", act="tanh"))
    m = Model("fully_connected_keep")
    x = m.input([1, 3, 4])
    m.write(m.op("FULLY_CONNECTED", [x, m.const([2, 4]), -1], [[1, 3, 2]], "FullyConnected", keep_num_dims=True))
    m = Model("fully_connected_hybrid")
    x = m.input([1, 6])
    w = m.const([2, 6], [5, -7, 100, -128, 127, 0, 1, 2, 3, 4, 5, 6], "i8", quant={"scale": [0.5], "zero_point": [1]})
    m.write(m.op("FULLY_CONNECTED", [x, w, m.const([2])], [[1, 2]], "FullyConnected"))
    for file, name in ("average_pool", "AVERAGE_POOL_2D"), ("max_pool", "MAX_POOL_2D"):
        m = Model(file)
        x = m.input([1, 6, 5, 2])
        m.write(m.op(name, [x], [[1, 3, 3, 2]], "Pool", padding="same", stride_h=2, stride_w=2, kernel_h=3, kernel_w=3,
                     act="relu"))


def elements():
    for name in "RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 TANH LOGISTIC HARD_SWISH ABS NEG EXP SQUARE SIN COS FLOOR CEIL " \
                "ROUND ELU LOG SQRT RSQRT".split():
        unary(name.lower(), name)
    unary("leaky_relu", "LEAKY_RELU", "LeakyRelu", alpha=0.25)
    unary("softmax", "SOFTMAX", "Softmax", beta=2.0)
    unary("l2_normalization", "L2_NORMALIZATION", "L2Norm", act="none")
    for name, kind in ("ADD", "Add"), ("SUB", "Sub"), ("MUL", "Mul"), ("DIV", "Div"):
        binary(name.lower(), name, kind)
    binary("add_relu", "ADD", "Add", "relu")
    for name in "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU":
        binary(name.lower(), name)
    m = Model("pow")
    x = m.input([1, 3, 4, 5])
    m.write(m.op("POW", [x, m.const([], [2.0])], [[1, 3, 4, 5]]))
    m = Model("cast")
    x = m.input([1, 3, 4, 5])
    m.write(m.op("CAST", [m.op("CAST", [x], [[1, 3, 4, 5]], type="i32")], [[1, 3, 4, 5]]))
    m = Model("dequantize")
    x = m.input([1, 2, 3, 2])
    h = m.op("DEQUANTIZE", [m.const([2], [0.5, -1.25], "f16")], [[2]])
    q = m.const([1, 1, 3, 2], [3, -128, 127, 0, 1, -1], "i8", quant={"scale": [0.25, 2.0], "zero_point": [0, 1], "dimension": 3})
    q = m.op("DEQUANTIZE", [q], [[1, 1, 3, 2]])
    m.write(m.op("ADD", [m.op("MUL", [x, h], [[1, 2, 3, 2]], "Mul"), q], [[1, 2, 3, 2]], "Add"))
    m = Model("quantize")
    x = m.input([1, 2, 3, 2])
    q = m.op("QUANTIZE", [x], [[1, 2, 3, 2]], type="i8", quant={"scale": [0.25], "zero_point": [-3]})
    w = m.const([3, 1, 1, 2], [127, -128, 3, 64, -5, 0], "i8",
                quant={"scale": [0.5, 0.25, 0.125], "zero_point": [0, 0, 0], "dimension": 0})
    c = m.op("CONV_2D", [q, w, m.const([3], [100, -20, 7], "i32")], [[1, 2, 3, 3]], "Conv", type="i8",
             quant={"scale": [0.5], "zero_point": [10]}, padding="same", stride_h=1, stride_w=1, act="relu")
    m.write(m.op("DEQUANTIZE", [c], [[1, 2, 3, 3]]))
    m = Model("fixed_point")
    q = m.op("QUANTIZE", [m.input([1, 4, 5, 1])], [[1, 4, 5, 1]], type="i8",
             quant={"scale": [0.125], "zero_point": [-3]})
    w = m.const([2, 1, 1, 1], [1, 1], "i8", quant={"scale": [0.25, 0.5], "zero_point": [0, 0], "dimension": 0})
    c = m.op("CONV_2D", [q, w, m.const([2], [1, -2], "i32")], [[1, 4, 5, 2]], "Conv", type="i8",
             quant={"scale": [0.125], "zero_point": [10]}, padding="same", stride_h=1, stride_w=1)
    m.write(m.op("DEQUANTIZE", [c], [[1, 4, 5, 2]]))
    for name in "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD":
        m = Model(name.lower())
        x = m.input([1, 3, 4, 5])
        a = m.op(name, [x, m.ints(1, 2)], [[1, 5]], "Reduce", keep_dims=False)
        b = m.op(name, [x, m.ints(-1)], [[1, 3, 4, 1]], "Reduce", keep_dims=True)
        c = m.op(name, [x, m.ints(2)], [[1, 3, 5]], "Reduce", keep_dims=False)
        m.write([a, b, c])


def shapes():
    m = Model("reshape")
    x = m.input([1, 4, 3, 2])
    a = m.op("RESHAPE", [x, m.ints(1, -1)], [[1, 24]], "Reshape", shape=[1, 24])
    b = m.op("RESHAPE", [x], [[1, 6, 4]], "Reshape", shape=[1, 6, 4])
    c = m.op("RESHAPE", [x, m.ints(1, 12, 2)], [[1, 12, 2]], "Reshape", shape=[1, 12, 2])
    d = m.op("RESHAPE", [c, m.ints(1, 2, 6, -1, type="i64")], [[1, 2, 6, 2]], "Reshape")
    m.write([a, b, c, d])
    m = Model("squeeze_expand")
    x = m.input([1, 1, 5, 3])
    a = m.op("SQUEEZE", [x], [[1, 5, 3]], "Squeeze", dims=[1])
    b = m.op("EXPAND_DIMS", [m.op("RELU", [a], [[1, 5, 3]]), m.ints(-2)], [[1, 5, 1, 3]])
    c = m.op("SQUEEZE", [x], [[5, 3]], "Squeeze", dims=[])
    m.write([a, b, c])
    m = Model("transpose")
    x = m.input([1, 2, 3, 4])
    m.write([m.op("TRANSPOSE", [x, m.ints(*p)], [[[1, 2, 3, 4][i] for i in p]]) for p in
             ([0, 2, 1, 3], [0, 1, 3, 2], [3, 0, 2, 1])])
    m = Model("shape")
    x = m.input([1, 4, 3, 2], signature=[-1, 4, 3, 2])
    s = m.op("SHAPE", [x], [[4]], type="i32")
    n = m.op("STRIDED_SLICE", [s, m.ints(0), m.ints(1), m.ints(1)], [[]], "StridedSlice", shrink=1, type="i32")
    k = m.op("MUL", [n, m.const([], [6], "i32")], [[]], "Mul", type="i32")
    p = m.op("PACK", [n, k, m.const([], [4], "i32")], [[3]], "Pack", n=3, axis=0, type="i32")
    m.write(m.op("RESHAPE", [x, p], [[1, 6, 4]], "Reshape"))
    m = Model("pack_unpack")
    x = m.input([1, 2, 3, 4])
    parts = m.op("UNPACK", [x], [[1, 2, 4]] * 3, "Unpack", n=3, axis=2)
    m.write([m.op("PACK", [parts[2], parts[0]], [[1, 2, 4, 2]], "Pack", n=2, axis=-1), parts[1]])
    m = Model("shuffle")
    x = m.input([1, 2, 3, 6])
    a = m.op("CONV_2D", [x, m.const([6, 1, 1, 6])], [[1, 2, 3, 6]], "Conv", padding="same", stride_h=1, stride_w=1)
    a = m.op("RESHAPE", [a, m.ints(1, 2, 3, 2, 3)], [[1, 2, 3, 2, 3]], "Reshape")
    a = m.op("TRANSPOSE", [a, m.ints(0, 1, 2, 4, 3)], [[1, 2, 3, 3, 2]])
    a = m.op("RESHAPE", [a, m.ints(1, 2, 3, 6)], [[1, 2, 3, 6]], "Reshape")
    m.write(m.op("CONV_2D", [a, m.const([2, 1, 1, 6])], [[1, 2, 3, 2]], "Conv", padding="same", stride_h=1, stride_w=1))


def moves():
    m = Model("concatenation")
    x, z = m.input([1, 2, 3, 4]), m.input([1, 2, 3, 2])
    m.write([m.op("CONCATENATION", [x, z, m.const([1, 2, 3, 1])], [[1, 2, 3, 7]], "Concat", axis=-1, act="relu"),
             m.op("CONCATENATION", [x, x], [[1, 4, 3, 4]], "Concat", axis=1)])
    m = Model("split")
    x = m.input([1, 4, 3, 6])
    a = m.op("SPLIT", [m.const([], [3], "i32"), x], [[1, 4, 3, 2]] * 3, "Split", n=3)
    b = m.op("SPLIT_V", [x, m.ints(1, -1), m.const([], [1], "i32")], [[1, 1, 3, 6], [1, 3, 3, 6]], "SplitV", n=2)
    m.write([a[1], a[2], b[0], b[1]])
    m = Model("slice")
    x = m.input([1, 5, 4, 6])
    m.write(m.op("SLICE", [x, m.ints(0, 1, 0, 2), m.ints(1, 3, -1, 2)], [[1, 3, 4, 2]]))
    m = Model("strided_slice")
    x = m.input([1, 5, 4, 6])
    a = m.op("STRIDED_SLICE", [x, m.ints(0, 1, 3, 0), m.ints(1, 5, 0, 6), m.ints(1, 2, -1, 1)], [[1, 2, 4, 6]],
             "StridedSlice", begin=9, end=12)  # all rows from 1 step 2, columns backwards to the first
    b = m.op("STRIDED_SLICE", [x, m.ints(0, -2), m.ints(0, 0), m.ints(1, 1)], [[1, 5, 4]], "StridedSlice", ellipsis=1,
             shrink=2)  # [..., -2]
    c = m.op("STRIDED_SLICE", [x, m.ints(0, 0, 2), m.ints(1, 0, 3), m.ints(1, 1, 1)], [[1, 1, 1, 4, 6]], "StridedSlice",
             new_axis=2)  # [0:1, newaxis, 2:3]
    d = m.op("STRIDED_SLICE", [x, m.ints(0, -100, 0, 5), m.ints(1, 100, 4, -7), m.ints(1, 3, 1, -2)], [[1, 2, 4, 3]],
             "StridedSlice")  # clamped at both ends
    m.write([a, b, c, d])
    m = Model("gather")
    x = m.input([1, 3, 2, 5])
    m.write([m.op("GATHER", [x, m.ints(4, 0, 0)], [[1, 3, 2, 3]], "Gather", axis=3),
             m.op("GATHER", [x, m.const([], [2], "i32")], [[1, 2, 5]], "Gather", axis=1)])
    m = Model("tile")
    x = m.input([1, 2, 1, 3])
    m.write(m.op("TILE", [x, m.ints(1, 1, 4, 2)], [[1, 2, 4, 6]]))
    m = Model("pad")
    x = m.input([1, 2, 3, 4])
    amounts = m.const([4, 2], [0, 0, 1, 2, 0, 1, 2, 0], "i32")
    m.write([m.op("PAD", [x, amounts], [[1, 5, 4, 6]]), m.op("PADV2", [x, amounts, m.const([], [-1.5])], [[1, 5, 4, 6]])])
    for mode in "reflect", "symmetric":
        m = Model("mirror_pad_" + mode)
        x = m.input([1, 3, 4, 2])
        m.write(m.op("MIRROR_PAD", [x, m.const([4, 2], [0, 0, 1, 2, 2, 1, 0, 1], "i32")], [[1, 6, 7, 3]], "MirrorPad",
                     mode=mode))
    for file, align, half in ("", False, False), ("_align", True, False), ("_half", False, True):
        for name, kind in ("RESIZE_BILINEAR", "ResizeBilinear"), ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearest"):
            m = Model(name.lower() + file)
            x = m.input([1, 3, 4, 2])
            m.write(m.op(name, [x, m.ints(6, 7)], [[1, 6, 7, 2]], kind, align_corners=align, half_pixel=half))
    m = Model("depth_to_space")
    x = m.input([1, 2, 3, 8])
    m.write(m.op("DEPTH_TO_SPACE", [x], [[1, 4, 6, 2]], "DepthToSpace", block=2))
    m = Model("space_to_depth")
    x = m.input([1, 4, 6, 2])
    m.write(m.op("SPACE_TO_DEPTH", [x], [[1, 2, 3, 8]], "SpaceToDepth", block=2))


def choices():
    """Compare, choose, count; integers and bools are cast to floats, so that they can be looked at."""
    shape = [1, 3, 4, 5]
    for name in "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL":
        m = Model(name.lower())
        x, z = m.input(shape), m.input(shape)
        m.write(m.op("CAST", [m.op(name, [x, z], [shape], type="bool")], [shape]))
    for name in "LOGICAL_AND", "LOGICAL_OR":
        m = Model(name.lower())
        x, z = m.input(shape), m.input(shape)
        a, b = m.op("LESS", [x, z], [shape], type="bool"), m.op("LESS", [x, m.const([5])], [shape], type="bool")
        m.write(m.op("CAST", [m.op(name, [a, b], [shape], type="bool")], [shape]))
    m = Model("logical_not")
    x, z = m.input(shape), m.input(shape)
    a = m.op("LOGICAL_NOT", [m.op("LESS", [x, z], [shape], type="bool")], [shape], type="bool")
    m.write(m.op("CAST", [a], [shape]))
    for name in "REDUCE_ANY", "REDUCE_ALL":
        m = Model(name.lower())
        x, z = m.input(shape), m.input(shape)
        a = m.op("LESS", [x, z], [shape], type="bool")
        m.write(m.op("CAST", [m.op(name, [a, m.ints(1)], [[1, 4, 5]], "Reduce", type="bool")], [[1, 4, 5]]))
    m = Model("select")
    x, z = m.input([3, 4]), m.input([3, 4])
    m.write(m.op("SELECT", [m.const([3], [True, False, True], "bool"), x, z], [[3, 4]]))
    m = Model("select_v2")
    x, z = m.input(shape), m.input(shape)
    m.write(m.op("SELECT_V2", [m.op("LESS", [x, z], [shape], type="bool"), x, m.const([5])], [shape]))
    m = Model("where")
    x = m.input([4, 2])
    a = m.op("WHERE", [m.const([2, 3], [False, True, True, False, False, True], "bool")], [[3, 2]], type="i64")
    m.write([m.op("CAST", [a], [[3, 2]]), m.op("RELU", [x], [[4, 2]])])
    for name, axis, out in ("ARG_MAX", 3, [1, 3, 4]), ("ARG_MIN", 1, [1, 4, 5]):
        m = Model(name.lower())
        x = m.input(shape)
        m.write(m.op("CAST", [m.op(name, [x, m.ints(axis)], [out], type="i32")], [out]))
    m = Model("integer_inputs")
    x = m.input([4], "u8")
    m.write(m.op("MAXIMUM", [x, x], [[4]], type="u8"))
    m = Model("topk_v2")
    x = m.input(shape)
    a, b = m.op("TOPK_V2", [x, m.const([], [2], "i32")], [[1, 3, 4, 2]] * 2)
    m.tensors[b]["type"] = "i32"
    m.write([a, m.op("CAST", [b], [[1, 3, 4, 2]])])
    m = Model("one_hot")
    x = m.input(shape)
    a = m.op("ARG_MAX", [x, m.ints(3)], [[1, 3, 4]], type="i32")
    m.write(m.op("ONE_HOT", [a, m.const([], [5], "i32"), m.const([], [2.0]), m.const([], [-1.0])], [shape], "OneHot",
                 axis=-1))


def composed():
    shape = [1, 3, 4, 5]
    unary("log_softmax", "LOG_SOFTMAX")
    unary("local_response_normalization", "LOCAL_RESPONSE_NORMALIZATION", "Lrn", radius=1, bias=1.5, alpha=0.25, beta=0.75)
    unary("fake_quant", "FAKE_QUANT", "FakeQuant", min=-0.7, max=1.1, bits=4, narrow=True)
    unary("gelu", "GELU", "Gelu", by_tanh=False)
    unary("sign", "SIGN")
    binary("floor_div", "FLOOR_DIV")
    binary("floor_mod", "FLOOR_MOD")
    m = Model("floor_integers")
    x = m.input([6])
    a, c = m.ints(7, -7, 7, -7, 6, 0), m.ints(3, 3, -3, -3, 3, 5)
    d = m.op("CAST", [m.op("FLOOR_DIV", [a, c], [[6]], type="i32")], [[6]])
    r = m.op("CAST", [m.op("FLOOR_MOD", [a, c], [[6]], type="i32")], [[6]])
    m.write([m.op("ADD", [x, d], [[6]], "Add"), m.op("ADD", [x, r], [[6]], "Add")])
    m = Model("add_n")
    x, z = m.input(shape), m.input(shape)
    m.write(m.op("ADD_N", [x, z, x], [shape]))
    m = Model("batch_matmul")
    x, z = m.input([2, 3, 4]), m.input([2, 5, 4])
    m.write(m.op("BATCH_MATMUL", [x, z], [[2, 3, 5]], "BatchMatMul", adj_y=True))
    m = Model("cumsum")
    x = m.input([1, 3, 4, 5])
    m.write([m.op("CUMSUM", [x, m.ints(3)], [shape], "Cumsum"),
             m.op("CUMSUM", [x, m.ints(1)], [shape], "Cumsum", exclusive=True, reverse=True)])
    m = Model("l2_pool_2d")
    x = m.input([1, 6, 5, 2])
    m.write(m.op("L2_POOL_2D", [x], [[1, 3, 3, 2]], "Pool", padding="same", stride_h=2, stride_w=2, kernel_h=3,
                 kernel_w=3))
    m = Model("fully_connected_computed")
    x, z = m.input([2, 4]), m.input([3, 4])
    m.write(m.op("FULLY_CONNECTED", [x, z, -1], [[2, 3]], "FullyConnected"))


def sixteen_bits():
    q = {"scale": [0.125], "zero_point": [0]}
    m = Model("quantize_int16")
    x = m.input([1, 3, 4, 5])
    a = m.op("QUANTIZE", [x], [[1, 3, 4, 5]], type="i16", quant=q)
    a = m.op("RELU", [a], [[1, 3, 4, 5]], type="i16", quant=q)
    m.write(m.op("DEQUANTIZE", [a], [[1, 3, 4, 5]]))
    m = Model("zero_point_beyond")
    x = m.input([1, 4], "i8", quant={"scale": [0.5], "zero_point": [200]})
    m.write(m.op("DEQUANTIZE", [x], [[1, 4]]))
    m = Model("scale_nan")
    x = m.input([1, 4], "i8", quant={"scale": [float("nan")], "zero_point": [0]})
    m.write(m.op("DEQUANTIZE", [x], [[1, 4]]))


def packed():
    m = Model("densify")  # 3 x 4, rows dense, columns sparse; then 4 x 4 in blocks of 2 x 2, of which two are there
    x = m.input([3, 4])
    a = m.const([3, 4], [1.5, -2.0, 0.25, 4.0], sparsity={
        "order": [0, 1], "dims": [{"size": 3}, {"format": 1, "segments_type": "Int32s", "segments": {"values": [0, 1, 1, 4]},
                                              "indices_type": "Uint8s", "indices": {"values": [2, 0, 1, 3]}}]})
    m.buffers[-1]["data"] = list(struct.pack("<4f", 1.5, -2.0, 0.25, 4.0))
    c = m.const([4, 4], [1, 2, 3, 4, 5, 6, 7, 8], "i8", quant={"scale": [0.5], "zero_point": [0]}, sparsity={
        "order": [0, 1, 2, 3], "blocks": [0, 1], "dims": [
            {"size": 2}, {"format": 1, "segments_type": "Uint16s", "segments": {"values": [0, 1, 2]},
                          "indices_type": "Uint16s", "indices": {"values": [1, 0]}}, {"size": 2}, {"size": 2}]})
    y = m.op("ADD", [x, m.op("DENSIFY", [a], [[3, 4]])], [[3, 4]], "Add")
    w = m.op("DEQUANTIZE", [m.op("DENSIFY", [c], [[4, 4]], type="i8", quant={"scale": [0.5], "zero_point": [0]})], [[4, 4]])
    m.write([y, m.op("FULLY_CONNECTED", [x, w, -1], [[3, 4]], "FullyConnected")])
    m = Model("four_bits")
    x = m.input([1, 3])
    w = m.const([2, 3], [0x7f, 0x80, 0x21], "u8", quant={"scale": [0.5, 0.25], "zero_point": [0, 0]})  # -1 7 0 -8 1 2
    m.tensors[w]["type"] = "i4"
    m.write(m.op("FULLY_CONNECTED", [x, w, -1], [[1, 2]], "FullyConnected"))
    m = Model("sparse_beyond")  # an index behind the last column
    x = m.input([3, 4])
    a = m.const([3, 4], [1.0], sparsity={
        "order": [0, 1], "dims": [{"size": 3}, {"format": 1, "segments_type": "Int32s", "segments": {"values": [0, 9, 9, 9]},
                                              "indices_type": "Uint8s", "indices": {"values": [0, 1]}}]})
    m.write(m.op("ADD", [x, m.op("DENSIFY", [a], [[3, 4]])], [[3, 4]], "Add"))


def spaces():
    m = Model("space_to_batch_nd")
    x = m.input([1, 3, 4, 2])
    m.write(m.op("SPACE_TO_BATCH_ND", [x, m.ints(2, 2), m.const([2, 2], [1, 0, 0, 2], "i32")], [[4, 2, 3, 2]]))
    m = Model("batch_to_space_nd")
    x = m.input([1, 4, 6, 2])
    a = m.op("RESHAPE", [x, m.ints(4, 2, 3, 2)], [[4, 2, 3, 2]], "Reshape")
    m.write(m.op("BATCH_TO_SPACE_ND", [a, m.ints(2, 2), m.const([2, 2], [1, 0, 0, 2], "i32")], [[1, 3, 4, 2]]))
    for file, name, weights in ("dilated", "CONV_2D", [3, 3, 3, 2]), ("dilated_depthwise", "DEPTHWISE_CONV_2D", [1, 3, 3, 2]):
        m = Model(file)
        x = m.input([1, 7, 6, 2])
        out = weights[0] if name == "CONV_2D" else 2
        a = m.op("SPACE_TO_BATCH_ND", [x, m.ints(2, 2), m.const([2, 2], [2, 3, 2, 2], "i32")], [[4, 6, 5, 2]])
        a = m.op(name, [a, m.const(weights), m.const([out])], [[4, 4, 3, out]], "Conv" if out == 3 else "Depthwise",
                 padding="valid", stride_h=1, stride_w=1, act="relu")
        m.write(m.op("BATCH_TO_SPACE_ND", [a, m.ints(2, 2), m.const([2, 2], [0, 1, 0, 0], "i32")], [[1, 7, 6, out]]))
    m = Model("reverse_v2")
    x = m.input([1, 3, 4, 5])
    m.write(m.op("REVERSE_V2", [x, m.ints(3, 1)], [[1, 3, 4, 5]]))
    m = Model("gather_nd")
    x = m.input([3, 4, 2])
    m.write(m.op("GATHER_ND", [x, m.const([2, 2], [2, 1, 0, 3], "i32")], [[2, 2]]))
    m = Model("embedding_lookup")
    x = m.input([4, 3])
    m.write(m.op("EMBEDDING_LOOKUP", [m.ints(2, 0, 3), x], [[3, 3]]))
    m = Model("broadcast_to")
    x = m.input([3, 1])
    m.write(m.op("BROADCAST_TO", [x, m.ints(2, 3, 4)], [[2, 3, 4]]))
    m = Model("fill")
    x = m.input([2, 3])
    f = m.op("FILL", [m.ints(2, 3), m.const([], [1.5])], [[2, 3]])
    z = m.op("ZEROS_LIKE", [x], [[2, 3]])
    r = m.op("RANGE", [m.const([], [0.5]), m.const([], [2.0]), m.const([], [0.5])], [[3]])
    n = m.op("CAST", [m.op("RANK", [x], [[]], type="i32")], [[]])
    a = m.op("MUL", [m.op("ADD", [x, f], [[2, 3]], "Add"), m.op("ADD", [r, n], [[3]], "Add")], [[2, 3]], "Mul")
    m.write([a, m.op("ADD", [x, z], [[2, 3]], "Add")])
    m = Model("many_parts")  # more than a list of integers holds
    x = m.input([1, 2, 14])
    parts = m.op("UNPACK", [x], [[1, 2]] * 14, "Unpack", n=14, axis=2)
    halves = m.op("SPLIT", [m.const([], [2], "i32"), x], [[1, 2, 1]] * 14, "Split", n=14)
    m.write([m.op("ADD", [parts[13], parts[2]], [[1, 2]], "Add"), m.op("ADD", [halves[0], halves[12]], [[1, 2, 1]], "Add")])


def conv(m, x, shape, channels):
    return m.op("CONV_2D", [x, m.const([channels, 1, 1, shape[-1]])], [[*shape[:3], channels]], "Conv", padding="same",
                stride_h=1, stride_w=1)


def whole():
    """Models that are about the importer, not about one operator."""
    m = Model("chain")
    x = m.input([1, 4, 4, 3])
    a = conv(m, x, [1, 4, 4, 3], 2)
    a = m.op("RELU", [a], [[1, 4, 4, 2]])
    a = conv(m, a, [1, 4, 4, 2], 5)
    m.write(m.op("LOGISTIC", [a], [[1, 4, 4, 5]]))
    m = Model("unsupported")
    x = m.input([1, 4, 4, 3])
    a = m.op("MyMagic", [x], [[1, 4, 4, 3]], custom="MyMagic")
    b = m.op(300, [a], [[1, 4, 4, 3]])
    c = m.op("LSTM", [b], [[1, 4, 4, 3]])
    m.write(m.op("CONV_2D", [c, m.const([2, 1, 1, 3])], [[1, 4, 4, 2]], "Conv", padding="same"))  # stride 0
    m = Model("head_and_tail")  # three good operators between two bad ones, and a branch that is good to its end
    x = m.input([1, 4, 4, 3], name="picture")
    a = m.op("Decode", [x], [[1, 4, 4, 3]], custom="Decode")
    b = m.op("RELU", [a], [[1, 4, 4, 3]])
    c = conv(m, b, [1, 4, 4, 3], 2)
    d = m.op("ABS", [c], [[1, 4, 4, 2]])
    e = m.op("Postprocess", [c, d], [[1, 4]], custom="Postprocess")
    m.write([m.op("TANH", [d], [[1, 4, 4, 2]]), e])
    m = Model("nan")
    x = m.input([1, 4])
    m.write(m.op("ADD", [x, m.const([4], [0, 1, float("nan"), 2])], [[1, 4]], "Add"))
    m = Model("open_dimension")
    x = m.input([1, 1, 1, 3], signature=[-1, -1, -1, 3])
    m.write(conv(m, x, [1, 1, 1, 3], 2))
    m = Model("batch")
    x = m.input([4, 2, 2, 3])
    m.write(m.op("RESHAPE", [conv(m, x, [4, 2, 2, 3], 2), m.ints(4, 8)], [[4, 8]], "Reshape"))
    m = Model("out_of_order")
    x = m.input([1, 4])
    a = m.op("RELU", [x], [[1, 4]])
    m.write(m.op("ABS", [a], [[1, 4]]))
    m.ops.reverse()
    m.write(m.outputs)
    m = Model("cycle")
    x = m.input([1, 4])
    a = m.op("ADD", [x, x], [[1, 4]], "Add")
    b = m.op("ABS", [a], [[1, 4]])
    m.ops[0]["inputs"][1] = b
    m.write(b)
    m = Model("made_twice")
    x = m.input([1, 4])
    a = m.op("RELU", [x], [[1, 4]])
    b = m.op("ABS", [x], [[1, 4]])
    m.ops[1]["outputs"] = [a]
    m.write(a)
    m = Model("two_subgraphs")
    x = m.input([1, 4])
    m.write(m.op("RELU", [x], [[1, 4]]), [{"tensors": [], "inputs": [], "outputs": [], "operators": [], "name": "b"}])
    m = Model("version_4")
    x = m.input([1, 4])
    m.write(m.op("RELU", [x], [[1, 4]]), version=4)
    m = Model("wrong_shape")
    x = m.input([1, 4])
    m.write(m.op("RELU", [x], [[1, 5]]))
    m = Model("short_constant")
    x = m.input([1, 4])
    c = m.const([4])
    m.tensors[c]["shape"] = [5]
    m.write(m.op("ADD", [x, c], [[1, 4]], "Add"))
    m = Model("inside_nchw")
    x = m.input([1, 3, 4, 5])
    a = m.op("TRANSPOSE", [x, m.ints(0, 2, 3, 1)], [[1, 4, 5, 3]])
    a = conv(m, a, [1, 4, 5, 3], 2)
    a = m.op("TRANSPOSE", [a, m.ints(0, 3, 1, 2)], [[1, 2, 4, 5]])
    a = m.op("LEAKY_RELU", [a], [[1, 2, 4, 5]], "LeakyRelu", alpha=0.5)
    a = m.op("TRANSPOSE", [a, m.ints(0, 2, 3, 1)], [[1, 4, 5, 2]])
    a = conv(m, a, [1, 4, 5, 2], 2)
    m.write(m.op("TRANSPOSE", [a, m.ints(0, 3, 1, 2)], [[1, 2, 4, 5]]))
    m = Model("shuffle_nchw")  # of channels, before and behind which there are transpositions around a convolution
    x = m.input([1, 4, 3, 5])
    a = m.op("TRANSPOSE", [x, m.ints(0, 2, 3, 1)], [[1, 3, 5, 4]])
    a = m.op("TRANSPOSE", [conv(m, a, [1, 3, 5, 4], 6), m.ints(0, 3, 1, 2)], [[1, 6, 3, 5]])
    a = m.op("RESHAPE", [a, m.ints(1, 2, 3, 3, 5)], [[1, 2, 3, 3, 5]], "Reshape")
    a = m.op("TRANSPOSE", [a, m.ints(0, 2, 1, 3, 4)], [[1, 3, 2, 3, 5]])
    a = m.op("RESHAPE", [a, m.ints(1, 6, 3, 5)], [[1, 6, 3, 5]], "Reshape")
    a = m.op("TRANSPOSE", [a, m.ints(0, 2, 3, 1)], [[1, 3, 5, 6]])
    m.write(m.op("TRANSPOSE", [conv(m, a, [1, 3, 5, 6], 2), m.ints(0, 3, 1, 2)], [[1, 2, 3, 5]]))
    m = Model("bytes_nchw")
    x = m.input([1, 3, 4, 5], "u8")
    a = m.op("TRANSPOSE", [m.op("CAST", [x], [[1, 3, 4, 5]]), m.ints(0, 2, 3, 1)], [[1, 4, 5, 3]])
    a = conv(m, a, [1, 4, 5, 3], 2)
    m.write(m.op("TRANSPOSE", [a, m.ints(0, 3, 1, 2)], [[1, 2, 4, 5]]))
    m = Model("sequence")
    x = m.input([1, 6, 3])
    a = m.op("EXPAND_DIMS", [x, m.ints(1)], [[1, 1, 6, 3]])
    a = m.op("RESHAPE", [conv(m, a, [1, 1, 6, 3], 4), m.ints(1, 6, 4)], [[1, 6, 4]], "Reshape")
    a = m.op("ADD", [a, m.const([4])], [[1, 6, 4]], "Add")
    a = m.op("EXPAND_DIMS", [a, m.ints(2)], [[1, 6, 1, 4]])
    a = m.op("RESHAPE", [conv(m, a, [1, 6, 1, 4], 2), m.ints(1, 6, 2)], [[1, 6, 2]], "Reshape")
    m.write(m.op("SOFTMAX", [a], [[1, 6, 2]], "Softmax", beta=1.0))


def recurrent(name, suffix="", time_major=False, coupled=False, peepholes=False, cell_clip=0):
    """Tensor 0 is the input; the gates' operands follow in the order of TFLite's inputs, as far as there are some."""
    steps, batch, n_in, n_state = 3, 2, 4, 5
    m = Model(name.lower() + suffix)
    x = m.input([steps, batch, n_in] if time_major else [batch, steps, n_in])

    def state():
        return m.tensor([batch, n_state], variable=True)

    if name.endswith("RNN"):
        ins = [x, m.const([n_state, n_in]), m.const([n_state, n_state]), m.const([n_state]), state()]
        options = {"time_major": time_major, "act": "tanh"}
    else:
        gates = range(4)
        ins = [x] + [-1 if coupled and g == 0 else m.const([n_state, n_in]) for g in gates]
        ins += [-1 if coupled and g == 0 else m.const([n_state, n_state]) for g in gates]
        ins += [m.const([n_state]) if peepholes else -1 for g in range(3)]
        ins += [-1 if coupled and g == 0 else m.const([n_state]) for g in gates]
        ins += [-1, -1, state(), state()]
        options = {"act": "tanh", "cell_clip": cell_clip, "time_major": time_major}
    out = [steps, batch, n_state] if time_major else [batch, steps, n_state]
    m.write(m.op(name, ins, [out], "SequenceRnn" if name.endswith("RNN") else "SequenceLstm", **options))


def sequences():
    recurrent("UNIDIRECTIONAL_SEQUENCE_RNN")
    recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", cell_clip=0.5)
    recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", "_coupled", time_major=True, coupled=True)
    recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", "_peepholes", peepholes=True)


os.makedirs(os.path.join(FOLDER, "models"), exist_ok=True)
layers(), elements(), shapes(), moves(), choices(), composed(), spaces(), packed(), sixteen_bits(), sequences(), whole()
