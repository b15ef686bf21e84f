// A small chart as SVG: lines or points, linear or log axes, a cursor; after grid.js (element).
// Colours are course.css's variables; mark and dash tell the series apart where colour cannot.

const SVG = "http://www.w3.org/2000/svg";
const CHART_LOOKS = [ // [ink, mark, dash] of the first, second, … series
  ["var(--cnn-focus)", "circle", ""], ["var(--cnn-accent)", "square", "7 4"],
  ["light-dark(#00694d, #4fd1a5)", "triangle", "2 3"],
  ["light-dark(#8e3a76, #e8a5d5)", "cross", "10 3 2 3"], ["var(--cnn-ink)", "circle", "4 4"],
];
const SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";
const LETTER = 7.6; // about how wide a letter of the chart is

function svgNode(tag, attributes = {}, children = []) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// 10^-6 as "10⁻⁶".
export function powerOfTen(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[digit]).join("");
  return `10${exponent < 0 ? "\u207b" : ""}${digits}`;
}

// A number of any size in few letters: 0.25, 1200, 3.1·10⁻⁵.
export function shortNumber(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return "not finite";
  if (size === 0 || (size >= 0.001 && size < 1e5)) {
    return String(Number(value.toPrecision(3))).replace("-", "\u2212");
  }
  const [digits, exponent] = value.toExponential(1).split("e");
  return `${digits.replace("-", "\u2212")}\u00b7${powerOfTen(Number(exponent))}`;
}

// ---- axes: from values to pixels, and the values that get a tick -------------------------------

function rangeOf(given, values, isLog) {
  if (given) return given;
  const shown = values.filter((v) => Number.isFinite(v) && (!isLog || v > 0));
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  if (shown.length === 0) return isLog ? [0.1, 1] : [0, 1];
  if (low < high) return [low, high];
  return isLog ? [low / 10, low * 10] : [low - 0.5, low + 0.5];
}

function powersBetween(low, high, most) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const step = Math.max(1, Math.ceil((last - first + 1) / most));
  const all = Array.from({ length: Math.max(0, last - first + 1) }, (_, k) => first + k);
  return all.filter((exponent) => exponent % step === 0)
    .map((exponent) => [10 ** exponent, powerOfTen(exponent)]);
}

function multiplesBetween(low, high, step) {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) {
    ticks.push([k * step, formatNumber(k * step, digits)]);
  }
  return ticks;
}

// At most `most` of them, and yet two: a single number says nothing of how far it is to the next.
export function roundNumbersBetween(low, high, most, isWhole = false) {
  const least = Math.max((high - low) / most, isWhole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(least));
  const steps = [0.2, 0.5, 1, 2, 5, 10].map((by) => by * power);
  const wide = steps.findIndex((step) => step >= least * (1 - 1e-9));
  const narrow = steps.slice(0, wide).reverse().filter((step) => !isWhole || step >= 1);
  const all = [steps[wide], ...narrow].map((step) => multiplesBetween(low, high, step));
  return all.find((ticks) => ticks.length > 1) ?? all[0];
}

// {low, high, at(value) -> pixel, valueAt(pixel), ticks: [[value, text], …]}
function makeAxis([low, high], [from, to], isLog, most, isWhole = false) {
  const scale = isLog ? Math.log10 : (value) => value;
  const back = isLog ? (value) => 10 ** value : (value) => value;
  const [a, b] = [scale(low), scale(high)];
  return {
    low, high,
    at: (value) => from + ((scale(value) - a) / (b - a)) * (to - from),
    valueAt: (pixel) => back(a + ((pixel - from) / (to - from)) * (b - a)),
    ticks: (isLog ? powersBetween : roundNumbersBetween)(low, high, most, isWhole),
  };
}

// ---- what is drawn -----------------------------------------------------------------------------

