"""The checks of exercise 04 judge right, wrong and misbehaving answers, all written by hand."""

import importlib
import time

import numpy as np
import pytest

from course_lib import check
from course_lib.check import sandbox

topic = importlib.import_module("course_lib.check.dense")
TASKS = {task.id.partition("/")[2]: task for task in topic.TASKS}


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))


def answer(arguments, body):
    """Return the function that a student wrote with these arguments and this body."""
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    namespace = {"np": np, "rows": topic.rows}
    exec(f"def my_answer({arguments}):\n{lines}\n", namespace)  # noqa: S102  (our own text)
    return namespace["my_answer"]


def edited(base, edits):
    """Return a body after replacing each (old, new), which must occur."""
    for old, new in edits:
        assert old in base, old
        base = base.replace(old, new)
    return base


# One body in loops for each task; the mistakes below are edits of it.
LOOPS = {
    "flatten": """
N, C, H, W = x.shape
y = np.zeros((N, C * H * W), dtype=x.dtype)
for n in range(N):
    for c in range(C):
        for i in range(H):
            for j in range(W):
                y[n, (c * H + i) * W + j] = x[n, c, i, j]
return y""",
    "unflatten": """
N = len(y)
x = np.zeros((N, C, H, W), dtype=y.dtype)
for n in range(N):
    for c in range(C):
        for i in range(H):
            for j in range(W):
                x[n, c, i, j] = y[n, (c * H + i) * W + j]
return x""",
    "dense_layer": """
N, I = x.shape
O = weight.shape[1]
y = np.zeros((N, O), dtype=x.dtype)
for n in range(N):
    for o in range(O):
        total = bias[o]
        for i in range(I):
            total += x[n, i] * weight[i, o]
        y[n, o] = total
return y""",
    "relu": """
y = np.zeros(x.shape, dtype=x.dtype)
for place in np.ndindex(x.shape):
    value = x[place]
    y[place] = value if value > 0 else 0
return y""",
    "leaky_relu": """
y = np.zeros(x.shape, dtype=x.dtype)
for place in np.ndindex(x.shape):
    value = x[place]
    y[place] = value if value > 0 else alpha * value
return y""",
    "sigmoid": """
y = np.zeros(x.shape, dtype=x.dtype)
for place in np.ndindex(x.shape):
    z = x[place]
    if z >= 0:
        y[place] = 1 / (1 + np.exp(-z))
    else:
        y[place] = np.exp(z) / (1 + np.exp(z))
return y""",
    "tanh": """
y = np.zeros(x.shape, dtype=x.dtype)
for place in np.ndindex(x.shape):
    e = np.exp(-2 * abs(x[place]))
    value = (1 - e) / (1 + e)
    y[place] = value if x[place] > 0 else -value
return y""",
    "log_sum_exp": """
N, K = x.shape
y = np.zeros(N, dtype=x.dtype)
for n in range(N):
    m = max(x[n])
    total = 0
    for k in range(K):
        total += np.exp(x[n, k] - m)
    y[n] = np.log(total) + m
return y""",
    "cross_entropy": """
N, K = logits.shape
loss = 0
for n in range(N):
    m = max(logits[n])
    total = 0
    for k in range(K):
        total += np.exp(logits[n, k] - m)
    loss += np.log(total) + m - logits[n, labels[n]]
return loss / N""",
    "softmax": """
N, K = logits.shape
p = np.zeros((N, K), dtype=logits.dtype)
for n in range(N):
    m = logits[n].max()
    for k in range(K):
        p[n, k] = np.exp(logits[n, k] - m)
    p[n] = p[n] / p[n].sum()
return p""",
    "network_text": """
N, C, H, W = x.shape
return rows(f'''6
Input shape={C}x{H}x{W}
Conv2D filters=6 kernel=5x3 activation=relu
MaxPool2D pool=2x2
Conv2D filters=12 kernel=3x3 stride=2 padding=same activation=relu
Dense units=20 activation=relu
Dense units=10 activation=softmax''')""",
}
SEPARATE = """
N, C, H, W = x.shape
text = f'''9
    Input shape={C}x{H}x{W}
    Conv2D kernel=5x3 filters=6
    ReLU
    MaxPool2D pool=2x2 stride=2
    Conv2D filters=12 kernel=3x3
     padding=same stride=2 activation=relu
    Flatten
    Dense units=20 activation=relu
    Dense units=10
    Softmax
    '''
return rows(text)"""
MORE = {  # other right answers
    "flatten": ["return x.reshape(len(x), -1)", "return np.array([image.ravel() for image in x])",
                "return x.reshape(x.shape[0], x[0].size)",
                "N, C, *_ = x.shape\n"
                "return np.concatenate([x[:, c].reshape(N, -1) for c in range(C)], axis=1)",
                "return np.einsum('nchw->nchw', x).reshape(len(x), -1)"],
    "unflatten": ["return y.reshape(-1, C, H, W)",
                  "return np.array([row.reshape(C, H, W) for row in y])",
                  "return np.stack(np.split(y, C, axis=1), 1).reshape(-1, C, H, W)",
                  "return np.ascontiguousarray(y).reshape((len(y), C, H, W))"],
    "dense_layer": ["return x @ weight + bias", "return np.einsum('ni,io->no', x, weight) + bias",
                    "return (x[:, :, None] * weight).sum(axis=1) + bias",
                    "return np.tensordot(x, weight, 1) + bias", "return (weight.T @ x.T).T + bias",
                    "f = np.float32\n"
                    "return (x.astype(f) @ weight.astype(f) + bias.astype(f)).astype(x.dtype)"],
    "relu": ["return np.maximum(x, 0)", "return np.where(x > 0, x, 0).astype(x.dtype)",
             "return x * (x > 0)", "return (x + abs(x)) / 2", "return np.clip(x, 0, None)",
             "y = x.copy()\ny[y < 0] = 0\nreturn y"],
    "leaky_relu": ["return np.where(x > 0, x, alpha * x).astype(x.dtype)",
                   "return np.maximum(x, 0) + x.dtype.type(alpha) * np.minimum(x, 0)",
                   "y = x.copy()\ny[y < 0] *= alpha\nreturn y",
                   "return x * np.where(x > 0, 1, alpha).astype(x.dtype)"],
    "sigmoid": ["return 1 / (1 + np.exp(-x))", "return (1 + np.tanh(x / 2)) / 2",
                "s = np.exp(-np.abs(x))\nreturn np.where(x >= 0, 1, s) / (1 + s)",
                "return np.exp(-np.logaddexp(0, -x))",
                "return 1 / (1 + np.exp(-np.clip(x, -80, 80)))"],
    "tanh": ["return np.tanh(x)", "return 2 / (1 + np.exp(-2 * x)) - 1",
             "z = np.clip(x, -40, 40)\n"
             "return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))",
             "e = np.exp(-2 * np.abs(x))\nreturn np.sign(x) * (1 - e) / (1 + e)"],
    "log_sum_exp": ["m = x.max(1, keepdims=True)\n"
                    "return (m + np.log(np.exp(x - m).sum(1, keepdims=True)))[:, 0]",
                    "return np.logaddexp.reduce(x, axis=1)",
                    "m = x.max(axis=1)\nreturn m + np.log(np.exp(x.T - m).sum(axis=0))",
                    "y = x[:, 0]\nfor k in range(1, x.shape[1]):\n"
                    "    y = np.logaddexp(y, x[:, k])\nreturn y"],
    "cross_entropy": ["N = len(labels)\nright = logits[np.arange(N), labels]\n"
                      "return (np.logaddexp.reduce(logits, axis=1) - right).mean()",
                      "s = logits - logits.max(1, keepdims=True)\n"
                      "p = s - np.log(np.exp(s).sum(1, keepdims=True))\n"
                      "return -np.mean([row[label] for row, label in zip(p, labels)])",
                      "hot = np.eye(logits.shape[1])[labels]\n"
                      "s = logits - logits.max(1, keepdims=True)\n"
                      "return float((np.log(np.exp(s).sum(1)) - (hot * s).sum(1)).mean())",
                      "right = np.take_along_axis(logits, labels[:, None], 1)\n"
                      "return np.logaddexp.reduce(logits - right, axis=1).mean()"],
    "softmax": ["e = np.exp(logits - logits.max(1, keepdims=True))\n"
                "return e / e.sum(1, keepdims=True)",
                "e = np.exp(logits.T - logits.max(axis=1))\nreturn (e / e.sum(axis=0)).T",
                "return np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])",
                "rows = []\nfor z in logits:\n    e = np.exp(z - max(z))\n"
                "    rows.append(e / sum(e))\nreturn np.array(rows, dtype=logits.dtype)"],
    "network_text": [SEPARATE, edited(LOOPS["network_text"], [("pool=2x2", "stride=2 pool=2x2")]),
                     edited(LOOPS["network_text"], [("5x3", "5x3 stride=1 bias=true"),
                                                    ("activation=softmax", "\nSoftmax"),
                                                    ("'''6", "'''7")]),
                     edited(LOOPS["network_text"], [("'''6", "'''\n# a network\n6")])],
}
INDEX = "(c * H + i) * W + j"
POWER, DONE = "np.exp(logits[n, k] - m)", "p[n] = p[n] / p[n].sum()"
TYPICAL = {  # mistake -> how students write it, as edits of the loops or as a whole body
    "flatten": [
        ("batch flattened too", "return x.flatten()"), ("batch flattened too", "return x.ravel()"),
        ("pixels before channels", [(INDEX, "(i * W + j) * C + c")]),
        ("columns before rows", [(INDEX, "(c * W + j) * H + i")]),
        ("first axis fastest", "return x.reshape((len(x), -1), order='F')"),
        ("axes the wrong way round", [("return y", "return y.T")]),
        ("channels kept", "N, C, H, W = x.shape\nreturn x.reshape(N, C, H * W)"),
        ("rows kept", "N, C, H, W = x.shape\nreturn x.reshape(N, C * H, W)"),
        ("first channel only", "return x[:, 0].reshape(len(x), -1)"),
        ("channels added up", "return x.sum(1).reshape(len(x), -1)"),
        ("images mixed", "return x.transpose(1, 0, 2, 3).reshape(len(x), -1)"),
        ("first image only", [("range(N)", "range(1)")]),
        ("first image everywhere", [("x[n, c", "x[0, c")]),
        ("all zeros", [(f"y[n, {INDEX}] = x[n, c, i, j]", "pass")]),
    ],
    "unflatten": [
        ("channels taken last", [(INDEX, "(i * W + j) * C + c")]),
        ("channels last", "return y.reshape(len(y), H, W, C)"),
        ("height and width swapped", "return y.reshape(len(y), C, W, H)"),
        ("columns before rows", [(INDEX, "(c * W + j) * H + i")]),
        ("first axis fastest", "return y.reshape((len(y), C, H, W), order='F')"),
        ("images and channels swapped", "return y.reshape(C, -1, H, W)"),
        ("channel axis missing", "return y.reshape(-1, H, W)"),
        ("batch axis missing", "return y[0].reshape(C, H, W)"),
        ("not changed", "return y"),
        ("first image only", [("range(N)", "range(1)")]),
        ("first image everywhere", [("= y[n,", "= y[0,")]),
        ("all zeros", [(f"x[n, c, i, j] = y[n, {INDEX}]", "pass")]),
    ],
    "dense_layer": [
        ("bias forgotten", [("total = bias[o]", "total = 0")]),
        ("bias once per input", [("total = bias[o]", "total = 0"),
                                 ("weight[i, o]", "weight[i, o] + bias[o]")]),
        ("bias subtracted", [("= total", "= total - 2 * bias[o]")]),
        ("first bias everywhere", [("bias[o]", "bias[0]")]),
        ("weight transposed", "return x @ weight.T + bias"),
        ("last input only", [("total += ", "total = bias[o] + ")]),
        ("first input only", [("range(I)", "range(1)")]),
        ("last input left out", [("range(I)", "range(I - 1)")]),
        ("weights ignored", [(" * weight[i, o]", "")]),
        ("first weights everywhere", [("weight[i, o]", "weight[i, 0]")]),
        ("outputs as rows", [("return y", "return y.T")]),
        ("negative values cut off", [("= total", "= max(total, 0)")]),
        ("first image only", [("range(N)", "range(1)")]),
        ("first image everywhere", [("x[n, i]", "x[0, i]")]),
        ("whole numbers", [("dtype=x.dtype", "dtype=int")]),
        ("mean over inputs", "return np.mean(x[:, :, None] * weight, axis=1) + bias"),
        ("images added up", "return (x @ weight).sum(axis=0) + np.zeros((len(x), 1)) + bias"),
    ],
    "relu": [
        ("wrong side kept", [("> 0", "< 0")]), ("absolute value", [("else 0", "else -value")]),
        ("mask returned", "return (x > 0).astype(x.dtype)"),
        ("leaky", [("else 0", "else 0.01 * value")]), ("not bent", "return x.copy()"),
        ("capped at 1", "return np.clip(x, 0, 1)"), ("bend at 1", [("> 0", ">= 1")]),
        ("softplus", "return np.log(1 + np.exp(x))"), ("zero becomes one", [("else 0", "else 1")]),
        ("sign flipped", "return np.maximum(0, -x)"), ("sign returned", "return np.sign(x)"),
        ("whole numbers", [("dtype=x.dtype", "dtype=int")]),
        ("all zeros", [("value if value > 0 else 0", "0")]),
    ],
    "leaky_relu": [
        ("alpha ignored", [("alpha * value", "0")]), ("always 0.01", [("alpha *", "0.01 *")]),
        ("both sides", "return alpha * x"), ("sides swapped", [("> 0", "< 0")]),
        ("sign flipped", [("alpha *", "-alpha *")]), ("alpha itself", [("alpha * value", "alpha")]),
        ("alpha added", [("alpha * value", "alpha + value")]),
        ("alpha subtracted", [("alpha * value", "value - alpha")]),
        ("one minus alpha", [("alpha *", "(1 - alpha) *")]),
        ("maximum", "return np.maximum(x, alpha * x)"),
        ("minimum", "return np.minimum(alpha * x, x)"),
        ("alpha itself", "return np.maximum(x, alpha)"), ("not bent", "return +x"),
        ("whole numbers", [("dtype=x.dtype", "dtype=int")]),
    ],
    "sigmoid": [
        ("exponential too large", "return np.exp(x) / (1 + np.exp(x))"),
        ("exponential too large", [("1 / (1 + np.exp(-z))", "np.exp(z) / (np.exp(z) + 1)")]),
        ("sign flipped", "return 1 / (1 + np.exp(x))"),
        ("sign flipped", "s = np.exp(-np.abs(x))\nreturn np.where(x < 0, 1, s) / (1 + s)"),
        ("one half only, upper", "return 1 / (1 + np.exp(-np.abs(x)))"),
        ("one half only, lower", "e = np.exp(-np.abs(x))\nreturn e / (1 + e)"),
        ("not divided", "return 1 / 1 + np.exp(-x)"),
        ("minus below", "return 1 / (1 - np.exp(-x))"), ("exponential alone", "return np.exp(x)"),
        ("tanh", "return np.tanh(x)"), ("step", "return np.where(x > 0, 1.0, 0.0)"),
        ("step", [("1 / (1 + np.exp(-z))", "1"), ("np.exp(z) / (1 + np.exp(z))", "0")]),
        ("derivative", "s = (1 + np.tanh(x / 2)) / 2\nreturn s * (1 - s)"),
        ("all zeros", "return np.zeros_like(x)"),
    ],
    "tanh": [
        ("exponential too large", "return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))"),
        ("exponential too large", "return (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)"),
        ("sigmoid of x", "return 2 / (1 + np.exp(-x)) - 1"),
        ("not shifted", "return 1 / (1 + np.exp(-2 * x))"),
        ("stretched only", "return 2 / (1 + np.exp(-2 * x))"),
        ("sigmoid", "return 1 / (1 + np.exp(-x))"), ("sign flipped", [("> 0", "< 0")]),
        ("sign lost", [("-value", "value")]), ("upside down", [("(1 - e) / (1 + e)",
                                                               "(1 + e) / (1 - e)")]),
        ("not divided", "return np.exp(x) - np.exp(-x)"),
        ("cut off", "return np.clip(x, -1, 1)"), ("sign only", "return np.sign(x)"),
        ("tanh of 2x", [("-2 *", "-4 *")]), ("sigmoid of x", [("-2 *", "-")]),
    ],
    "log_sum_exp": [
        ("exponential too large", "return np.log(np.exp(x).sum(axis=1))"),
        ("exponential too large", [("max(x[n])", "0")]),
        ("one maximum for all", [("max(x[n])", "x.max()")]),
        ("first taken out", [("max(x[n])", "x[n, 0]")]),
        ("first taken out", [("max(x[n])", "x[n, -1]")]),
        ("size taken out", [("max(x[n])", "np.abs(x[n]).max()")]),
        ("largest not put back", [(" + m", "")]),
        ("largest subtracted again", [("+ m", "- m")]), ("largest multiplied", [("+ m", "* m")]),
        ("logarithm missing", [("np.log(total)", "total")]),
        ("largest only", "return x.max(axis=1)"), ("sum of scores", "return x.sum(axis=1)"),
        ("mean", [("np.log(total)", "np.log(total / K)")]),
        ("along the batch", "m = x.max(0)\nreturn m + np.log(np.exp(x - m).sum(axis=0))"),
        ("axis kept", [("return y", "return y[:, None]")]),
        ("one added", [("np.log(", "np.log1p(")]), ("another base", [("np.log(", "np.log2(")]),
        ("another base", [("np.log(", "np.log10(")]), ("sign flipped", [("y[n] = ", "y[n] = -"),
                                                                      ("+ m", "- m")]),
        ("first image only", [("range(N)", "range(1)")]),
    ],
    "cross_entropy": [
        ("summed", [("loss / N", "loss")]), ("mean over classes too", [("loss / N",
                                                                       "loss / (N * K)")]),
        ("minus forgotten", [("loss / N", "-loss / N")]),
        ("first taken out", "m = logits[:, 0]\nright = logits[np.arange(len(labels)), labels]\n"
         "return (m + np.log(np.exp(logits - m[:, None]).sum(1)) - right).mean()"),
        ("predicted class", [("labels[n]]", "logits[n].argmax()]")]),
        ("class 0 always", [("labels[n]]", "0]")]),
        ("labels counted from 1", [("labels[n]]", "labels[n] - 1]")]),
        ("log-sum-exp missing", [("np.log(total) + m - ", "-")]),
        ("largest score instead", [("np.log(total) + m", "m")]),
        ("another base", [("loss / N", "loss / N / np.log(2)")]),
        ("first image only", [("range(N)", "range(1)")]),
        ("first image only", [("range(N)", "range(1)"), ("loss / N", "loss")]),
        ("every label for every image", "z = logits - np.logaddexp.reduce(logits, 1)[:, None]\n"
                                        "return -z[:, labels].mean()"),
        ("all classes", "z = logits - np.logaddexp.reduce(logits, 1)[:, None]\nreturn -z.mean()"),
        ("one loss for each image", "z = logits - np.logaddexp.reduce(logits, 1)[:, None]\n"
                                    "return -z[np.arange(len(labels)), labels]"),
        ("epsilon", "e = np.exp(logits - logits.max(1, keepdims=True))\n"
                    "p = e / e.sum(1, keepdims=True)\n"
                    "return -np.log(p[np.arange(len(labels)), labels] + 1e-10).mean()"),
        ("epsilon", "e = np.exp(logits - logits.max(1, keepdims=True))\n"
                    "p = np.clip(e / e.sum(1, keepdims=True), 1e-12, 1 - 1e-12)\n"
                    "return -np.log(p[np.arange(len(labels)), labels]).mean()"),
        ("probability, not logarithm", "e = np.exp(logits - logits.max(1, keepdims=True))\n"
                                       "p = e / e.sum(1, keepdims=True)\n"
                                       "return -p[np.arange(len(labels)), labels].mean()"),
        ("exponential too large", "e = np.exp(logits)\np = e / e.sum(1, keepdims=True)\n"
                                  "return -np.log(p[np.arange(len(labels)), labels]).mean()"),
        ("softmax over the batch", "e = np.exp(logits)\np = e / e.sum(0)\n"
                                   "return -np.log(p[np.arange(len(labels)), labels]).mean()"),
    ],
    "softmax": [
        ("shared over the batch", "e = np.exp(logits - logits.max())\nreturn e / e.sum(axis=0)"),
        ("shared over everything", "e = np.exp(logits - logits.max())\nreturn e / e.sum()"),
        ("first subtracted", "e = np.exp(logits - logits[:, :1])\n"
                             "return e / e.sum(axis=1, keepdims=True)"),
        ("one maximum for all", "e = np.exp(logits - logits.max())\n"
                                "return e / (e.sum(axis=1, keepdims=True) + 1e-10)"),
        ("sum's axis lost", "e = np.exp(logits - logits.max(1, keepdims=True))\n"
                            "return e / e.sum(axis=1)"),
        ("maximum's axis lost", "e = np.exp(logits - logits.max(1))\n"
                                "return e / e.sum(1, keepdims=True)"),
        ("not divided", [(DONE, "pass")]), ("exponential missing", [(POWER, "logits[n, k]")]),
        ("mean", [("p[n].sum()", "p[n].mean()")]),
        ("order reversed", [(POWER, "np.exp(-logits[n, k] + logits[n].min())")]),
        ("one-hot", "return (logits == logits.max(1, keepdims=True)).astype(logits.dtype)"),
        ("sigmoid", "return 1 / (1 + np.exp(-logits))"),
        ("logarithm", [(DONE, "p[n] = logits[n] - m - np.log(p[n].sum())")]),
        ("exponential too large", [("- m", "")]),
        ("one maximum for all", [("logits[n].max()", "logits.max()")]),
        ("all zeros", [("= np.exp(logits[n, k] - m)", "= 0"), (DONE, "pass")]),
    ],
    "network_text": [
        ("padding forgotten", [(" padding=same", "")]),
        ("padding everywhere", [("5x3", "5x3 padding=same")]), ("kernel turned", [("5x3", "3x5")]),
        ("square kernel", [("5x3", "5x5")]), ("stride forgotten", [(" stride=2", "")]),
        ("overlapping pool", [("pool=2x2", "pool=2x2 stride=1")]),
        ("average pool", [("MaxPool", "AvgPool")]),
        ("pool forgotten", [("MaxPool2D pool=2x2\n", ""), ("'''6", "'''5")]),
        ("units swapped", [("=20", "=?"), ("units=10", "units=20"), ("=?", "=10")]),
        ("softmax forgotten", [(" activation=softmax", "")]),
        ("relu at the end", [("softmax", "relu")]),
        ("sigmoid at the end", [("softmax", "sigmoid")]),
        ("bend between dense layers forgotten", [("=20 activation=relu", "=20")]),
        ("no bend at all", [(" activation=relu", "")]),
        ("height and width swapped", [("{H}x{W}", "{W}x{H}")]),
        ("always one channel", [("shape={C}", "shape=1")]),
        ("dense layer forgotten", [("Dense units=20 activation=relu\n", ""), ("'''6", "'''5")]),
    ],
}
RIGHT = [(name, n) for name in TASKS for n in range(1 + len(MORE[name]))]
WRONG = [(name, n) for name in TYPICAL for n in range(len(TYPICAL[name]))]
VARIANTS = [(name, mistake.id, n) for name, task in TASKS.items() for mistake in task.mistakes
            for n in range(len(mistake.variants))]
