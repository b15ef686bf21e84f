// The operations of the course in JavaScript, on nested arrays: the only arithmetic of the widgets.
// Put in front of every view, so it imports nothing. Same names, letters and rules as course_lib.

// 3 -> [3, 3];  [2, 1] -> [2, 1]: (vertical, horizontal).
export function asPair(value) {
  return Array.isArray(value) ? value : [value, value];
}

// Zeros [before, after] so that the output has ceil(size / stride) values; an odd one goes after.
function samePadding(size, kernelSize, stride) {
  const wanted = Math.ceil(size / stride);
  const total = Math.max(0, (wanted - 1) * stride + kernelSize - size);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

// A number, a pair, "valid", "same" or [[top, bottom], [left, right]] -> the last of these.
export function resolvePadding(padding, size, kernelSize, stride) {
  if (padding === "valid") return [[0, 0], [0, 0]];
  if (padding === "same") {
    return [0, 1].map((axis) => samePadding(size[axis], kernelSize[axis], stride[axis]));
  }
  const [vertical, horizontal] = asPair(padding);
  return [asPair(vertical), asPair(horizontal)];
}

// How many windows fit along one axis; zero or less where the kernel does not fit.
export function outputSize(size, kernelSize, stride, [before, after]) {
  return Math.floor((size + before + after - kernelSize) / stride) + 1;
}

// Everything resolved to pairs: {output, kernelSize, stride, padding}.
export function resolveWindows(size, kernelSize, stride = 1, padding = 0) {
  const steps = asPair(stride);
  const border = resolvePadding(padding, size, kernelSize, steps);
  const output = [0, 1].map((a) => outputSize(size[a], kernelSize[a], steps[a], border[a]));
  return { output, kernelSize, stride: steps, padding: border };
}

export function sizeOf(image) {
  return [image.length, image[0].length];
}

// One image (H, W) with zeros around it.
export function pad(image, [[top, bottom], [left, right]]) {
  const width = left + image[0].length + right;
  const zeros = (count) => Array.from({ length: count }, () => Array(width).fill(0));
  const rows = image.map((row) => [...Array(left).fill(0), ...row, ...Array(right).fill(0)]);
  return [...zeros(top), ...rows, ...zeros(bottom)];
}

// Where window (i, j) lies in the padded image.
export function windowAt(i, j, windows) {
  const { kernelSize, stride } = windows;
  return { row: i * stride[0], column: j * stride[1], rows: kernelSize[0], columns: kernelSize[1] };
}

// The terms of one sum, in reading order: weight[u][v] * padded[i*stride + u][j*stride + v].
export function windowTerms(padded, kernel, i, j, windows) {
  const { row, column, rows, columns } = windowAt(i, j, windows);
  const terms = [];
  for (let u = 0; u < rows; u += 1) {
    for (let v = 0; v < columns; v += 1) {
      const pixel = padded[row + u][column + v];
      const weight = kernel[u][v];
      terms.push({ u, v, pixel, weight, product: pixel * weight });
    }
  }
  return terms;
}

export function sumOf(terms) {
  return terms.reduce((sum, term) => sum + term.product, 0);
}

// Slide one kernel (KH, KW), not flipped, over one image (H, W): the cross-correlation.
export function correlate(image, kernel, stride = 1, padding = 0) {
  const windows = resolveWindows(sizeOf(image), sizeOf(kernel), stride, padding);
  const padded = pad(image, windows.padding);
  return Array.from({ length: windows.output[0] }, (_, i) =>
    Array.from({ length: windows.output[1] }, (_, j) =>
      sumOf(windowTerms(padded, kernel, i, j, windows))));
}

// y[n][f] = bias[f] + sum over c of correlate(x[n][c], weight[f][c]): conv2d of conv.py.
export function conv2d(x, weight, bias = null, stride = 1, padding = 0) {
  return x.map((image) => weight.map((filter, f) => {
    const maps = filter.map((kernel, c) => correlate(image[c], kernel, stride, padding));
    return maps[0].map((row, i) => row.map((_, j) =>
      maps.reduce((sum, map) => sum + map[i][j], bias ? bias[f] : 0)));
  }));
}

// How many rows or columns at the end of an axis lie in no window: the remainder of the division.
export function droppedBy(size, kernelSize, stride, [before, after]) {
  return (size + before + after - kernelSize) % stride;
}

// In how many windows each cell of the padded image lies.
export function countVisits([H, W], windows) {
  const { output, padding: [[top, bottom], [left, right]] } = windows;
  const visits = Array.from({ length: top + H + bottom }, () => Array(left + W + right).fill(0));
  for (let i = 0; i < output[0]; i += 1) {
    for (let j = 0; j < output[1]; j += 1) {
      const { row, column, rows, columns } = windowAt(i, j, windows);
      for (let u = 0; u < rows; u += 1) {
        for (let v = 0; v < columns; v += 1) visits[row + u][column + v] += 1;
      }
    }
  }
  return visits;
}

// ---- pooling and shifts: pool.py without padding ----------------------------------------------

// One window: {value, terms, winner, equal}; of equal maxima the first, row by row, is the winner.
export function poolWindow(image, kind, i, j, windows) {
  const { row, column, rows, columns } = windowAt(i, j, windows);
  const terms = image.slice(row, row + rows).flatMap((line, u) =>
    line.slice(column, column + columns)
      .map((value, v) => ({ value, row: row + u, column: column + v })));
  if (kind === "average") {
    const sum = terms.reduce((total, term) => total + term.value, 0);
    return { value: sum / terms.length, terms, winner: null, equal: [] };
  }
  const winner = terms.reduce((best, term) => (term.value > best.value ? term : best));
  const equal = terms.filter((term) => term.value === winner.value);
  return { value: winner.value, terms, winner, equal };
}

// max_pool2d or avg_pool2d of one image (H, W).
export function pool2d(image, kind, kernelSize, stride = kernelSize) {
  const windows = resolveWindows(sizeOf(image), asPair(kernelSize), stride, 0);
  return Array.from({ length: windows.output[0] }, (_, i) =>
    Array.from({ length: windows.output[1] }, (_, j) =>
      poolWindow(image, kind, i, j, windows).value));
}

// The image moved by (down, right) pixels; what leaves is lost, zeros enter.
export function shiftImage(image, [down, right]) {
  return image.map((row, i) => row.map((_, j) => image[i - down]?.[j - right] ?? 0));
}

export function isEqual(a, b) {
  return Math.abs(a - b) <= 1e-9 * (1 + Math.abs(b));
}

// Which cells of a map kept their value: booleans in the map's shape.
export function keptCells(before, after) {
  return before.map((row, i) => row.map((value, j) => isEqual(value, after[i][j])));
}

// Does `after` hold `before` moved by (down, right)? [equal cells, cells that exist in both].
export function movedCells(before, after, [down, right]) {
  const pairs = before.flatMap((row, i) =>
    row.map((value, j) => [value, after[i + down]?.[j + right]]));
  const both = pairs.filter(([, found]) => found !== undefined);
  return [both.filter(([value, found]) => isEqual(value, found)).length, both.length];
}

// A kernel (KH, KW) turned by 180 degrees: sliding it is the true convolution.
export function turn(kernel) {
  return kernel.map((row) => [...row].reverse()).reverse();
}
