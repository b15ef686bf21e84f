// Chance: a seeded generator, test sets drawn with it, Wilson's interval. Draws nothing on screen.
// The same as in widgets/sample_size.py, to the last bit; stands in front of a view.

const WARM_UP = 15; // steps until a, b and c have all seen seed and stream

// Uniform numbers in [0, 1), 32 bits each: sfc32 (C. Doty-Humphrey). Streams are independent.
export function makeRandom(seed, stream) {
  let [a, b, c, d] = [seed | 0, stream | 0, 0x9e3779b9 | 0, 1];
  const next = () => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let k = 0; k < WARM_UP; k += 1) next();
  return next;
}

// How many of n images are right. answers [right, N]: n of these N images, none twice
// (hypergeometric); null: each image is right with the probability `accuracy` (binomial).
// A larger n with the same seed and stream is the same test set and more.
export function drawTestSet({ n, accuracy, answers, seed }, stream) {
  const random = makeRandom(seed, stream);
  let right = 0;
  for (let k = 0; k < n; k += 1) {
    const isRight = answers ? random() * (answers[1] - k) < answers[0] - right
      : random() < accuracy;
    right += Number(isRight);
  }
  return right;
}

export function wilsonInterval(correct, n, z = 1.96) {
  const [p, shrink] = [correct / n, 1 + (z * z) / n];
  const centre = (p + (z * z) / (2 * n)) / shrink;
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / shrink;
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

// What the widget tells of these draws: counts of right answers, all out of n.
export function summariseDraws(counts, n, truth, published) {
  const holding = counts.filter((right) => {
    const [low, high] = wilsonInterval(right, n);
    return low <= truth && truth <= high;
  }).length;
  const reaching = published.map(([, right, of]) =>
    counts.filter((count) => count * of >= right * n).length);
  return { least: Math.min(...counts), most: Math.max(...counts), holding, reaching };
}
