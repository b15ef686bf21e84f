// How lucky is a test set of n? Every draw is a dot; the last one shows its interval, and so does
// each published result. cnn.js, grid.js, chart.js and chance.js stand in front of this file.

const SIZES = [25, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 4000,
  5000, 7500, 10000]; // the stops of the slider
const MOST_DRAWS = 300;
const TRAITS = ["n", "accuracy", "answers", "published", "draws", "seed"];
const HELP = "Each dot is one test set of n images; the ring is the last draw, and the bar below is "
  + "its 95\u00a0% interval. The dashed line is the truth, which only this page knows. "
  + "D draws again, F draws a hundred, up to 300.";
const LOOKS = ["square", "triangle", "cross", "circle"]; // marks of published results

// ---- numbers and words -------------------------------------------------------------------------

export function percentText(share) {
  return `${(Math.floor(1000 * share + 0.5) / 10).toFixed(1)}\u00a0%`;
}

export function truthOf({ accuracy, answers }) {
  return answers ? answers[0] / answers[1] : accuracy;
}

// The stops of the slider up to N, and N itself.
export function sizesFor(answers) {
  const most = answers ? answers[1] : SIZES[SIZES.length - 1];
  return [...SIZES.filter((n) => n < most), most];
}

// What the axis shows: four standard deviations of the smallest test set, and all published ones.
export function axisRange(truth, published) {
  const wide = 4 * Math.sqrt((truth * (1 - truth)) / SIZES[0]);
  const lows = published.map(([, right, n]) => wilsonInterval(right, n)[0]);
  return [Math.max(0, Math.min(truth - wide, ...lows) - 0.005), 1.0025];
}

const thousands = (n) => n.toLocaleString("en-US");

function tellDraw(counts, values, truth) {
  const right = counts[counts.length - 1];
  const [low, high] = wilsonInterval(right, values.n);
  const holds = low <= truth && truth <= high;
  return `Draw ${counts.length}: ${thousands(right)} of ${thousands(values.n)} right, `
    + `${percentText(right / values.n)}; interval ${percentText(low)} to ${percentText(high)}, `
    + `which ${holds ? "holds" : "misses"} the true ${percentText(truth)}.`;
}

function tellAll(counts, values, truth) {
  const { n, published } = values;
  const { least, most, holding, reaching } = summariseDraws(counts, n, truth, published);
  const many = counts.length === 1 ? "1 draw" : `${counts.length} draws`;
  const reached = published.map(([name, right, of], k) =>
    `${percentText(right / of)} (${name}, ${thousands(right)} of ${thousands(of)}) or more in `
    + `${reaching[k]}`);
  return [`${many}: from ${percentText(least / n)} to ${percentText(most / n)}; the interval holds `
    + `the truth in ${holding} of ${counts.length}.`,
  reached.length ? `Of ${many}: ${reached.join("; ")}.` : ""].filter(Boolean);
}

// ---- the picture -------------------------------------------------------------------------------

const STEP = 6; // pixels from dot to dot
const DOTS = 150; // how high the dots may be stacked
const ROW = 40; // an interval with its words above it

// Dots in stacks: [x, height in dots, number of the draw]. Equal scores are one stack; where they
// lie closer than a dot is wide, two neighbouring scores are, or three: as many in every stack,
// or high and low would take turns. Counted from the top, where 100 % is.
export function stackDots(counts, n, across) {
  const together = Math.ceil(STEP / (across.at(1 / n) - across.at(0)));
  const heights = new Map();
  return counts.map((right, draw) => {
    const highest = n - together * Math.floor((n - right) / together);
    const x = across.at((highest - (together - 1) / 2) / n);
    const height = heights.get(x) ?? 0;
    heights.set(x, height + 1);
    return [x, height, draw];
  });
}

function drawDots(counts, n, across, floor) {
  const dots = stackDots(counts, n, across);
  const tallest = Math.max(...dots.map(([, height]) => height)) + 1;
  const rise = Math.min(STEP, DOTS / tallest);
  const at = (height) => floor - STEP / 2 - 1 - height * rise;
  const nodes = dots.map(([x, height, draw]) => svgNode("circle", { cx: x, cy: at(height), r: 2.6,
    "data-draw": draw, style: "fill: var(--cnn-focus)" }));
  const [x, height] = dots[dots.length - 1];
  nodes.push(svgNode("circle", { cx: x, cy: at(height), r: 6, class: "cnn-chance-last",
    style: "fill: none; stroke: var(--cnn-ink); stroke-width: 2.5" }));
  return nodes;
}

