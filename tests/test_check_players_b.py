"""Wrong answers to exercises 04 to 07 as players handed them in, and the mistake each is told.

When they were handed in first, each was named wrongly or not at all; one, of leaky ReLU, passed.
"""

import numpy as np
import pytest

from course_lib import check
from course_lib.check import sandbox
from course_lib.check.dense import rows

ANSWERS = r'''
@@ flatten: averaged
def answer(x):
    return x.mean(axis=(2, 3))

@@ flatten: a row or column lost
def answer(x):
    return x[:, :, :-1].reshape(len(x), -1)

@@ flatten: images added up
def answer(x):
    return x.sum(axis=0).reshape(1, -1)

@@ flatten: only H*W numbers
def answer(x):
    N, C, H, W = x.shape
    return x.reshape(N, H * W)

@@ flatten: height for width in the index
def answer(x):
    N, C, H, W = x.shape
    y = np.zeros((N, C * H * W), x.dtype)
    for n, c, i, j in np.ndindex(*x.shape):
        y[n, (c * W + i) * H + j] = x[n, c, i, j]
    return y

@@ unflatten: one image only
def answer(y, C, H, W):
    return y.reshape(C, H, W)

@@ unflatten: square maps
def answer(y, C, H, W):
    return np.resize(y, (len(y), C, H, H))

@@ unflatten: rows not cut
def answer(y, C, H, W):
    return y.reshape(len(y), C, H * W)

@@ unflatten: first channel everywhere
def answer(y, C, H, W):
    x = np.zeros((len(y), C, H, W), y.dtype)
    for n in range(len(y)):
        for c in range(C):
            x[n, c] = y[n, :H * W].reshape(H, W)
    return x

@@ unflatten: divided by the height
def answer(y, C, H, W):
    x = np.zeros((len(y), C, H, W), y.dtype)
    for n in range(len(y)):
        for k in range(y.shape[1]):
            c, rest = divmod(k, H * W)
            i, j = divmod(rest, H)
            x[n, c, i, j] = y[n, k]
    return x

@@ dense_layer: element by element
def answer(x, weight, bias):
    return x * weight + bias

@@ dense_layer: weight first
def answer(x, weight, bias):
    return weight @ x + bias

@@ dense_layer: everything added up
def answer(x, weight, bias):
    return (x @ weight).sum() + bias

@@ dense_layer: last input left out
def answer(x, weight, bias):
    return x[:, :-1] @ weight[:-1] - bias

@@ dense_layer: mean of the bias
def answer(x, weight, bias):
    return x @ weight + bias.mean()

@@ relu: only the positive ones
def answer(x):
    return x[x > 0]

@@ relu: largest of an axis
def answer(x):
    return np.max(x, 0)

@@ relu: absolute value
def answer(x):
    return np.where(x > 0, x, -0.01 * x)

@@ relu: bend below 0
def answer(x):
    return np.clip(x, 0, 6) if False else np.clip(x, -1, None)

@@ relu: not halved
def answer(x):
    return x + np.abs(x)

@@ leaky_relu: condition in the wrong place
def answer(x, alpha):
    return np.where(x, x > 0, alpha * x)

@@ leaky_relu: added on both sides
def answer(x, alpha):
    return np.maximum(x, 0) + alpha

@@ leaky_relu: divided by alpha
def answer(x, alpha):
    return np.where(x > 0, x, x / alpha)

@@ leaky_relu: bend at another place
def answer(x, alpha):
    return np.where(x > alpha, x, alpha * x)

@@ leaky_relu: exponential
def answer(x, alpha):
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))

@@ sigmoid: cut off
def answer(x):
    return 1 / (1 + np.exp(-np.clip(x, -2, 2)))

@@ sigmoid: softplus
def answer(x):
    return np.log(1 + np.exp(x))

@@ sigmoid: another base
def answer(x):
    return 1 / (1 + 2.0 ** (-x))

@@ sigmoid: tanh of x
def answer(x):
    return np.tanh(x / 2) / 2

@@ sigmoid: nan covered up
def answer(x):
    return np.nan_to_num(np.exp(x) / (1 + np.exp(x)))

@@ tanh: brackets missing
def answer(x):
    return np.exp(x) - np.exp(-x) / np.exp(x) + np.exp(-x)

@@ tanh: shifted only
def answer(x):
    return 1 / (1 + np.exp(-2 * x)) - 1

@@ tanh: half of x
def answer(x):
    return 2 / (1 + np.exp(-x / 2)) - 1

@@ tanh: another function
def answer(x):
    return np.tan(x)

@@ tanh: nan covered up
def answer(x):
    return np.nan_to_num((np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), nan=1.0)

@@ log_sum_exp: sum of scores
def answer(x):
    return np.log(np.exp(x)).sum(axis=1)

@@ log_sum_exp: mean
def answer(x):
    return np.log(np.exp(x).mean(axis=1))

@@ log_sum_exp: maximum's axis lost
def answer(x):
    m = x.max(axis=1)
    return m + np.log(np.exp(x - m).sum(axis=1))

@@ log_sum_exp: column meets row
def answer(x):
    m = x.max(axis=1, keepdims=True)
    return m + np.log(np.exp(x - m).sum(axis=1))

@@ log_sum_exp: smallest taken out
def answer(x):
    m = x.min(axis=1)
    return m + np.log(np.exp(x - m[:, None]).sum(axis=1))

@@ cross_entropy: squared error
def answer(logits, labels):
    t = np.eye(logits.shape[1])[labels]
    return ((logits - t) ** 2).mean()

@@ cross_entropy: rows by label
def answer(logits, labels):
    m = logits.max(axis=1, keepdims=True)
    lse = m[:, 0] + np.log(np.exp(logits - m).sum(axis=1))
    return (lse - logits[labels]).mean()

@@ cross_entropy: softmax twice
def answer(logits, labels):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return (np.log(np.exp(p).sum(axis=1)) - p[np.arange(len(labels)), labels]).mean()

@@ cross_entropy: largest not put back
def answer(logits, labels):
    m = logits.max(axis=1, keepdims=True)
    lse = np.log(np.exp(logits - m).sum(axis=1))
    return (lse - logits[np.arange(len(labels)), labels]).mean()

@@ cross_entropy: one maximum for all
def answer(logits, labels):
    m = logits.max()
    lse = m + np.log(np.exp(logits - m).sum(axis=1))
    return (lse - logits[np.arange(len(labels)), labels]).mean()

@@ softmax: shared over everything
def answer(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum()

@@ softmax: sum's axis lost
def answer(logits):
    powers = np.exp(logits - logits.max(axis=1))
    return powers / powers.sum(axis=1)

@@ softmax: largest added
def answer(logits):
    powers = np.exp(logits + logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)

@@ softmax: rounded
def answer(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).round(2)

@@ softmax: divided by a length
def answer(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / np.sqrt((powers ** 2).sum(axis=1, keepdims=True))

@@ dense_backward: weight not transposed
def answer(dy, x, weight):
    return dy @ weight, dy.T @ x, dy.sum(0)

@@ dense_backward: sign
def answer(dy, x, weight):
    return dy @ weight.T, -x.T @ dy, -dy.sum(axis=0)

@@ dense_backward: divided by another number
def answer(dy, x, weight):
    return dy @ weight.T, x.T @ dy / x.shape[1], dy.sum(axis=0)

@@ dense_backward: a gate too many
def answer(dy, x, weight):
    return (dy @ weight.T) * (x > 0), x.T @ dy, dy.sum(axis=0)

@@ dense_backward: dx divided by the number of examples
def answer(dy, x, weight):
    return dy @ weight.T / len(x), x.T @ dy, dy.sum(axis=0)

@@ dense_backward: x not transposed
def answer(dy, x, weight):
    return np.dot(dy, weight.T), np.dot(x, dy.T), dy.sum(axis=0)

@@ dense_backward: element by element
def answer(dy, x, weight):
    dx = dy * weight
    dweight = x * dy
    dbias = dy
    return dx, dweight, dbias

@@ dense_backward: dbias keeps an axis
def answer(dy, x, weight):
    dx = dy @ weight.T
    dweight = x.T @ dy
    dbias = dy.mean(axis=0, keepdims=True)
    return dx, dweight, dbias

@@ relu_backward: multiplied by x
def answer(dy, x):
    return np.maximum(dy * x, 0)

@@ relu_backward: only the open places
def answer(dy, x):
    return dy[x > 0]

@@ relu_backward: arguments swapped
def answer(x, dy):
    return dy * (x > 0)

@@ relu_backward: x in the closed places
def answer(dy, x):
    return np.where(x > 0, dy, x * 0 + 1)

@@ relu_backward: gate at 1
def answer(dy, x):
    return dy * (x >= 1)

@@ relu_backward: whole numbers
def answer(dy, x):
    return (dy * (x > 0)).astype(int)

@@ max_pool2d_backward: maximum of the image
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        u, v = np.unravel_index(x[n, c].argmax(), x[n, c].shape)
        dx[n, c, u, v] += dy[n, c, i, j]
    return dx

@@ max_pool2d_backward: number as address
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        window = x[n, c, i*stride:i*stride+kernel_size, j*stride:j*stride+kernel_size]
        k = window.argmax()
        dx[n, c, k] += dy[n, c, i, j]
    return dx

@@ max_pool2d_backward: first window only
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        window = x[n, c, i*stride:i*stride+kernel_size, j*stride:j*stride+kernel_size]
        u, v = divmod(window.argmax(), kernel_size)
        dx[n, c, i*stride + u, j*stride + v] += dy[n, c, i, j]
        return dx

@@ max_pool2d_backward: divided by another width
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    K = kernel_size
    for n, c, i, j in np.ndindex(*dy.shape):
        w = x[n, c, i*stride:i*stride+K, j*stride:j*stride+K]
        u, v = divmod(w.argmax(), stride)
        dx[n, c, i*stride + u, j*stride + v] += dy[n, c, i, j]
    return dx

@@ max_pool2d_backward: address transposed
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    K = kernel_size
    for n, c, i, j in np.ndindex(*dy.shape):
        w = x[n, c, i*stride:i*stride+K, j*stride:j*stride+K]
        u, v = np.unravel_index(w.argmax(), w.shape)
        dx[n, c, i*stride + v, j*stride + u] -= dy[n, c, i, j]
    return dx

@@ max_pool2d_backward: dx with the shape of dy
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(dy)
    K = kernel_size
    for n, c, i, j in np.ndindex(*dy.shape):
        w = x[n, c, i*stride:i*stride+K, j*stride:j*stride+K]
        u, v = np.unravel_index(w.argmax(), w.shape)
        dx[n, c, i*stride + u, j*stride + v] += dy[n, c, i, j]
    return dx

@@ max_pool2d_backward: window too small
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    K = kernel_size - 1
    for n, c, i, j in np.ndindex(*dy.shape):
        w = x[n, c, i*stride:i*stride+K, j*stride:j*stride+K]
        u, v = np.unravel_index(w.argmax(), w.shape)
        dx[n, c, i*stride + u, j*stride + v] += dy[n, c, i, j]
    return dx

@@ avg_pool2d_backward: windows that fill the image only
def answer(dy, x, kernel_size, stride):
    return dy.repeat(stride, axis=2).repeat(stride, axis=3) / kernel_size**2

@@ avg_pool2d_backward: stride ignored
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for i, j in np.ndindex(*dy.shape[2:]):
        dx[:, :, i:i+kernel_size, j:j+kernel_size] = dy[:, :, i, j, None, None] / kernel_size**2
    return dx

@@ avg_pool2d_backward: multiplied by the value
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        s = np.s_[n, c, i*stride:i*stride+kernel_size, j*stride:j*stride+kernel_size]
        dx[s] += dy[n, c, i, j] * x[s].mean()
    return dx

@@ avg_pool2d_backward: mean of dy
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        s = np.s_[n, c, i*stride:i*stride+kernel_size, j*stride:j*stride+kernel_size]
        dx[s] += np.mean(dy[n, c]) 
    return dx

@@ avg_pool2d_backward: whole numbers
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    K = kernel_size
    for i, j in np.ndindex(*dy.shape[2:]):
        dx[:, :, i*stride:i*stride+K, j*stride:j*stride+K] += dy[:, :, i, j, None, None] // K**2
    return dx

@@ avg_pool2d_backward: divided by the number of images
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    K = kernel_size
    for i, j in np.ndindex(*dy.shape[2:]):
        dx[:, :, i*stride:i*stride+K, j*stride:j*stride+K] += dy[:, :, i, j, None, None] / K**2
    return dx / (x.shape[0] * x.shape[1])

@@ avg_pool2d_backward: only the largest
def answer(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        w = x[n, c, i*stride:i*stride+kernel_size, j*stride:j*stride+kernel_size]
        u, v = np.unravel_index(w.argmax(), w.shape)
        dx[n, c, i*stride+u, j*stride+v] += dy[n, c, i, j] / kernel_size**2
    return dx

@@ conv2d_backward_bias: filters added up
def answer(dy):
    return dy.sum(axis=1)

@@ conv2d_backward_bias: channels last
def answer(dy):
    return np.sum(dy, axis=(0, 1, 2))

@@ conv2d_backward_bias: first filter everywhere
def answer(dy):
    return np.array([dy[:, 0].sum() for f in range(dy.shape[1])])

@@ conv2d_backward_bias: axes kept
def answer(dy):
    return dy.mean(axis=(0, 2, 3), keepdims=True)

@@ conv2d_backward_bias: sign
def answer(dy):
    return -dy.sum(axis=(0, 2, 3)) / len(dy)

@@ conv2d_backward_bias: last outputs left out
def answer(dy):
    N, F, OH, OW = dy.shape
    dbias = np.zeros(F, dy.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(OH - 1):
                for j in range(OW - 1):
                    dbias[f] += dy[n, f, i, j]
    return dbias

@@ conv2d_backward_weight: only one product
def answer(dy, x, weight_shape, stride, padding):
    return dy * x

@@ conv2d_backward_weight: x without padding
def answer(dy, x, weight_shape, stride, padding):
    F, C, KH, KW = weight_shape
    dw = np.zeros(weight_shape, dy.dtype)
    for i, j in np.ndindex(*dy.shape[2:]):
        window = x[:, :, i*stride:i*stride+KH, j*stride:j*stride+KW]
        dw += np.tensordot(dy[:, :, i, j], window, axes=(0, 0))
    return dw

@@ conv2d_backward_weight: padded on every axis
def answer(dy, x, weight_shape, stride, padding):
    F, C, KH, KW = weight_shape
    x = np.pad(x, padding)
    dw = np.zeros(weight_shape, dy.dtype)
    for i, j in np.ndindex(*dy.shape[2:]):
        window = x[:, :, i*stride:i*stride+KH, j*stride:j*stride+KW]
        dw += np.tensordot(dy[:, :, i, j], window, axes=(0, 0))
    return dw

@@ conv2d_backward_weight: first window only
def answer(dy, x, weight_shape, stride, padding):
    p = padding
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    F, C, KH, KW = weight_shape
    dw = np.zeros(weight_shape, dy.dtype)
    for n, f, i, j in np.ndindex(*dy.shape):
        dw[f] += dy[n, f, i, j] * xp[n, :, i*stride:i*stride+KH, j*stride:j*stride+KW]
        return dw

@@ conv2d_backward_input: forward again
def answer(dy, weight, x_shape, stride, padding):
    from course_lib.conv import conv2d
    return conv2d(dy, weight, None, stride, padding)[0]

@@ conv2d_backward_input: square kernel
def answer(dy, weight, x_shape, stride, padding):
    from course_lib.conv import conv2d
    K = weight.shape[2]
    return conv2d(dy, weight[:, :, ::-1, ::-1], None, 1, K - 1)[0]

@@ conv2d_backward_input: dy padded by 1
def answer(dy, weight, x_shape, stride, padding):
    N, C, H, W = x_shape
    F, C, KH, KW = weight.shape
    turned = weight[:, :, ::-1, ::-1]
    big = np.pad(dy, ((0, 0), (0, 0), (1, 1), (1, 1)))
    dx = np.zeros(x_shape, dy.dtype)
    for n, c, i, j in np.ndindex(*x_shape):
        dx[n, c, i, j] = (big[n, :, i:i+KH, j:j+KW] * turned[:, c]).sum()
    return dx

@@ conv2d_backward_input: dy not padded
def answer(dy, weight, x_shape, stride, padding):
    N, C, H, W = x_shape
    F, C, KH, KW = weight.shape
    dx = np.zeros(x_shape, dy.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(W):
                    dx[n, c, i, j] = (dy[n, :, i:i+KH, j:j+KW] * weight[:, c]).sum()
    return dx

@@ repair_pool: window too large
def answer(dy, x):
    K = 3
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        w = x[n, c, i*2:i*2+K, j*2:j*2+K]
        u, v = np.unravel_index(w.argmax(), w.shape)
        dx[n, c, i*2+u, j*2+v] += dy[n, c, i, j]
    return dx

@@ repair_pool: one of each row
def answer(dy, x):
    out = np.zeros(x.shape, x.dtype)
    for n, c, r, q in np.ndindex(*dy.shape):
        here = np.s_[n, c, 2 * r : 2 * r + 2, 2 * q : 2 * q + 2]
        w = x[here]
        for u in range(2):
            v = w[u].argmax()
            if w[u, v] == w.max():
                out[n, c, 2*r + u, 2*q + v] += dy[n, c, r, q]
    return out

@@ repair_filter: window without an end
def answer(dy, x, weight_shape):
    out = np.zeros(weight_shape, dy.dtype)
    for row, column in np.ndindex(*weight_shape[2:]):
        pixels = x[:, :, row:, column:]
        out[:, :, row, column] = np.einsum("nfij,ncij->fc", dy, pixels)
    return out

@@ repair_filter: mean over the outputs
def answer(dy, x, weight_shape):
    out = np.zeros(weight_shape, dy.dtype)
    h, w = dy.shape[2:]
    for u, v in np.ndindex(*weight_shape[2:]):
        out[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[:, :, u:u+h, v:v+w]) / dy.size
    return out

@@ repair_filter: filters added up
def answer(dy, x, weight_shape):
    out = np.zeros(weight_shape, dy.dtype)
    h, w = dy.shape[2:]
    for u, v in np.ndindex(*weight_shape[2:]):
        out[:, :, u, v] = np.einsum("nfij,ncij->c", dy, x[:, :, u:u+h, v:v+w])
    return out

@@ repair_filter: offset in the rows only
def answer(dy, x, weight_shape):
    out = np.zeros(weight_shape, dy.dtype)
    height, width = dy.shape[2:]
    for row, column in np.ndindex(*weight_shape[2:]):
        pixels = x[:, :, row:row+height, :width]
        out[:, :, row, column] = np.einsum("nfij,ncij->fc", dy, pixels)
    return out

@@ repair_filter: window as large as the kernel
def answer(dy, x, weight_shape):
    out = np.zeros(weight_shape, dy.dtype)
    height, width = weight_shape[2:]
    for row, column in np.ndindex(*weight_shape[2:]):
        pixels = x[:, :, row:row+height, column:column+width]
        out[:, :, row, column] = np.einsum("nfij,ncij->fc", dy, pixels)
    return out

@@ repair_softmax: labels subtracted
def answer(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    return (p - labels[:, None]) / len(labels)

@@ repair_softmax: every label in every row
def answer(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    p[:, labels] -= 1
    return p / len(labels)

@@ repair_softmax: exponential too large
def answer(logits, labels):
    e = np.exp(logits)
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)

@@ repair_softmax: an axis lost
def answer(logits, labels):
    e = np.exp(logits - logits.max(1))
    p = e / e.sum(axis=1)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)

@@ repair_softmax: first example only
def answer(logits, labels):
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[0, labels[0]] -= 1
    return p / len(labels)

@@ repair_softmax: truth added
def answer(logits, labels):
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] += 1
    return p / len(labels)

@@ repair_softmax: labels counted from 1
def answer(logits, labels):
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels - 1] -= 1
    return p / len(labels)

@@ repair_softmax: element by element
def answer(logits, labels):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    dp = np.zeros_like(p)
    dp[rows, labels] = -1 / p[rows, labels] / len(labels)
    return dp * p

@@ repair_image: cropped to the size of dy
def answer(dy, weight, padding):
    images, _, height, width = dy.shape
    _, channels, down, right = weight.shape
    out = np.zeros((images, channels, height + down - 1, width + right - 1), dy.dtype)
    for row, column in np.ndindex(down, right):
        share = np.einsum("nfij,fc->ncij", dy, weight[:, :, row, column])
        out[:, :, row : row + height, column : column + width] += share
    return out[:, :, padding:height, padding:width]

@@ repair_image: empty without padding
def answer(dy, weight, padding):
    images, _, height, width = dy.shape
    _, channels, down, right = weight.shape
    out = np.zeros((images, channels, height + down - 1, width + right - 1), dy.dtype)
    for row, column in np.ndindex(down, right):
        share = np.einsum("nfij,fc->ncij", dy, weight[:, :, row, column])
        out[:, :, row : row + height, column : column + width] += share
    return out[:, :, padding:-padding or None, padding:-padding]

@@ repair_image: height for the width
def answer(dy, weight, padding):
    images, _, height, width = dy.shape
    _, channels, down, right = weight.shape
    out = np.zeros((images, channels, height + down - 1, width + right - 1), dy.dtype)
    for row, column in np.ndindex(down, right):
        share = np.einsum("nfij,fc->ncij", dy, weight[:, :, row, column])
        out[:, :, row : row + height, column : column + width] += share
    H = out.shape[2]
    return out[:, :, padding:H - padding, padding:H - padding]

@@ repair_image: cropped twice
def answer(dy, weight, padding):
    images, _, height, width = dy.shape
    _, channels, down, right = weight.shape
    out = np.zeros((images, channels, height + down - 1, width + right - 1), dy.dtype)
    for row, column in np.ndindex(down, right):
        share = np.einsum("nfij,fc->ncij", dy, weight[:, :, row, column])
        out[:, :, row : row + height, column : column + width] += share
    H, W = out.shape[2:]
    return out[:, :, padding:H - padding - 1, padding:W - padding - 1]

@@ batch_means: batches that come out even
def answer(x, order, batch_size):
    return x[order].reshape(-1, batch_size).mean(axis=1)

@@ batch_means: order ignored and one too few
def answer(x, order, batch_size):
    return np.array([x[s:s + batch_size - 1].mean() for s in range(0, len(x), batch_size)])

@@ batch_means: another number of the batch
def answer(x, order, batch_size):
    return np.array([x[order[s:s + batch_size]].max() for s in range(0, len(x), batch_size)])

@@ batch_means: order reversed
def answer(x, order, batch_size):
    order = order[::-1]
    return np.array([x[order[s:s + batch_size]].mean() for s in range(0, len(x), batch_size)])

@@ batch_means: shuffled anew
def answer(x, order, batch_size):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    return np.array([x[order[s:s + batch_size]].mean() for s in range(0, len(x), batch_size)])

@@ sgd_step: lr subtracted
def answer(weight, dweight, lr):
    return weight - lr - dweight

@@ sgd_step: decay
def answer(weight, dweight, lr):
    return weight - lr * (dweight + weight)

@@ sgd_step: brackets
def answer(weight, dweight, lr):
    return (weight - lr) * dweight

@@ sgd_step: unit length
def answer(weight, dweight, lr):
    return weight - lr * dweight / np.linalg.norm(dweight)

@@ sgd_step: sign of the gradient lost
def answer(weight, dweight, lr):
    return weight - lr * np.abs(dweight)

@@ one_epoch: one example a step
def answer(weight, x, targets, order, batch_size, lr):
    for k in order:
        weight = weight - lr * x[k] * (x[k] @ weight - targets[k])
    return weight

@@ one_epoch: twice the gradient
def answer(weight, x, targets, order, batch_size, lr):
    for first in range(0, len(x), batch_size):
        c = order[first:first + batch_size]
        weight = weight - lr * 2 * x[c].T @ (x[c] @ weight - targets[c]) / len(c)
    return weight

@@ one_epoch: full batches but the last
def answer(weight, x, targets, order, batch_size, lr):
    for first in range(0, len(x) - batch_size, batch_size):
        c = order[first:first + batch_size]
        weight = weight - lr * x[c].T @ (x[c] @ weight - targets[c]) / len(c)
    return weight

@@ one_epoch: divided by the inputs
def answer(weight, x, targets, order, batch_size, lr):
    for first in range(0, len(x), batch_size):
        c = order[first:first + batch_size]
        weight = weight - lr * x[c].T @ (x[c] @ weight - targets[c]) / x.shape[1]
    return weight

@@ one_epoch: sign of the error lost
def answer(weight, x, targets, order, batch_size, lr):
    for first in range(0, len(x), batch_size):
        c = order[first:first + batch_size]
        weight = weight - lr * np.abs(x[c].T @ (x[c] @ weight - targets[c])) / len(c)
    return weight

@@ accuracy: one for each image
def answer(logits, labels):
    return logits.argmax(axis=1) == labels

@@ accuracy: percent
def answer(logits, labels):
    return round(100 * (logits.argmax(axis=1) == labels).mean(), 1)

@@ accuracy: classes counted from 1
def answer(logits, labels):
    return (logits.argmax(axis=1) + 1 == labels).mean()

@@ accuracy: divided by another number
def answer(logits, labels):
    return (logits.argmax(axis=1) == labels).sum() / (len(labels) + 1)

@@ accuracy: error rate
def answer(logits, labels):
    return 100 * (logits.argmax(axis=1) != labels).mean()

@@ wilson: brackets of 2n
def answer(correct, n):
    z = 1.96; p = correct / n
    d = 1 + z * z / n
    c = (p + z * z / 2 * n) / d
    h = z / d * np.sqrt(p * (1 - p) / n + z * z / 4 * n ** 2)
    return c - h, c + h

@@ wilson: centre and half
def answer(correct, n):
    z = 1.96; p = correct / n
    d = 1 + z * z / n
    c = (p + z * z / (2 * n)) / d
    h = z / d * np.sqrt(p * (1 - p) / n + z * z / (4 * n ** 2))
    return c, h

@@ wilson: counts for shares
def answer(correct, n):
    z = 1.96; p = correct
    d = 1 + z * z / n
    c = (p + z * z / (2 * n)) / d
    h = z / d * np.sqrt(np.abs(p * (1 - p) / n + z * z / (4 * n ** 2)))
    return c - h, c + h

@@ wilson: z missing in the half width
def answer(correct, n):
    z = 1.96; p = correct / n
    d = 1 + z * z / n
    c = (p + z * z / (2 * n)) / d
    h = 1 / d * np.sqrt(p * (1 - p) / n + z * z / (4 * n ** 2))
    return c - h, c + h

@@ wilson: z not squared
def answer(correct, n):
    z = 1.96; p = correct / n
    d = 1 + z / n
    c = (p + z * z / (2 * n)) / d
    h = z / d * np.sqrt(p * (1 - p) / n + z * z / (4 * n ** 2))
    return c - h, c + h

@@ confusion_matrix: one long row
def answer(labels, predicted, classes):
    return np.bincount(labels * classes + predicted, minlength=classes ** 2)

@@ confusion_matrix: as many numbers as seen
def answer(labels, predicted, classes):
    return np.bincount(labels * classes + predicted).reshape(classes, classes)

@@ confusion_matrix: counted once
def answer(labels, predicted, classes):
    counts = np.zeros((classes, classes))
    counts[predicted, labels] += 1
    return counts

@@ confusion_matrix: whole rows
def answer(labels, predicted, classes):
    counts = np.zeros((classes, classes))
    for t, p in zip(labels, predicted):
        counts[t] += 1
    return counts

@@ confusion_matrix: shares of the column
def answer(labels, predicted, classes):
    counts = np.zeros((classes, classes))
    for t, p in zip(labels, predicted):
        counts[t, p] += 1
    return counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)

@@ momentum_step: other sign
def answer(weight, dweight, velocity, lr, momentum):
    v = momentum * velocity - lr * dweight
    return weight + v, v

@@ momentum_step: looked ahead
def answer(weight, dweight, velocity, lr, momentum):
    v = momentum * velocity + dweight
    return weight - lr * (dweight + momentum * v), v

@@ momentum_step: momentum at both
def answer(weight, dweight, velocity, lr, momentum):
    v = momentum * (velocity + dweight)
    return weight - lr * v, v

@@ momentum_step: momentum at the weight
def answer(weight, dweight, velocity, lr, momentum):
    v = velocity + dweight
    return momentum * weight - lr * v, v

@@ momentum_step: lr forgotten, velocity not kept
def answer(weight, dweight, velocity, lr, momentum):
    v = momentum * velocity + dweight
    return weight - v, velocity

@@ oriented_edge: moved sideways
def answer(kernel, angle):
    return np.roll(kernel, angle // 45, axis=1)

@@ oriented_edge: a place missing in the walk
def answer(kernel, angle):
    walk = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0)]
    t = kernel.copy()
    for k in range(7):
        t[walk[(k + angle // 45) % 7]] = kernel[walk[k]]
    return t

@@ oriented_edge: written over
def answer(kernel, angle):
    walk = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    t = kernel
    for k in range(8):
        t[walk[(k + angle // 45) % 8]] = kernel[walk[k]]
    return t

@@ oriented_edge: middle lost
def answer(kernel, angle):
    walk = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    t = np.zeros_like(kernel)
    for k in range(8):
        t[walk[k]] = kernel[walk[(k + angle // 45) % 8]]
    return t

@@ oriented_edge: walk does not close
def answer(kernel, angle):
    walk = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    t = kernel.copy()
    for k in range(8):
        t[walk[k + angle // 45]] = kernel[walk[k]]
    return t

@@ matched_filter: stretched to 0 … 1
def answer(pattern):
    return (pattern - pattern.min()) / max(pattern.max() - pattern.min(), 1e-9)

@@ matched_filter: flat pattern divided by 0
def answer(pattern):
    p = pattern - pattern.mean()
    return p / np.sqrt((p ** 2).sum())

@@ matched_filter: square of the sum
def answer(pattern):
    p = pattern - pattern.mean()
    return p / np.sqrt(p.sum() ** 2)

@@ matched_filter: multiplied by the length
def answer(pattern):
    p = pattern - pattern.mean()
    return p * np.sqrt((p ** 2).sum())

@@ matched_filter: something added to the length
def answer(pattern):
    p = pattern - pattern.mean()
    return p / np.sqrt((p ** 2).sum() + 1)

@@ normalised_correlation: divided by standard deviations
def answer(image, pattern):
    KH, KW = pattern.shape
    z = lambda a: (a - a.mean()) / (a.std() if a.std() > 1e-9 else 1)
    y = np.zeros((image.shape[0] - KH + 1, image.shape[1] - KW + 1), image.dtype)
    for i, j in np.ndindex(*y.shape):
        y[i, j] = (z(image[i:i+KH, j:j+KW]) * z(pattern)).sum()
    return y

@@ normalised_correlation: flat window divided by 0
def answer(image, pattern):
    KH, KW = pattern.shape
    p = pattern - pattern.mean()
    p = p / np.sqrt((p ** 2).sum())
    y = np.zeros((image.shape[0] - KH + 1, image.shape[1] - KW + 1), image.dtype)
    for i, j in np.ndindex(*y.shape):
        w = image[i:i+KH, j:j+KW]
        w = w - w.mean()
        y[i, j] = (w / np.sqrt((w ** 2).sum()) * p).sum()
    return y

@@ normalised_correlation: room for the whole image
def answer(image, pattern):
    KH, KW = pattern.shape
    p = pattern - pattern.mean()
    p = p / max(np.sqrt((p ** 2).sum()), 1e-9)
    y = np.zeros(image.shape, image.dtype)
    for i in range(image.shape[0] - KH + 1):
        for j in range(image.shape[1] - KW + 1):
            w = image[i:i+KH, j:j+KW]
            w = w - w.mean()
            y[i, j] = (w / max(np.sqrt((w ** 2).sum()), 1e-9) * p).sum()
    return y

@@ occlusion: weights only
def answer(image, weight, size, grey):
    v = np.lib.stride_tricks.sliding_window_view(weight, (size, size))
    return v.sum((2, 3))

@@ occlusion: first row only
def answer(image, weight, size, grey):
    falls = np.zeros((len(image) - size + 1, len(image[0]) - size + 1), image.dtype)
    for top in range(falls.shape[0]):
        for left in range(falls.shape[1]):
            hidden = image.copy()
            hidden[top : top + size, left : left + size] = grey
            falls[top, left] = np.sum(image * weight) - np.sum(hidden * weight)
        return falls

@@ occlusion: weights covered
def answer(image, weight, size, grey):
    falls = np.zeros((len(image) - size + 1, len(image[0]) - size + 1), image.dtype)
    for top in range(falls.shape[0]):
        for left in range(falls.shape[1]):
            hidden = weight.copy()
            hidden[top : top + size, left : left + size] = grey
            falls[top, left] = np.sum(image * weight) - np.sum(image * hidden)
    return falls

@@ occlusion: divided by the area
def answer(image, weight, size, grey):
    falls = np.zeros((len(image) - size + 1, len(image[0]) - size + 1), image.dtype)
    for top in range(falls.shape[0]):
        for left in range(falls.shape[1]):
            hidden = image.copy()
            hidden[top : top + size, left : left + size] = grey
            falls[top, left] = (np.sum(image * weight) - np.sum(hidden * weight)) / size ** 2
    return falls

@@ occlusion: rise of piled up squares
def answer(image, weight, size, grey):
    hidden = image.copy()
    falls = np.zeros((len(image) - size + 1, len(image[0]) - size + 1), image.dtype)
    for top in range(falls.shape[0]):
        for left in range(falls.shape[1]):
            hidden[top : top + size, left : left + size] = grey
            falls[top, left] = np.sum(hidden * weight) - np.sum(image * weight)
    return falls

@@ conv2d_backward_bias: one number
def answer(dy):
    return dy.sum()

@@ log_sum_exp: everything added up
def answer(x):
    return np.log(np.exp(x).sum())

@@ leaky_relu: bend at another place
def answer(x, alpha):
    return np.where(x > -alpha, x, alpha * x)

@@ matched_filter: a number for a flat pattern
def answer(pattern):
    p = pattern - pattern.mean()
    n = np.sqrt((p ** 2).sum())
    return p / n if n > 0 else 0

@@ dense_backward: weight not transposed
def answer(dy, x, weight):
    return dy @ weight, x.T @ dy, dy.sum(axis=1)

@@ dense_backward: dweight transposed
def answer(dy, x, weight):
    return dy @ weight.T, dy.T @ x, dy.mean(axis=1)

@@ dense_backward: dbias over outputs
def answer(dy, x, weight):
    return dy @ weight.T, x.T @ dy, dy.sum()

@@ network_text: always 28 × 28
def answer(x):
    N, C, H, W = x.shape
    return rows(f"""6
Input shape=1x28x28
Conv2D filters=6 kernel=5x3 activation=relu
MaxPool2D pool=2x2
Conv2D filters=12 kernel=3x3 stride=2 padding=same activation=relu
Dense units=20 activation=relu
Dense units=10 activation=softmax""")

@@ network_text: images as channels
def answer(x):
    N, C, H, W = x.shape
    return rows(f"""6
Input shape={N}x{H}x{W}
Conv2D filters=6 kernel=5x3 activation=relu
MaxPool2D pool=2x2
Conv2D filters=12 kernel=3x3 stride=2 padding=same activation=relu
Dense units=20 activation=relu
Dense units=10 activation=softmax""")

@@ network_text: kernel turned
def answer(x):
    N, C, H, W = x.shape
    return rows(f"""6
Input shape={C}x{H}x{W}
Conv2D filters=6 kernel=3x5 activation=relu
MaxPool2D pool=2x2
Conv2D filters=12 kernel=3x3 stride=2 activation=relu
Dense units=20 activation=relu
Dense units=10 activation=softmax""")

@@ network_text: another pool
def answer(x):
    N, C, H, W = x.shape
    return rows(f"""6
Input shape={C}x{H}x{W}
Conv2D filters=6 kernel=5x3 activation=relu
MaxPool2D pool=3x3
Conv2D filters=12 kernel=3x3 stride=2 padding=same activation=relu
Dense units=20 activation=relu
Dense units=10 activation=softmax""")

@@ network_text: bends and softmax forgotten
def answer(x):
    N, C, H, W = x.shape
    return rows(f"""6
Input shape={C}x{H}x{W}
Conv2D filters=6 kernel=5x3
MaxPool2D pool=2x2
Conv2D filters=12 kernel=3x3 stride=2 padding=same activation=relu
Dense units=20 activation=relu
Dense units=10""")
'''
EACH = [block.split("\n", 1) for block in ANSWERS.split("\n@@ ")[1:]]


def handed_in(source):
    """Return the function that a player wrote."""
    namespace = {"np": np, "rows": rows}
    exec(source, namespace)  # noqa: S102  (our own text)
    return namespace["answer"]


@pytest.mark.parametrize("title, source", EACH, ids=[title for title, _ in EACH])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_player_handed_in_is_named(title, source, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)  # quicker, and as right
    name, _, mistake = title.partition(": ")
    result = getattr(check, name)(handed_in(source))
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == mistake, out
    [known] = [one for one in check.TASKS[name].mistakes if one.id == mistake]
    assert known.sentence in out and str(known.section) in out and err == ""
    assert "in the case below, " not in out


def test_players_tried_every_task_of_these_exercises():
    exercises = ("ex04_", "ex05_", "ex06_", "ex07_")
    tasks = {name for name, task in check.TASKS.items() if task.id.startswith(exercises)}
    assert tasks == {title.partition(": ")[0] for title, _ in EACH} and len(EACH) >= 150