function markAt(mark, x, y, ink, size = 3.5) {
  const paint = `fill: ${ink}; stroke: ${ink}`;
  const [a, b] = [size * 0.9, size * 1.2];
  if (mark === "square") {
    return svgNode("rect", { x: x - a, y: y - a, width: 2 * a, height: 2 * a, style: paint });
  }
  if (mark === "triangle") {
    return svgNode("path", { d: `M${x - b} ${y + a}h${2 * b}l${-b} ${-2 * a}z`, style: paint });
  }
  if (mark === "cross") {
    const d = `M${x - a} ${y - a}l${2 * a} ${2 * a}m0 ${-2 * a}l${-2 * a} ${2 * a}`;
    return svgNode("path", { d, style: `${paint}; stroke-width: 2` });
  }
  return svgNode("circle", { cx: x, cy: y, r: size, style: paint });
}

function svgText(text, x, y, anchor, extra = {}) {
  return svgNode("text", { text, x, y, "text-anchor": anchor, style: "fill: var(--cnn-ink)",
    ...extra });
}

function drawAxes(across, up, box, { xLabel, yLabel }) {
  const rule = "stroke: var(--cnn-line); stroke-width: 1";
  const nodes = across.ticks.flatMap(([value, text]) => [
    svgNode("path", { d: `M${across.at(value)} ${box.top}V${box.bottom}`, style: rule }),
    svgText(text, across.at(value), box.bottom + 17, "middle")]);
  nodes.push(...up.ticks.flatMap(([value, text]) => [
    svgNode("path", { d: `M${box.left} ${up.at(value)}H${box.right}`, style: rule }),
    svgText(text, box.left - 6, up.at(value) + 4.5, "end")]));
  const middle = (box.top + box.bottom) / 2;
  nodes.push(
    svgNode("path", { d: `M${box.left} ${box.top}V${box.bottom}H${box.right}`,
      style: "fill: none; stroke: var(--cnn-quiet)" }),
    svgText(xLabel ?? "", (box.left + box.right) / 2, box.bottom + 36, "middle"),
    svgText(yLabel ?? "", 0, 0, "middle", { transform: `translate(13 ${middle}) rotate(-90)` }));
  return nodes;
}

// The points that an axis can show; a gap, null, where one is missing, not finite or, on a log
// axis, not positive.
function placePoints(points, across, up, { logX, logY }) {
  const can = (value, isLog) => Number.isFinite(value) && (!isLog || value > 0);
  return points.map(([x, y]) => (x !== null && y !== null && can(x, logX) && can(y, logY)
    ? [across.at(x), up.at(y)] : null));
}

function drawSeries(points, [ink, mark, dash], hasLine, every) {
  const parts = [];
  let pen = "M";
  const path = points.map((point) => {
    const step = point ? `${pen}${point[0].toFixed(2)} ${point[1].toFixed(2)}` : "";
    pen = point ? "L" : "M";
    return step;
  }).join("");
  if (hasLine) {
    parts.push(svgNode("path", { d: path, "stroke-dasharray": dash,
      style: `fill: none; stroke: ${ink}; stroke-width: 2` }));
  }
  const marked = points.filter((point, k) => point && mark !== "none" && k % every === 0);
  parts.push(...marked.map(([x, y]) => markAt(mark, x, y, ink)));
  return parts;
}

// Names beside their marks, in lines no longer than the chart; returns [nodes, height].
function drawLegend(series, looks, left, width) {
  const nodes = [];
  let [x, line] = [left, 0];
  series.forEach(({ label, line: hasLine = true }, k) => {
    const wide = 34 + label.length * LETTER + 14;
    if (x > left && x + wide > width) [x, line] = [left, line + 1];
    const y = 14 + line * 19;
    const [ink, mark, dash] = looks[k];
    nodes.push(...drawSeries([[x, y - 4], [x + 14, y - 4], [x + 28, y - 4]],
      [ink, "none", dash], hasLine, 1));
    if (mark !== "none") nodes.push(markAt(mark, x + 14, y - 4, ink));
    nodes.push(svgText(label, x + 34, y, "start"));
    x += wide;
  });
  return [nodes, series.length ? (line + 1) * 19 + 6 : 0];
}