// An interval as a bar with ends, its value as a mark, its words above.
function drawInterval({ words, share, low, high, mark, ink, kind }, across, box, y) {
  const [a, b] = [across.at(low), across.at(high)];
  const d = `M${a} ${y}H${b}M${a} ${y - 6}v12M${b} ${y - 6}v12`;
  return [
    svgText(words, box.left, y - 12, "start"),
    svgNode("path", { d, class: `cnn-chance-${kind}`, "data-low": low, "data-high": high,
      style: `fill: none; stroke: ${ink}; stroke-width: 2.5` }),
    markAt(mark, across.at(share), y, ink, 5)];
}

function drawTicks(across, box) {
  const rule = "stroke: var(--cnn-line); stroke-width: 1";
  const nodes = across.ticks.flatMap(([value]) => [
    svgNode("path", { d: `M${across.at(value)} ${box.top}V${box.bottom}`, style: rule }),
    svgText(String(Math.round(100 * value * 10) / 10), across.at(value), box.bottom + 17, "middle")]);
  nodes.push(svgNode("path", { d: `M${box.left} ${box.floor}H${box.right}`,
    style: "stroke: var(--cnn-quiet); stroke-width: 1.5" }),
  svgText("accuracy (%)", (box.left + box.right) / 2, box.bottom + 36, "middle"));
  return nodes;
}

function intervalsOf(counts, values) {
  const right = counts[counts.length - 1];
  const rows = [{ name: `draw ${counts.length}`, right, n: values.n, mark: "circle", kind: "draw",
    ink: "var(--cnn-focus)" }];
  rows.push(...values.published.map(([name, correct, n], k) => ({ name, right: correct, n,
    mark: LOOKS[k % LOOKS.length], kind: "published", ink: "var(--cnn-accent)" })));
  return rows.map((row) => {
    const [low, high] = wilsonInterval(row.right, row.n);
    return { ...row, share: row.right / row.n, low, high,
      words: `${row.name}: ${thousands(row.right)} of ${thousands(row.n)}` };
  });
}

export function drawChance(counts, values, width) {
  const truth = truthOf(values);
  const rows = intervalsOf(counts, values);
  const box = { left: 14, right: width - 14, top: 24, floor: 28 + DOTS };
  box.bottom = box.floor + 12 + ROW * rows.length;
  const height = box.bottom + 44;
  const across = makeAxis(axisRange(truth, values.published), [box.left, box.right], false,
    Math.max(3, Math.floor(width / 70)));
  const at = across.at(truth);
  const side = at > width - 70 ? "end" : "middle";
  const { least, most } = summariseDraws(counts, values.n, truth, []);
  const label = `${counts.length} test sets of ${values.n} images, accuracy from `
    + `${percentText(least / values.n)} to ${percentText(most / values.n)}, true accuracy `
    + `${percentText(truth)}. ${rows.map((row) => `${row.words}, ${percentText(row.share)}, interval `
      + `${percentText(row.low)} to ${percentText(row.high)}`).join("; ")}.`;
  return svgNode("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    class: "cnn-chart", "aria-label": label,
    style: "display: block; max-width: 100%; height: auto; font-size: max(13px, 0.8125rem)" }, [
    ...drawTicks(across, box),
    svgNode("path", { d: `M${at} ${box.top - 4}V${box.bottom}`, class: "cnn-chance-truth",
      "stroke-dasharray": "5 4", style: "stroke: var(--cnn-ink); stroke-width: 2" }),
    svgText(`true ${percentText(truth)}`, at, 14, side),
    ...drawDots(counts, values.n, across, box.floor),
    ...rows.flatMap((row, k) => drawInterval(row, across, box, box.floor + ROW * (k + 1)))]);
}

// ---- controls ----------------------------------------------------------------------------------

class StopSlider {
  constructor(label, onChange) {
    this.input = element("input", { type: "range", class: "cnn-range", step: 1, min: 0,
      "aria-label": label });
    this.says = element("output", { class: "cnn-range-value" });
    this.node = element("label", { class: "cnn-choice cnn-slider" }, [label, this.input, this.says]);
    this.input.addEventListener("input", () => onChange(this.stops[Number(this.input.value)]));
  }

