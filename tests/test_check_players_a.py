"""Answers to exercises 00 to 03 that a player handed in and that once got no sentence or a wrong one.

Each is an edit of a right answer in loops, or a whole body; judged by what the student would read.
"""

import numpy as np
import pytest

from course_lib import check
from course_lib.check import sandbox
from course_lib.conv import conv2d, pad

CONV = """
N, C, H, W = x.shape
F, _, KH, KW = weight.shape
OH = (H + 2 * padding - KH) // stride + 1
OW = (W + 2 * padding - KW) // stride + 1
padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
y = np.zeros((N, F, OH, OW), x.dtype)
for n in range(N):
    for f in range(F):
        for i in range(OH):
            for j in range(OW):
                top, left = i * stride, j * stride
                window = padded[n, :, top : top + KH, left : left + KW]
                y[n, f, i, j] = (window * weight[f]).sum() + bias[f]
return y"""
STRIDED = """
sh, sw = stride
padded = pad(x, padding)
N, C, H, W = padded.shape
F, _, KH, KW = weight.shape
OH = (H - KH) // sh + 1
OW = (W - KW) // sw + 1
y = np.zeros((N, F, OH, OW), x.dtype)
for n, f, i, j in np.ndindex(y.shape):
    window = padded[n, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
    y[n, f, i, j] = (window * weight[f]).sum()
return y"""
PAD = """
(top, bottom), (left, right) = padding
N, C, H, W = x.shape
y = np.zeros((N, C, top + H + bottom, left + W + right), x.dtype)
y[:, :, top : top + H, left : left + W] = x
return y"""
CROP = """
(top, bottom), (left, right) = padding
H, W = x.shape[2:]
return x[:, :, top : H - bottom, left : W - right]"""
SAME = """
outputs = -(-size // stride)
total = max(0, (outputs - 1) * stride + kernel_size - size)
return total // 2, total - total // 2"""
MAX = """
N, C, H, W = x.shape
OH = (H - kernel_size) // stride + 1
OW = (W - kernel_size) // stride + 1
y = np.full((N, C, OH, OW), -np.inf, x.dtype)
for i in range(OH):
    for j in range(OW):
        for u in range(kernel_size):
            for v in range(kernel_size):
                pixel = x[:, :, i * stride + u, j * stride + v]
                y[:, :, i, j] = np.maximum(y[:, :, i, j], pixel)
return y"""
START = "np.full((N, C, OH, OW), -np.inf, x.dtype)"
AVG = """
N, C, H, W = x.shape
KH, KW = kernel_size
sh, sw = stride
OH = (H - KH) // sh + 1
OW = (W - KW) // sw + 1
y = np.zeros((N, C, OH, OW), x.dtype)
for n, c, i, j in np.ndindex(y.shape):
    window = x[n, c, i * sh : i * sh + KH, j * sw : j * sw + KW]
    y[n, c, i, j] = window.mean()
return y"""
SEARCH = """
(KH, KW), (sh, sw), (N, C, H, W) = kernel_size, stride, x.shape
OH, OW = (H - KH) // sh + 1, (W - KW) // sw + 1
choice = np.zeros((N, C, OH, OW), int)
for n, c, i, j in np.ndindex(choice.shape):
    best, where = x[n, c, i * sh, j * sw], 0
    for u in range(KH):
        for v in range(KW):
            pixel = x[n, c, i * sh + u, j * sw + v]
            if pixel > best:
                best, where = pixel, u * KW + v
    choice[n, c, i, j] = where
return choice"""
WEIGHT = """
C = x.shape[1]
KH, KW = kernel_size
weight = np.zeros((C, C, KH, KW), dtype=x.dtype)
for c in range(C):
    weight[c, c] = 1 / (KH * KW)
return weight"""
WINDOW = "return x[:, i - radius : i + radius + 1, j - radius : j + radius + 1]"
STANDARDISE = """
mean = x.mean(axis=(0, 2, 3), keepdims=True)
deviation = x.std(axis=(0, 2, 3), keepdims=True)
return (x - mean) / deviation"""
ONE_HOT = """
y = np.zeros((len(labels), classes))
for n, label in enumerate(labels):
    y[n, label] = 1
return y"""
MEANS = """
N, C, H, W = x.shape
means = np.zeros(C, dtype=x.dtype)
total = 0
for c in range(C):
    total = 0
    for n, i, j in np.ndindex(N, H, W):
        total += x[n, c, i, j]
    means[c] = total / (N * H * W)
return means"""
NCHW = """
N, H, W, C = images.shape
x = np.zeros((N, C, H, W), images.dtype)
for n, c, i, j in np.ndindex(x.shape):
    x[n, c, i, j] = images[n, i, j, c]
return x"""
SIZE = "return (size + 2 * padding - kernel_size) // stride + 1"

