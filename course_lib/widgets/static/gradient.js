// The backward pass of one image, one channel, one kernel, on nested lists, in two orders:
// scatter (one upstream value at a time) and gather (one result at a time). After cnn.js.

function zeros([rows, columns]) {
  return Array.from({ length: rows }, () => Array(columns).fill(0));
}

function paddedSize([H, W], { padding: [[top, bottom], [left, right]] }) {
  return [top + H + bottom, left + W + right];
}

// What lies inside the padding: the crop that undoes pad().
export function crop(padded, [[top, bottom], [left, right]]) {
  return padded.slice(top, padded.length - bottom)
    .map((row) => row.slice(left, row.length - right));
}

export function sumOfAll(map) {
  return map.flat().reduce((sum, value) => sum + value, 0);
}

// ---- scatter -----------------------------------------------------------------------------------

// The first `count` upstream values, in reading order, each added under its window:
// dpadded[i*s + u][j*s + v] += dy[i][j] * weight[u][v], and
// dweight[u][v] += dy[i][j] * padded[i*s + u][j*s + v].
export function scatter(x, weight, dy, windows, count = Infinity) {
  const padded = pad(x, windows.padding);
  const [dpadded, dweight] = [zeros(sizeOf(padded)), zeros(windows.kernelSize)];
  dy.forEach((line, i) => line.forEach((value, j) => {
    if (i * line.length + j >= count) return;
    const { row, column } = windowAt(i, j, windows);
    weight.forEach((weights, u) => weights.forEach((w, v) => {
      dpadded[row + u][column + v] += value * w;
      dweight[u][v] += value * padded[row + u][column + v];
    }));
  }));
  return { dpadded, dweight };
}

// ---- gather ------------------------------------------------------------------------------------

// stride - 1 zeros between the values of dy.
export function dilate(dy, [down, across]) {
  const [rows, columns] = sizeOf(dy);
  const wide = zeros([(rows - 1) * down + 1, (columns - 1) * across + 1]);
  dy.forEach((line, i) => line.forEach((value, j) => { wide[i * down][j * across] = value; }));
  return wide;
}

// How many zeros "full" puts around the dilated dy: KH - 1 before, and after it as many, plus one
// for each row or column of the padded image that no window reached.
export function fullBorder([H, W], windows) {
  const size = paddedSize([H, W], windows);
  return [0, 1].map((axis) => {
    const before = windows.kernelSize[axis] - 1;
    return [before, before + droppedBy(size[axis], windows.kernelSize[axis],
      windows.stride[axis], [0, 0])];
  });
}

// dy with zeros between and around: sliding the turned kernel over it gives the padded dX.
export function fullGradient(dy, size, windows) {
  return pad(dilate(dy, windows.stride), fullBorder(size, windows));
}

// Which upstream value stands in cell (row, column) of the full dy; null where a zero was put.
export function upstreamAt(row, column, size, windows) {
  const place = fullBorder(size, windows).map(([before], axis) =>
    ([row, column][axis] - before) / windows.stride[axis]);
  const isThere = place.every((n, axis) =>
    Number.isInteger(n) && n >= 0 && n < windows.output[axis]);
  return isThere ? place : null;
}

// The terms of dweight[u][v]: dy[i][j] * padded[i*s + u][j*s + v], in reading order.
export function weightTerms(padded, dy, u, v, windows) {
  return dy.flatMap((line, i) => line.map((value, j) => {
    const { row, column } = windowAt(i, j, windows);
    const pixel = padded[row + u][column + v];
    return { i, j, row: row + u, column: column + v, value, pixel, product: value * pixel };
  }));
}

// The terms of the padded dX at (row, column): the full dy under the turned kernel. Only those
// that meet a value of dy; the others meet a zero.
export function pixelTerms(weight, dy, row, column, size, windows) {
  const [KH, KW] = windows.kernelSize;
  const turned = turn(weight);
  const terms = [];
  for (let a = 0; a < KH; a += 1) {
    for (let b = 0; b < KW; b += 1) {
      const place = upstreamAt(row + a, column + b, size, windows);
      if (place) {
        const [i, j] = place;
        const [value, w] = [dy[i][j], turned[a][b]];
        terms.push({ i, j, a, b, value, weight: w, product: value * w });
      }
    }
  }
  return terms;
}

// Both gradients by gathering: dweight = padded x ⋆ dilated dy, dpadded = full dy ⋆ turned kernel.
export function gather(x, weight, dy, windows) {
  const size = sizeOf(x);
  const dweight = zeros(windows.kernelSize).map((line, u) => line.map((_, v) =>
    sumOf(weightTerms(pad(x, windows.padding), dy, u, v, windows))));
  const dpadded = zeros(paddedSize(size, windows)).map((line, row) => line.map((_, column) =>
    sumOf(pixelTerms(weight, dy, row, column, size, windows))));
  return { dpadded, dweight };
}

// ---- pooling -----------------------------------------------------------------------------------

// What one upstream value adds to the cells of its window, in reading order. Of equal maxima
// "first" pays the first one, "all" pays each in full, "shared" gives each an equal part.
export function poolShares({ terms, winner, equal }, value, rule) {
  return terms.map((term) => {
    if (winner === null) return value / terms.length; // an average
    if (rule === "first") return term === winner ? value : 0;
    if (!equal.includes(term)) return 0;
    return rule === "all" ? value : value / equal.length;
  });
}

// dX of the first `count` upstream values of a pooling layer without padding.
export function poolScatter(x, dy, kind, rule, windows, count = Infinity) {
  const dx = zeros(sizeOf(x));
  dy.forEach((line, i) => line.forEach((value, j) => {
    if (i * line.length + j >= count) return;
    const window = poolWindow(x, kind, i, j, windows);
    poolShares(window, value, rule).forEach((share, k) => {
      dx[window.terms[k].row][window.terms[k].column] += share;
    });
  }));
  return dx;
}