OVERFLOWS = ("exponential too large", "one maximum for all")  # give inf and nan, and nothing else


def judge(name, function):
    return getattr(check, name)(function)


def named(result, mistake):
    """Say whether the mistake is named; one that shows itself in inf or nan alone may not be.

    It is then rejected with a sentence about nan or about wrong values, and the right section.
    """
    equal = check.same_values(np.array([np.inf, np.nan]), np.array([np.inf, np.nan]))
    if mistake in OVERFLOWS and not equal:
        return result.mistake in (None, mistake) and "04_flatten_and_dense" in result.message
    return result.mistake == mistake


@pytest.mark.parametrize("name, n", RIGHT)
def test_right_answers_pass(name, n, capfd):
    arguments = ", ".join(TASKS[name].argument_names)
    result = judge(name, answer(arguments, [LOOPS[name], *MORE[name]][n]))
    out, err = capfd.readouterr()
    assert result.passed and err == "", out
    assert f"passed, {len(TASKS[name].cases)} cases of" in out


@pytest.mark.parametrize("name, mistake, n", VARIANTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_mistake_of_the_catalogue_is_named(name, mistake, n, monkeypatch):
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)  # quicker, and as right
    [found] = [one for one in TASKS[name].mistakes if one.id == mistake]
    result = judge(name, found.variants[n])
    assert result.state == "failed" and named(result, mistake), result.message
    if result.mistake:
        assert found.sentence in result.message and str(found.section) in result.message


