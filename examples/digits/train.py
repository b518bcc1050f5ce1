#!/usr/bin/python3
"""Trains the digits example and writes what the demo needs: digits.tflite, calib/, test/, labels.csv.

Nobody needs to run this to try the example: its results are in the repository. It is here so that they can be
made again, on Debian 12 with: apt-get install python3-torch python3-sklearn flatbuffers-compiler

    python3 examples/digits/train.py

The data are the 1797 handwritten digits of 8x8 pixels that come with scikit-learn, enlarged to 32x32.
"""
import csv
import json
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = HERE.parent.parent / "tests" / "import" / "tflite.fbs"
N_TEST, N_CALIB, SIZE, EPOCHS = 300, 40, 32, 40


def pictures():
    """All digits as bytes [n][32][32], in an order that is random but always the same, and their labels."""
    data, labels = load_digits(return_X_y=True)
    small = torch.tensor(data, dtype=torch.float32).reshape(-1, 1, 8, 8) * (255 / 16)
    large = functional.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    order = np.random.default_rng(1).permutation(len(labels))
    return large.round().numpy().astype(np.uint8)[order, 0], labels[order]


class Block(nn.Module):
    """A convolution, batch norm and ReLU; folded() gives the weights and bias that do both."""

    def __init__(self, n_in, n_out, kernel, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x):
        return functional.relu(self.norm(self.conv(x)))

    def folded(self):
        factor = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        weights = self.conv.weight * factor[:, None, None, None]
        return weights.detach().numpy(), (self.norm.bias - self.norm.running_mean * factor).detach().numpy()


class Net(nn.Module):
    """From 1x32x32 to ten numbers; maps stay at 4x4 or more, as the KPU wants them."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleDict({
            "conv1": Block(1, 8, 3),
            "conv2": Block(8, 16, 3, stride=2),
            "depthwise": Block(16, 16, 3, groups=16),
            "pointwise": Block(16, 32, 1),
            "conv3": Block(32, 32, 3, stride=2),
            "conv4": Block(32, 64, 3, stride=2),
        })
        self.dense = nn.Linear(64, 10)

    def forward(self, x):
        for block in self.blocks.values():
            x = block(x)
        return self.dense(x.mean((2, 3)))


def train(images, labels):
    torch.manual_seed(1)
    torch.set_num_threads(1)  # sums in one order: the same weights every time
    net = Net()
    optimiser = torch.optim.Adam(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(images)).split(32):
            dy, dx = torch.randint(-2, 3, (2,)).tolist()
            loss = functional.cross_entropy(net(images[batch].roll((dy, dx), (2, 3))), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        schedule.step()
        print(f"epoch {epoch + 1:2d} of {EPOCHS}: loss {total / len(images):.4f}")
    return net.eval()


class Tflite:
    """Collects a model in the words of the schema; flatc turns them into a file."""

    CODES = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 9, "SOFTMAX": 25, "PAD": 34, "MEAN": 40}

    def __init__(self):
        self.tensors, self.buffers, self.operators = [], [{}], []

    def tensor(self, name, shape, kind="f32", buffer=0):
        self.tensors.append({"shape": list(shape), "type": kind, "buffer": buffer, "name": name})
        return len(self.tensors) - 1

    def constant(self, name, array):
        kind = {"float32": "f32", "int32": "i32"}[str(array.dtype)]
        self.buffers.append({"data": list(array.tobytes())})
        return self.tensor(name, array.shape, kind, len(self.buffers) - 1)

    def operator(self, code, inputs, shape, kind=None, **options):
        output = self.tensor(f"{code.lower()}_{len(self.operators)}", shape)
        operator = {"code_index": list(self.CODES).index(code), "inputs": inputs, "outputs": [output]}
        if kind:
            operator |= {"options_type": kind, "options": options}
        self.operators.append(operator)
        return output

    def write(self, path, x, y):
        graph = {"tensors": self.tensors, "inputs": [x], "outputs": [y], "operators": self.operators, "name": "digits"}
        model = {"version": 3, "operator_codes": [{"short_code": n, "code": n} for n in self.CODES.values()],
                 "subgraphs": [graph], "buffers": self.buffers, "description": "handwritten digits, 32x32"}
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "digits.json"
            text.write_text(json.dumps(model))
            subprocess.run(["flatc", "-b", "-o", folder, str(SCHEMA), str(text)], check=True)
            shutil.copy(text.with_suffix(".tflite"), path)


def add_block(model, x, block, name):
    """A convolution and its ReLU. Stride 2 pads one pixel on all sides, which TFLite writes as a PAD before it."""
    layer, (weights, bias) = block.conv, block.folded()
    size, stride, padding = model.tensors[x]["shape"][1], layer.stride[0], "same"
    if stride == 2:
        amounts = model.constant(name + "_pads", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
        x = model.operator("PAD", [x, amounts], [1, size + 2, size + 2, layer.in_channels])
        size, padding = size // 2, "valid"
    depthwise = layer.groups > 1
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    inputs = [x, model.constant(name + "_weights", weights.transpose(order).copy()),
              model.constant(name + "_bias", bias)]
    options = {"padding": padding, "stride_w": stride, "stride_h": stride, "act": "relu"}
    if depthwise:
        options["multiplier"] = 1
    code, kind = ("DEPTHWISE_CONV_2D", "Depthwise") if depthwise else ("CONV_2D", "Conv")
    return model.operator(code, inputs, [1, size, size, layer.out_channels], kind, **options)


def export(net, path):
    model = Tflite()
    image = x = model.tensor("image", [1, SIZE, SIZE, 1])
    for name, block in net.blocks.items():
        x = add_block(model, x, block, name)
    axes = model.constant("axes", np.array([1, 2], np.int32))
    x = model.operator("MEAN", [x, axes], [1, 64], "Reduce", keep_dims=False)
    weights, bias = (p.detach().numpy() for p in (net.dense.weight, net.dense.bias))
    inputs = [x, model.constant("dense_weights", weights), model.constant("dense_bias", bias)]
    x = model.operator("FULLY_CONNECTED", inputs, [1, 10], "FullyConnected")
    x = model.operator("SOFTMAX", [x], [1, 10], "Softmax", beta=1.0)
    model.write(path, image, x)


def write_pictures(folder, images, labels):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for i, (image, label) in enumerate(zip(images, labels)):
        header = f"P5\n{SIZE} {SIZE}\n255\n".encode()
        (folder / f"{i:03d}_{label}.pgm").write_bytes(header + image.tobytes())


def main():
    images, labels = pictures()
    x, y = torch.tensor(images, dtype=torch.float32)[:, None] / 255, torch.tensor(labels)
    net = train(x[N_TEST:], y[N_TEST:])
    with torch.no_grad():
        right = int((net(x[:N_TEST]).argmax(1) == y[:N_TEST]).sum())
    print(f"test: {right} of {N_TEST} right, {right / N_TEST:.2%}")
    if right < 0.97 * N_TEST:
        raise SystemExit("that is too few to be worth writing")

    export(net, HERE / "digits.tflite")
    write_pictures(HERE / "test", images[:N_TEST], labels[:N_TEST])
    write_pictures(HERE / "calib", images[N_TEST:N_TEST + N_CALIB], labels[N_TEST:N_TEST + N_CALIB])
    with open(HERE / "labels.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["sample", "label"])
        rows.writerows([f"{i:03d}_{label}", label] for i, label in enumerate(labels[:N_TEST]))


if __name__ == "__main__":
    main()