  // stops: the values; the nearest one to `value` is where the handle stands.
  draw(stops, value, text) {
    const far = stops.map((stop) => Math.abs(stop - value));
    this.stops = stops;
    this.input.max = stops.length - 1;
    this.input.value = far.indexOf(Math.min(...far));
    this.says.textContent = text;
    this.input.setAttribute("aria-valuetext", text);
  }
}

const ACCURACIES = Array.from({ length: 500 }, (_, k) => (500 + k) / 1000); // 50.0 to 99.9 %

function buildControls(set, again, reset) {
  const controls = {
    once: button("Draw again", "Draw again", () => again(1)),
    many: button("Draw 100", "Draw 100 more", () => again(100)),
    fresh: button("New luck", "New luck: the same number of draws from another seed",
      () => set("seed")),
    keys: new Fold("Keys", [element("p", { class: "cnn-help", text: HELP })]),
    size: new StopSlider("Images n", (n) => set("n", n)),
    accuracy: new StopSlider("True accuracy", (accuracy) => set("accuracy", accuracy)),
  };
  controls.node = element("div", { class: "cnn-controls" }, [controls.once, controls.many,
    controls.fresh, button("Reset", "Reset to the beginning", reset), controls.keys.button]);
  controls.sliders = element("div", { class: "cnn-controls cnn-second" },
    [controls.size.node, controls.accuracy.node]);
  return controls;
}

function drawControls(controls, values) {
  controls.size.draw(sizesFor(values.answers), values.n, thousands(values.n));
  controls.accuracy.node.hidden = values.answers !== null;
  if (!values.answers) {
    controls.accuracy.draw(ACCURACIES, values.accuracy, percentText(values.accuracy));
  }
  const isFull = values.draws >= MOST_DRAWS;
  [controls.once, controls.many].forEach((node) => {
    node.setAttribute("aria-disabled", String(isFull));
  });
}

// The draws of these values, kept: one more draw costs one draw.
class Draws {
  constructor() {
    Object.assign(this, { of: "", counts: [] });
  }

  get(values) {
    const now = JSON.stringify([values.n, values.accuracy, values.answers, values.seed]);
    if (now !== this.of) Object.assign(this, { of: now, counts: [] });
    while (this.counts.length < values.draws) {
      this.counts.push(drawTestSet(values, this.counts.length));
    }
    return this.counts.slice(0, values.draws);
  }
}

function render({ model, el }) {
  const valuesNow = () => Object.fromEntries(TRAITS.map((name) => [name, model.get(name)]));
  const beginning = valuesNow();
  const known = new Draws();
  const change = (changes) => {
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  };
  const again = (more) => change({ draws: Math.min(MOST_DRAWS, model.get("draws") + more) });
  const set = (name, value) => change(name === "seed" ? { seed: model.get("seed") + 1 }
    : { [name]: value });
  const controls = buildControls(set, again, () => change(beginning));
  const place = element("div", { class: "cnn-chart-place cnn-chance" });
  const says = element("div", { class: "cnn-sentence", "aria-live": "polite" });
  const root = element("div", { class: "cnn-widget" }, [element("div", { class: "cnn-body" },
    [controls.node, controls.keys.panel, controls.sliders, place, says])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  root.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const more = { d: 1, f: 100 }[event.key.toLowerCase()];
    if (more) again(more);
  });
  el.append(root);

  const draw = () => {
    const values = valuesNow();
    const [counts, truth] = [known.get(values), truthOf(values)];
    drawControls(controls, values);
    const width = Math.max(280, Math.min(900, Math.floor(place.clientWidth) || 560));
    const chart = drawChance(counts, values, width);
    place.style.height = `${chart.getAttribute("height")}px`; // also while its width is changing
    place.replaceChildren(chart);
    says.replaceChildren(...[tellDraw(counts, values, truth), ...tellAll(counts, values, truth)]
      .map((text) => element("p", { text })));
  };
  draw();
  let width = place.clientWidth;
  const watcher = new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    draw();
  });
  watcher.observe(place);
  const stop = onTraits(model, TRAITS, draw);
  return () => {
    watcher.disconnect();
    stop();
    root.remove();
  };
}

export default { render };