// A dashed line at the cursor, and a ring on the point of every series nearest to it.
function drawCursor(cursor, series, dots, across, box) {
  const at = across.at(cursor);
  const nodes = [svgNode("path", { d: `M${at} ${box.top}V${box.bottom}`, class: "cnn-chart-cursor",
    "stroke-dasharray": "5 4", style: "stroke: var(--cnn-ink); stroke-width: 1.5" })];
  dots.forEach((points) => {
    const near = points.filter(Boolean).reduce((best, point) =>
      (!best || Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best), null);
    if (near && Math.abs(near[0] - at) < 4) {
      nodes.push(svgNode("circle", { cx: near[0], cy: near[1], r: 7,
        style: "fill: none; stroke: var(--cnn-ink); stroke-width: 2.5" }));
    }
  });
  return nodes;
}

function chartInWords(title, series, xLabel) {
  const told = series.filter(({ silent }) => !silent).map(({ label, points }) => {
    const seen = points.filter(([, y]) => y !== null && Number.isFinite(y));
    if (seen.length === 0) return `${label}: nothing to show`;
    const least = seen.reduce((best, point) => (point[1] < best[1] ? point : best));
    const [first, last] = [seen[0], seen[seen.length - 1]];
    const at = ([x, y]) => `${shortNumber(y)} at ${xLabel ?? "x"} ${shortNumber(x)}`;
    return `${label}: from ${at(first)} to ${at(last)}, smallest ${at(least)}`;
  });
  return `${title}. ${told.join("; ")}.`;
}

// Returns an <svg role="img">, whose property xAt(clientX) says which x lies under the pointer.
// width, height: pixels; x, y: [low, high], or nothing for the range of the points;
// series: [{label, points: [[x, y], …], mark, line, ink, dash, silent}], where mark is "circle",
// "square", "triangle", "cross" or "none", line: false leaves only the marks, all of them, and a
// silent one is not told in aria-label; logX, logY; wholeX: ticks at whole numbers only; cursor:
// an x where a dashed line stands, or nothing; xLabel, yLabel, title: words, the title for
// aria-label.
export function drawChart({ width = 560, height = 300, x = null, y = null, series = [],
  logX = false, logY = false, wholeX = false, cursor = null, xLabel = "", yLabel = "",
  title = "" }) {
  const looks = series.map(({ mark, ink, dash }, k) => {
    const [ownInk, ownMark, ownDash] = CHART_LOOKS[k % CHART_LOOKS.length];
    return [ink ?? ownInk, mark ?? ownMark, dash ?? ownDash];
  });
  const [legend, above] = drawLegend(series, looks, 4, width);
  const all = series.flatMap(({ points }) => points);
  const box = { left: 62, right: width - 14, top: above + 10, bottom: height - 44 };
  const rangeX = rangeOf(x, all.map(([value]) => value), logX);
  const rangeY = rangeOf(y, all.map(([, value]) => value), logY);
  const across = makeAxis(rangeX, [box.left, box.right], logX, Math.max(2, Math.floor(width / 70)),
    wholeX);
  const up = makeAxis(rangeY, [box.bottom, box.top], logY, Math.max(2, Math.floor(height / 45)));
  const dots = series.map(({ points }) => placePoints(points, across, up, { logX, logY }));
  const lines = dots.flatMap((points, k) => drawSeries(points, looks[k], series[k].line !== false,
    series[k].line === false ? 1 : Math.max(1, Math.ceil(points.length / 24))));
  const [wide, high] = [box.right - box.left, box.bottom - box.top];
  const inside = svgNode("svg", { // cuts off what lies outside of the axes, marks on them not
    "aria-hidden": "true", x: box.left - 5, y: box.top - 5, width: wide + 10, height: high + 10,
    viewBox: `${box.left - 5} ${box.top - 5} ${wide + 10} ${high + 10}`,
  }, lines);
  const shown = cursor !== null && cursor >= across.low && cursor <= across.high
    ? drawCursor(cursor, series, dots, across, box) : [];
  const svg = svgNode("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    class: "cnn-chart", "aria-label": chartInWords(title, series, xLabel || null),
    style: "display: block; max-width: 100%; height: auto; font-size: max(13px, 0.8125rem)",
  }, [...legend, ...drawAxes(across, up, box, { xLabel, yLabel }), inside, ...shown]);
  svg.xAt = (clientX) => {
    const { left, width: drawn } = svg.getBoundingClientRect();
    const value = across.valueAt(((clientX - left) / drawn) * width);
    return Math.min(across.high, Math.max(across.low, value));
  };
  return svg;
}