@pytest.mark.parametrize("name, n", WRONG)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_typical_wrong_answers_get_the_right_sentence(name, n, capfd):
    mistake, edits = TYPICAL[name][n]
    body = edits if isinstance(edits, str) else edited(LOOPS[name], edits)
    result = judge(name, answer(", ".join(TASKS[name].argument_names), body))
    out, err = capfd.readouterr()
    assert result.state == "failed" and named(result, mistake), out
    assert err == "" and "Read again: 0" in out or "Read again: ex04" in out


@pytest.mark.parametrize("name", TASKS)
def test_there_are_enough_mistakes_and_answers(name):
    assert len({mistake.id for mistake in TASKS[name].mistakes}) >= 12
    assert len({mistake for mistake, _ in TYPICAL[name]}) >= 10 and len(MORE[name]) >= 3


def endless(*arguments):
    while True:
        pass


def spoils_its_input(right):
    def spoils(*arguments):
        result = changed(right, np.copy)(*arguments)
        arguments[0][...] = 7
        return result

    return spoils


def changed(right, change):
    """Return the function whose results, one or several, all go through `change`."""

    def changes(*arguments):
        results = right(*arguments)
        return tuple(map(change, results)) if isinstance(results, tuple) else change(results)

    return changes


@pytest.mark.parametrize("name", TASKS)
def test_misbehaving_answers_are_rejected(name, monkeypatch, capfd):
    right = TASKS[name].reference
    for wrong, words in (
        (lambda *a: None, "returns None"), (lambda *a: "text", "got a value of type str"),
        (changed(right, lambda y: y * np.nan), "holds nan"),
        (changed(right, lambda y: np.asarray(y)[None, None]), "wrong shape"),
        (changed(right, lambda y: y + 0.01), "not yet"),
        (spoils_its_input(right), "was changed in place"),
    ):
        result = judge(name, wrong)
        assert result.state == "failed" and result.mistake is None and words in result.message
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    start = time.monotonic()
    assert "did not come back" in judge(name, endless).message
    assert time.monotonic() - start < 5 and capfd.readouterr().err == ""


