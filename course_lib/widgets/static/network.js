// A trained network in the browser: every layer forward, and backward as far as the image.
// Put between grid.js and a view. Arrays are flat, in the order C, H, W, one image at a time;
// layers come from browser_network.py: {kind, name, shape, arrays, …}, all sizes resolved.

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function textOfBytes(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

// The state of a network with its arrays read: each layer also gets `before`, its input's shape.
export function openNetwork({ input, layers, weights }) {
  const numbers = new Float32Array(bytesOf(weights).buffer);
  const opened = layers.map((layer, k) => ({
    ...layer,
    before: k === 0 ? input : layers[k - 1].shape,
    ...Object.fromEntries(Object.entries(layer.arrays).map(([name, [start, end]]) =>
      [name, numbers.subarray(start, end)])),
  }));
  return { input, layers: opened };
}

export function sizeOfShape(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

// ---- windows ----------------------------------------------------------------------------------

// The positions i whose window cell i*stride + offset - before lies inside 0 … size-1: from, to.
function insideRange(count, offset, before, stride, size) {
  const from = Math.max(0, Math.ceil((before - offset) / stride));
  const to = Math.min(count, Math.floor((size - 1 + before - offset) / stride) + 1);
  return [from, to];
}

// For one offset (u, v) of a window, row by row: visit(yStart, xStart, count, xStep), where
// y[yStart + k] meets x[xStart + k*xStep]; padding is left out. Places count within one map.
function eachRun({ before, shape, stride, padding }, u, v, visit) {
  const [, H, W] = before;
  const [, OH, OW] = shape;
  const [firstRow, endRow] = insideRange(OH, u, padding[0][0], stride[0], H);
  const [first, end] = insideRange(OW, v, padding[1][0], stride[1], W);
  const column = first * stride[1] + v - padding[1][0];
  for (let i = firstRow; i < endRow && first < end; i += 1) {
    const row = i * stride[0] + u - padding[0][0];
    visit(i * OW + first, row * W + column, end - first, stride[1]);
  }
}

function eachOffset({ kernel_size: [KH, KW] }, visit) {
  for (let u = 0; u < KH; u += 1) {
    for (let v = 0; v < KW; v += 1) visit(u, v, u * KW + v);
  }
}

// Every weight of a convolution with the numbers that it joins:
// join(weight, yStart, xStart, count, xStep), places in the whole arrays.
function eachWeight(layer, join) {
  const [[C, H, W], [F, OH, OW]] = [layer.before, layer.shape];
  const taps = layer.kernel_size[0] * layer.kernel_size[1];
  eachOffset(layer, (u, v, tap) => eachRun(layer, u, v, (yStart, xStart, count, step) => {
    for (let f = 0; f < F; f += 1) {
      for (let c = 0; c < C; c += 1) {
        const weight = layer.weight[(f * C + c) * taps + tap];
        join(weight, f * OH * OW + yStart, c * H * W + xStart, count, step);
      }
    }
  }));
}

// The place in x of each maximum: the first in reading order wins.
function winners({ before: [C, H, W], shape: [, OH, OW], ...layer }, x) {
  const found = new Int32Array(C * OH * OW).fill(-1);
  eachOffset(layer, (u, v) => eachRun({ ...layer, before: [C, H, W], shape: [C, OH, OW] }, u, v,
    (yStart, xStart, count, step) => {
      for (let c = 0; c < C; c += 1) {
        for (let k = 0; k < count; k += 1) {
          const [place, at] = [c * OH * OW + yStart + k, c * H * W + xStart + k * step];
          if (found[place] < 0 || x[at] > x[found[place]]) found[place] = at;
        }
      }
    }));
  return found;
}

// How many cells each window of one map averages, by the place of the window.
function windowCounts(layer) {
  const [, OH, OW] = layer.shape;
  const counts = new Float64Array(OH * OW);
  if (layer.include_pad) return counts.fill(layer.kernel_size[0] * layer.kernel_size[1]);
  eachOffset(layer, (u, v) => eachRun(layer, u, v, (yStart, _, count) => {
    for (let k = 0; k < count; k += 1) counts[yStart + k] += 1;
  }));
  return counts;
}

// Every pair of an average pooling: join(place in y, place in x, cells of that window).
function eachAveraged(layer, join) {
  const [[C, H, W], [, OH, OW], counts] = [layer.before, layer.shape, windowCounts(layer)];
  eachOffset(layer, (u, v) => eachRun(layer, u, v, (yStart, xStart, count, step) => {
    for (let c = 0; c < C; c += 1) {
      for (let k = 0; k < count; k += 1) {
        join(c * OH * OW + yStart + k, c * H * W + xStart + k * step, counts[yStart + k]);
      }
    }
  }));
}

// ---- layers: forward(layer, x) -> y;  backward(layer, dy, x, y) -> dx -------------------------

const pointwise = (value, slope) => ({
  forward: (layer, x) => x.map((number) => value(number, layer)),
  backward: (layer, dy, x, y) => dy.map((number, k) => number * slope(x[k], y[k], layer)),
});
const unchanged = { forward: (layer, x) => x, backward: (layer, dy) => dy };

// What batch norm multiplies each channel by after training.
function scaleOf({ weight, running_var: variance, eps }, c) {
  return weight[c] / Math.sqrt(variance[c] + eps);
}

function eachChannel([C, H, W], values, change) {
  return values.map((number, k) => change(number, Math.floor(k / (H * W)), C));
}

export const LAYERS = {
  conv2d: {
    forward(layer, x) {
      const [F, OH, OW] = layer.shape;
      const y = new Float64Array(F * OH * OW);
      if (layer.bias) layer.bias.forEach((bias, f) => y.fill(bias, f * OH * OW, (f + 1) * OH * OW));
      eachWeight(layer, (weight, yStart, xStart, count, step) => {
        for (let k = 0; k < count; k += 1) y[yStart + k] += weight * x[xStart + k * step];
      });
      return y;
    },
    backward(layer, dy, x) {
      const dx = new Float64Array(x.length);
      eachWeight(layer, (weight, yStart, xStart, count, step) => {
        for (let k = 0; k < count; k += 1) dx[xStart + k * step] += weight * dy[yStart + k];
      });
      return dx;
    },
  },
  max_pool: {
    forward: (layer, x) => Float64Array.from(winners(layer, x), (at) => x[at]),
    backward(layer, dy, x) {
      const dx = new Float64Array(x.length);
      winners(layer, x).forEach((at, k) => { dx[at] += dy[k]; });
      return dx;
    },
  },
  average_pool: {
    forward(layer, x) {
      const y = new Float64Array(sizeOfShape(layer.shape));
      eachAveraged(layer, (to, from, count) => { y[to] += x[from] / count; });
      return y;
    },
    backward(layer, dy, x) {
      const dx = new Float64Array(x.length);
      eachAveraged(layer, (from, to, count) => { dx[to] += dy[from] / count; });
      return dx;
    },
  },
  global_pool: {
    forward({ before: [C, H, W] }, x) {
      return Float64Array.from({ length: C }, (_, c) =>
        x.subarray(c * H * W, (c + 1) * H * W).reduce((sum, value) => sum + value, 0) / (H * W));
    },
    backward: ({ before: [, H, W] }, dy, x) =>
      x.map((_, k) => dy[Math.floor(k / (H * W))] / (H * W)),
  },
  dense: {
    forward({ weight, bias, shape: [O] }, x) {
      const y = bias ? Float64Array.from(bias) : new Float64Array(O);
      x.forEach((value, i) => {
        for (let o = 0; o < O; o += 1) y[o] += value * weight[i * O + o];
      });
      return y;
    },
    backward: ({ weight, shape: [O] }, dy, x) =>
      x.map((_, i) => dy.reduce((sum, value, o) => sum + value * weight[i * O + o], 0)),
  },
  batch_norm: {
    forward: (layer, x) => eachChannel(layer.before, x, (value, c) =>
      scaleOf(layer, c) * (value - layer.running_mean[c]) + layer.bias[c]),
    backward: (layer, dy) => eachChannel(layer.before, dy, (value, c) => scaleOf(layer, c) * value),
  },
  flatten: unchanged,
  dropout: unchanged, // after training nothing is dropped
  relu: pointwise((x) => (x > 0 ? x : 0), (x) => (x > 0 ? 1 : 0)),
  leaky_relu: pointwise((x, { alpha }) => (x > 0 ? x : alpha * x),
    (x, y, { alpha }) => (x > 0 ? 1 : alpha)),
  sigmoid: pointwise((x) => 1 / (1 + Math.exp(-x)), (x, y) => y * (1 - y)),
  tanh: pointwise(Math.tanh, (x, y) => 1 - y * y),
};

// ---- the network ------------------------------------------------------------------------------

// The image and what every layer makes of it; the last are the logits.
export function runNetwork({ layers }, image) {
  const values = [Float64Array.from(image)];
  layers.forEach((layer, k) => values.push(LAYERS[layer.kind].forward(layer, values[k])));
  return values;
}

// d logit[k] / d image, from what runNetwork returned.
export function saliency({ layers }, values, k) {
  const logits = values.at(-1);
  const first = Float64Array.from(logits, (_, index) => (index === k ? 1 : 0));
  return layers.reduceRight((dy, layer, index) =>
    LAYERS[layer.kind].backward(layer, dy, values[index], values[index + 1]), first);
}

export function softmax(logits) {
  const top = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = logits.map((value) => Math.exp(value - top));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}