# task -> (a right answer, {mistake: edits of it, or a whole body})
WRONG = {
    "window": (WINDOW, {
        "radius fixed": "return x[:, i - 1 : i + 2, j - 1 : j + 2]",
        "size added to the centre": [("+ radius + 1", "+ 2 * radius")],
        "size for the end": [("i + radius", "2 * radius"), ("j + radius", "2 * radius")],
        "row for both": [("j", "i")],
        "swapped and end left out": "return x[:, j - radius : j + radius, i - radius : i + radius]",
        "axis lost": WINDOW + ".squeeze()",
        "written below 0": "y = np.zeros((len(x), 2 * radius + 1, 2 * radius + 1), x.dtype)\n"
        "for u in range(-radius, radius + 1):\n    for v in range(-radius, radius + 1):\n"
        "        y[:, u, v] = x[:, i + u, j + v]\nreturn y",
        "diagonal only": "k = np.arange(-radius, radius + 1)\nreturn x[:, i + k, j + k]",
    }),
    "scale": ("return images / 255", {
        "another divisor": [("255", "225")],
        "half precision": [("images", "images.astype(np.float16)")],
        "a mean subtracted": "return (images / 255 - 0.1307) / 0.3081",
        "divided in place": "images /= 255\nreturn images",
        "flattened": "return images.reshape(len(images), -1) / 255",
        "upside down": "return 255 / images",
    }),
    "standardise": (STANDARDISE, {
        "axis lost": [("x.std(axis=(0, 2, 3), keepdims=True)", "x.std(axis=(0, 2, 3))")],
        "one deviation for all channels": [("x.std(axis=(0, 2, 3), keepdims=True)", "x.std()")],
        "no mean, variance": [("(x - mean)", "x"), ("x.std", "x.var")],
        "something added": [("/ deviation", "/ (deviation + 0.1)")],
        "image for channel": "y = np.zeros_like(x)\nfor c in range(x.shape[1]):\n"
        "    y[:, c] = (x[:, c] - x[c].mean()) / x[c].std()\nreturn y",
        "last channel for all": "for c in range(x.shape[1]):\n"
        "    mean, deviation = x[:, c].mean(), x[:, c].std()\nreturn (x - mean) / deviation",
        "sign": [("x - mean", "mean - x")],
    }),
    "one_hot": (ONE_HOT, {
        "whole rows": [("y[n, label]", "y[label]")],
        "label for the row": [("y[n, label]", "y[label, label]")],
        "row and column swapped": [("n, label in", "label, n in")],
        "classes as rows": [("(len(labels), classes)", "(classes, len(labels))")],
        "ten classes": "return np.eye(10)[labels]",
        "loop over the classes": [("n, label in enumerate(labels)", "n in range(classes)"),
                                  ("y[n, label]", "y[n, labels[n]]")],
        "all labels in every row": [("y[n, label] = 1", "y[:, label] += 1")],
    }),
    "channel_means": (MEANS, {
        "carried on": [("    total = 0\n", "")],
        "brackets missing": [("(N * H * W)", "N * H * W")],
        "divided by the channels too": [("N * H * W", "N * C * H * W")],
        "image for channel": "return np.array([x[c].mean() for c in range(x.shape[1])])",
        "three channels": "return np.array([x[:, c].mean() for c in range(3)])",
        "axis left": "return x.mean(axis=(0, 2))",
    }),
    "to_nchw": (NCHW, {
        "unpacked in the new order": [("N, H, W, C =", "N, C, H, W =")],
        "height and width swapped": [("images[n, i, j, c]", "images[n, j, i, c]")],
        "three channels": "return images[..., :3].transpose(0, 3, 1, 2)",
        "colours reversed": "return images.transpose(0, 3, 1, 2)[:, [2, 1, 0]]",
        "reshaped": "N, H, W, C = images.shape\n"
        "return images.transpose(0, 2, 1, 3).reshape(N, C, H, W)",
    }),
    "conv2d": (CONV, {
        "rounded up": [("(H + 2 * padding - KH) //", "-(KH - H - 2 * padding) //"),
                       ("OH = -(KH - H - 2 * padding) // stride",
                        "OH = -((KH - H - 2 * padding) // stride)"),
                       ("OW = (W + 2 * padding - KW) // stride",
                        "OW = -((KW - W - 2 * padding) // stride)")],
        "+ 1 divided too": [("KH) // stride + 1", "KH + 1) // stride"),
                            ("KW) // stride + 1", "KW + 1) // stride")],
        "size without padding": [("(H + 2 * padding", "(H"), ("(W + 2 * padding", "(W")],
        "without padding only": [("2 * padding", "4 * padding")],
        "padding before only": [("2 * padding", "padding")],
        "cut from x": [("padded[n", "x[n")],
        "loops over the image": [("range(OH)", "range(H)"), ("range(OW)", "range(W)")],
        "stride in the loops": [("range(OH)", "range(0, OH, stride)"),
                                ("range(OW)", "range(0, OW, stride)"),
                                ("i * stride, j * stride", "i, j")],
        "end without the stride": [("top + KH", "i + KH"), ("left + KW", "j + KW")],
        "window one too small": [("top + KH", "top + KH - 1"), ("left + KW", "left + KW - 1")],
        "matrix product": [("window * weight[f]", "window @ weight[f]")],
        "added instead of multiplied": [("window * weight[f]", "window + weight[f]")],
        "total carried on": [("        for i in range(OH)",
                              "        total = 0\n        for i in range(OH)"),
                             ("y[n, f, i, j] = (window * weight[f]).sum()",
                              "total += (window * weight[f]).sum()\n"
                              "                y[n, f, i, j] = total")],
        "returned too early": [("\nreturn y", "\n        return y")],
        "product in place": [("(window * weight[f]).sum()",
                              "np.multiply(window, weight[f], out=window).sum()")],
        "bias along the columns": [(" + bias[f]", ""), ("return y", "return y + bias")],
        "all biases": [("bias[f]", "bias.sum()")],
        "filters second": [("F, _, KH", "_, F, KH"), ("weight[f]", "weight[:, f]")],
        "filter of the image": [("weight[f]", "weight[n]")],
        "minus zero": [("padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, "
                        "padding)))", "padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))"
                        "\npadded[:, :, padding:-padding, padding:-padding] = x")],
        "as large as x": [("np.zeros((N, F, OH, OW), x.dtype)", "np.zeros_like(x)")],
        "turned, without bias": [("weight[f])", "weight[f, :, ::-1, ::-1])"), (" + bias[f]", "")],
        "neither stride nor padding": [
            (" + 2 * padding", ""), ("// stride", ""), ("i * stride, j * stride", "i, j"),
            ("(padding, padding), (padding, padding)", "(0, 0), (0, 0)")],
    }),
    "output_size": (SIZE, {
        "brackets missing": "return size + 2 * padding - kernel_size // stride + 1",
        "two too few": [("+ 1", "- 1")],
        "last window left out": "return len(range(0, size + 2 * padding - kernel_size, stride))",
        'size of "same"': "return -(-size // stride)",
        "padding squared": [("2 * padding", "padding ** 2")],
        "padding is counted once (it lies on each side); you do not round down (// does, / does "
        "not)": [("2 * padding", "padding"), ("//", "/")],
        "padding is counted once (it lies on each side); the + 1 is divided, too": [
            ("2 * padding", "padding"), (") // stride + 1", " + 1) // stride")],
    }),
    "pad": (PAD, {
        "slice without its start": [("top : top + H, left : left + W", "top:H, left:W")],
        "slice one too long": [("top + H, left : left + W]", "top + H + 1, left : left + W + 1]")],
        "one further": [("top : top + H, left : left + W",
                         "top + 1 : top + H + 1, left + 1 : left + W + 1")],
        "one number for all sides": "p = padding[0][0]\n"
        "return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))",
        "one pair halved": "(t, b), (l, r) = padding\n"
        "return np.pad(x, ((0, 0), (0, 0), (t, b), (l, l)))",
        "copies of the edge": "return np.pad(x, ((0, 0), (0, 0), *padding), mode='reflect')",
    }),
    "same_padding": (SAME, {
        "half the kernel": "return kernel_size // 2, kernel_size // 2",
        "one more after": [("total - total // 2", "total // 2 + 1")],
        "kernel one too small": [("+ kernel_size", "+ kernel_size - 1")],
        "rounded to even": [("total // 2, total - total // 2",
                             "round(total / 2), total - round(total / 2)")],
        "none": "return 0, 0",
        "below zero, odd one before": [("max(0, ", "("), ("total // 2, total - total // 2",
                                                          "total - total // 2, total // 2")],
    }),
    "strided_conv2d": (STRIDED, {
        "padding counted again": [("(H - KH)", "(H + sum(padding[0]) - KH)"),
                                  ("(W - KW)", "(W + sum(padding[1]) - KW)")],
        "cut from x": [("padded[n", "x[n")],
        "step down for the columns": [("j * sw : j * sw", "j * sh : j * sh")],
        "steps swapped": [("i * sh : i * sh", "i * s : i * s"), ("j * sw : j * sw",
                                                                 "j * sh : j * sh"),
                          ("i * s :", "i * sw :"), ("i * s +", "i * sw +")],
        "kernel sides swapped": [("_, KH, KW", "_, KW, KH")],
        "height and width swapped": [("C, H, W", "C, W, H")],
        "thinned out": "return conv2d(pad(x, padding)[:, :, ::stride[0], ::stride[1]], weight)[0]",
        "all filters": [("weight[f]", "weight")],
        "images added up": [("padded[n", "padded[:")],
        "+ 1 divided too": [("KH) // sh + 1", "KH + 1) // sh"), ("KW) // sw + 1", "KW + 1) // sw")],
        "channels last": [("return y", "return y.transpose(0, 2, 3, 1)")],
    }),
    "crop": (CROP, {
        "height and width swapped": [("H, W =", "W, H =")],
        "sizes of other axes": [("shape[2:]", "shape[:2]")],
        "only where all are cut": "(t, b), (l, r) = padding\nif b == 0 or r == 0:\n    return x\n"
        "return x[:, :, t:-b, l:-r]",
        "one instead of none": "(t, b), (l, r) = padding\n"
        "return x[:, :, t : -max(b, 1), l : -max(r, 1)]",
        "minus zero, sides swapped": "(t, b), (l, r) = padding\nreturn x[:, :, b:-t, r:-l]",
        "columns from the start": [("left : W - right", "(left if right else 0) : W - right")],
    }),
    "max_pool2d": (MAX, {
        "starts at a number": [("-np.inf", "-1000")],
        "starts at the image's first pixel": [("-np.inf", "x[0, 0, 0, 0]")],
        "starts at the largest": [("-np.inf", "x.max()")],
        "first row and column skipped": [("in range(kernel", "in range(1, kernel")],
        "reshaped into windows": "N, C, H, W = x.shape\nk = kernel_size\nOH, OW = H // k, W // k\n"
        "x = x[:, :, : OH * k, : OW * k]\nreturn x.reshape(N, C, OH, OW, k, k).max((4, 5))",
        "stride inside the window": [("i * stride + u", "(i + u) * stride"),
                                     ("j * stride + v", "(j + v) * stride")],
        "row for both": [("j * stride + v", "i * stride + v")],
        "columns looped like rows": [("range(OW)", "range(OH)")],
        "stride in the size only, starts at 0": [
            (START, "np.zeros((N, C, OH, OW), x.dtype)"), ("i * stride + u", "i + u"),
            ("j * stride + v", "j + v")],
    }),
    "avg_pool2d": (AVG, {
        "size from the other side": [("(W - KW)", "(W - KH)")],
        "window of the other side": [("j * sw + KW", "j * sw + KH")],
        "steps of the other side": [("j * sw : j * sw", "j * sh : j * sh")],
        "both pairs swapped": [("KH, KW =", "KW, KH ="), ("sh, sw =", "sw, sh =")],
        "brackets missing": [("window.mean()", "window.sum() / KH * KW")],
        "divided by 4": [("window.mean()", "window.sum() / 4")],
        "means of means": [("    y[n, c, i, j] = window.mean()", "    for pixel in window.flat:\n"
                            "        y[n, c, i, j] = (y[n, c, i, j] + pixel) / 2")],
        "ends at the size": [("i * sh : i * sh + KH, j * sw : j * sw + KW",
                              "i * sh : KH, j * sw : KW")],
    }),
    "argmax_of_windows": (SEARCH, {
        "starts at a number": [("best, where = x[n, c, i * sh, j * sw], 0",
                                "best, where = -128, 0")],
        "largest not remembered": [("best, where = pixel, u", "where = u")],
        "search goes on": [("    best, where = x[n, c, i * sh, j * sw], 0\n", ""),
                           ("for n, c, i", "best, where = -np.inf, 0\nfor n, c, i")],
        "last, by columns": [("pixel > best", "pixel >= best"), ("u * KW + v", "v * KW + u")],
        "last, starts at 0": [("x[n, c, i * sh, j * sw], 0", "0, 0"), ("> best", ">= best")],
        "address in the image": [("u * KW + v", "(i * sh + u) * KW + j * sw + v")],
        "row and column instead of an address": [
            ("(N, C, OH, OW)", "(N, C, OH, OW, 2)"), ("choice.shape", "choice.shape[:4]"),
            ("j * sw], 0", "j * sw], (0, 0)"), ("u * KW + v", "(u, v)")],
    }),
    "average_weight": (WEIGHT, {
        "brackets missing": [("(KH * KW)", "KH * KW")],
        "divided by 4": [("(KH * KW)", "4")],
        "first channel for all": [("weight[c, c]", "weight[c, 0]")],
        "all channels into the first filter": [("weight[c, c]", "weight[0, c]")],
        "last filter missing": [("range(C)", "range(C - 1)")],
        "channels from another axis": [("x.shape[1]", "x.shape[-1]")],
        "one cell": [("weight[c, c]", "weight[c, c, 0, 0]")],
        "other slices not 0": [("np.zeros", "np.ones")],
    }),
    "repaired_pool": (MAX, {
        "starts at a number": [("-np.inf", "-5")],  # was accepted: no case was below -5
        "starts at infinity": [("-np.inf", "np.inf")],
        "rows of the stride": [("u in range(kernel_size)", "u in range(stride)")],
        "stride as window, starts at 0": [("range(kernel_size)", "range(stride)"),
                                          (START, "np.zeros((N, C, OH, OW), x.dtype)")],
        "half of it, starts at 0": [("v in range(kernel_size)", "v in range(stride)"),
                                    (START, "np.zeros((N, C, OH, OW), x.dtype)")],
        "kernel minus stride": [("range(kernel_size)", "range(kernel_size - stride)")],
        "returned too early, from −∞ on": [("\nreturn y", "\n    return y")],
    }),
}
RIGHT = {
    "standardise": [STANDARDISE.replace("/ deviation", "/ (deviation + 1e-8)"),
                    "v = x.var(axis=(0, 2, 3), keepdims=True)\n"
                    "return (x - x.mean(axis=(0, 2, 3), keepdims=True)) / np.sqrt(v + 1e-5)"],
    "scale": ["return (np.arange(256) / 255).astype(np.float32)[images]"],
    "conv2d": ["x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))\n"
               "(H, W), (KH, KW) = x.shape[2:], weight.shape[2:]\n"
               "y = np.fft.rfft2(x)[:, None] * np.conj(np.fft.rfft2(weight, (H, W)))\n"
               "y = np.fft.irfft2(y.sum(2), (H, W))[:, :, : H - KH + 1, : W - KW + 1]\n"
               "return (y[:, :, ::stride, ::stride] + bias[:, None, None]).astype(x.dtype)"],
    "same_padding": [SAME.replace("return total", "return [total").rstrip() + "]"],
    "output_size": ["return np.floor((size + 2 * padding - kernel_size) / stride) + 1"],
    "max_pool2d": [MAX.replace("-np.inf", "x.min()"), MAX.replace("-np.inf", "-1e30")],
    "crop": [CROP.replace("H - bottom", "-bottom or None").replace("W - right", "-right or None")],
    "avg_pool2d": ["(KH, KW), (sh, sw) = kernel_size, stride\n"
                   "s = np.pad(x.astype(float).cumsum(2).cumsum(3), ((0, 0), (0, 0), (1, 0), "
                   "(1, 0)))\ny = s[:, :, KH:, KW:] - s[:, :, :-KH, KW:] - s[:, :, KH:, :-KW]\n"
                   "return ((y + s[:, :, :-KH, :-KW])[:, :, ::sh, ::sw] / KH / KW).astype(x.dtype)"],
}
ANSWERS = [(name, mistake) for name, (_, wrong) in WRONG.items() for mistake in wrong]
PASSING = [(name, n) for name in WRONG for n in range(1 + len(RIGHT.get(name, ())))]


@pytest.fixture(autouse=True)
def quickly(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)  # test_check.py tests the fork


def handed_in(name, body):
    """Return the function with the task's arguments and this body."""
    arguments = ", ".join(check.TASKS[name].argument_names)
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    namespace = {"np": np, "conv2d": conv2d, "pad": pad}
    exec(f"def my_answer({arguments}):\n{lines}\n", namespace)  # noqa: S102  (our own text)
    return namespace["my_answer"]


def edited(body, edits):
    for old, new in edits:
        assert old in body, old
        body = body.replace(old, new)
    return body


@pytest.mark.parametrize("name, mistake", ANSWERS)
def test_a_wrong_answer_is_told_what_is_wrong(name, mistake, capfd):
    right, wrong = WRONG[name]
    body = wrong[mistake] if isinstance(wrong[mistake], str) else edited(right, wrong[mistake])
    result = getattr(check, name)(handed_in(name, body))
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == mistake, out
    assert "in the case below, " not in out and err == ""


@pytest.mark.parametrize("name, n", PASSING)
def test_a_right_answer_passes(name, n):
    result = getattr(check, name)(handed_in(name, [WRONG[name][0], *RIGHT.get(name, ())][n]))
    assert result.passed, result.message