@pytest.mark.parametrize("name", TASKS)
def test_hard_coded_answers_and_stubs_are_no_solutions(name):
    first = TASKS[name].cases[0]
    right = TASKS[name].reference(*first.arguments)
    assert not judge(name, lambda *a: right).passed

    def stub(*arguments):
        raise NotImplementedError

    assert judge(name, stub).state == "not attempted"


def test_a_network_that_is_not_understood_names_its_line():
    body = edited(LOOPS["network_text"], [("filters=6", "filter=6")])
    message = judge("network_text", answer("x", body)).message
    assert "ConfigError: your text, line 3" in message and "filters" in message


def test_rows_say_what_the_text_says():
    table, parameters = topic.rows(
        "5\nInput shape=3x8x6\nBatchNorm2D activation=tanh\nDropout p=0.5\n"
        "GlobalAvgPool2D\nDense units=2 bias=false activation=sigmoid")
    kinds = [topic.KINDS[row[0]] for row in table]
    assert kinds == ["BatchNorm2D", "Dropout", "GlobalAvgPool2D", "Dense"]
    assert table[:, 1:4].tolist() == [[3, 8, 6], [3, 8, 6], [3, 1, 1], [2, 1, 1]]
    assert parameters.tolist() == [6, 0, 0, 6]
    assert [topic.BENDS[row[4]] for row in table] == ["tanh", "none", "none", "sigmoid"]
