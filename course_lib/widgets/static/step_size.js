// The step-size curve: the error of a numerical gradient against h, in float64 and float32. Every
// h that is tried leaves its point; the whole curve comes when it is asked for.
// cnn.js, grid.js and chart.js stand in front of this file.

const PLACE = 0.7; // the x at which the gradient is asked for
const FIRST = -96; // slider positions: eighths of a power of ten
const SHAPING = ["function", "difference", "h", "distance"];
const CURVE = ["function", "difference", "distance"]; // what the curve depends on
const PRECISIONS = [["float64", (value) => value], ["float32", Math.fround]];
const HELP = "Move h with the slider, its arrow keys, or by pointing into the chart; every h "
  + "leaves its point. Dashed line: h; ring: the error there. The gradient is that at x = 0.7; "
  + "ReLU is relu(x \u2212 kink).";

// Position k of a slider as a number of three digits: 10 ** (k / 8).
export function stepAt(k) {
  return Number((10 ** (k / 8)).toExponential(2));
}

export function positionOf(h) {
  return Math.round(8 * Math.log10(h));
}

// ---- arithmetic: every operation rounded as in the precision -----------------------------------

// The difference quotient of x³, or x³ + relu(x - kink), at 0.7.
export function numericGradient({ function: kind, difference, distance }, h, round) {
  const [x, step] = [round(PLACE), round(h)];
  const kink = round(x + round(distance));
  const f = (at) => {
    const bend = kind === "kink" ? Math.max(round(at - kink), 0) : 0;
    return round(round(round(at * at) * at) + bend);
  };
  const after = f(round(x + step));
  if (difference === "forward") return round(round(after - f(x)) / step);
  return round(round(after - f(round(x - step))) / round(step + step));
}

export function analyticGradient(round) {
  return 3 * round(PLACE) * round(PLACE);
}

export function relativeError(numeric, analytic) {
  return Math.abs(numeric - analytic) / Math.max(Math.abs(numeric), Math.abs(analytic));
}

// What makes up numeric - analytic: {truncation, kink, rounding}, each with its sign.
export function errorParts({ function: kind, difference, distance }, h, round) {
  const [x, step] = [round(PLACE), round(h)];
  const isForward = difference === "forward";
  const truncation = isForward ? 3 * x * step + step * step : step * step;
  const over = kind === "kink" ? Math.max(0, step - distance) : 0; // how far beyond the kink
  const kink = over / (isForward ? step : 2 * step);
  const numeric = numericGradient({ function: kind, difference, distance }, h, round);
  return { truncation, kink, rounding: numeric - analyticGradient(round) - truncation - kink };
}

export function largestPart(parts) {
  return Object.keys(parts).reduce((best, name) =>
    (Math.abs(parts[name]) > Math.abs(parts[best]) ? name : best));
}

const ALL_STEPS = Array.from({ length: 1 - FIRST }, (_, k) => stepAt(FIRST + k));

function curve(steps, values, round) {
  return steps.map((h) => {
    const error = relativeError(numericGradient(values, h, round), analyticGradient(round));
    return [h, Math.max(error, 1e-17)]; // an exact hit lies below the chart, it is no gap
  });
}

// The steps tried so far, in order; another function, difference or distance begins anew.
class Tried {
  constructor() {
    this.forget();
  }

  forget() {
    Object.assign(this, { of: "", steps: [] });
  }

  add(values) {
    const now = JSON.stringify(CURVE.map((name) => values[name]));
    if (now !== this.of) Object.assign(this, { of: now, steps: [] });
    if (!this.steps.includes(values.h)) {
      this.steps = [...this.steps, values.h].sort((a, b) => a - b);
    }
    return this.steps;
  }
}

// ---- words and controls ------------------------------------------------------------------------

const BECAUSE = { truncation: "truncation dominates: the curve bends away from its tangent",
  rounding: "rounding dominates: two nearly equal numbers are subtracted",
  kink: "the kink dominates: x + h lies beyond it, where another slope holds",
  lost: "x + h is rounded to x itself, and nothing is left of h" };

function tellPrecision([name, round], values) {
  const numeric = numericGradient(values, values.h, round);
  const analytic = analyticGradient(round);
  const digits = round === Math.fround ? 8 : 13;
  const isLost = round(round(PLACE) + round(values.h)) === round(PLACE);
  const largest = largestPart(errorParts(values, values.h, round));
  const plain = (value) => String(Number(value.toPrecision(digits))).replace("-", "\u2212");
  return `${name}: numeric ${plain(numeric)}, analytic ${plain(analytic)}, relative error `
    + `${shortNumber(relativeError(numeric, analytic))}: `
    + `${BECAUSE[isLost ? "lost" : largest]}.`;
}

// A labelled slider over powers of ten.
class PowerSlider {
  constructor(label, least, onChange) {
    this.input = element("input", { type: "range", class: "cnn-range", min: least, max: 0,
      step: 1, "aria-label": label });
    this.says = element("output", { class: "cnn-range-value" });
    this.node = element("label", { class: "cnn-choice cnn-slider" },
      [label, this.input, this.says]);
    this.input.addEventListener("input", () => onChange(stepAt(Number(this.input.value))));
  }

  draw(value) {
    this.input.value = positionOf(value);
    this.says.textContent = shortNumber(value);
    this.input.setAttribute("aria-valuetext", shortNumber(value));
  }
}

function buildControls(model, set, reset) {
  const controls = {
    show: button("Show the curve", "Show the curve",
      () => set({ show_curve: !model.get("show_curve") })),
    keys: new Fold("Keys", [element("p", { class: "cnn-help", text: HELP })]),
    function: new Choice("Function", (name) => set({ function: name })),
    difference: new Choice("Difference", (name) => set({ difference: name })),
    h: new PowerSlider("Step size h", FIRST, (h) => set({ h })),
    distance: new PowerSlider("Distance to the kink", -64, (distance) => set({ distance })),
  };
  controls.node = element("div", { class: "cnn-controls" }, [controls.function.node,
    controls.difference.node, controls.show, button("Reset", "Reset to the beginning", reset),
    controls.keys.button]);
  controls.sliders = element("div", { class: "cnn-controls cnn-second" },
    [controls.h.node, controls.distance.node]);
  return controls;
}

function drawControls(controls, values) {
  controls.function.draw([["smooth", "smooth: x\u00b3"], ["kink", "kink: x\u00b3 + ReLU"]],
    values.function);
  controls.difference.draw([["central", "central"], ["forward", "forward"]], values.difference);
  controls.h.draw(values.h);
  controls.distance.draw(values.distance);
  controls.distance.node.hidden = values.function !== "kink";
  controls.show.textContent = values.show_curve ? "Hide the curve" : "Show the curve";
  controls.show.setAttribute("aria-label", controls.show.textContent);
}

function drawPicture(place, values, tried) {
  const width = Math.max(280, Math.min(900, Math.floor(place.clientWidth) || 560));
  const kink = values.function === "kink"
    ? `, a kink ${shortNumber(values.distance)} from x` : "";
  const isWhole = values.show_curve;
  const series = PRECISIONS.map(([name, round]) => ({ label: name, line: isWhole,
    points: curve(isWhole ? ALL_STEPS : tried, values, round) }));
  if (values.function === "kink") {
    series.push({ label: "kink", mark: "none", ink: "var(--cnn-quiet)", dash: "2 3", silent: true,
      points: [[values.distance, 1e-13], [values.distance, 10]] });
  }
  const chart = drawChart({ width, height: width < 450 ? 260 : 290, x: [ALL_STEPS[0], 1],
    y: [1e-13, 10], series, logX: true, logY: true, cursor: values.h, xLabel: "step size h",
    yLabel: "relative error", title: `Relative error of a ${values.difference} difference${kink}`
      + `${isWhole ? "" : ", at the steps tried"}` });
  place.style.height = `${chart.getAttribute("height")}px`; // also while its width is changing
  place.replaceChildren(chart);
  return chart;
}

function render({ model, el }) {
  const valuesNow = () => Object.fromEntries(SHAPING.map((name) => [name, model.get(name)]));
  const beginning = { ...valuesNow(), show_curve: Boolean(model.get("show_curve")) };
  const tried = new Tried();
  const set = (changes) => {
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  };
  const controls = buildControls(model, set, () => {
    tried.forget();
    set(beginning);
    draw();
  });
  const place = element("div", { class: "cnn-chart-place" });
  const says = element("div", { class: "cnn-sentence", "aria-live": "polite" });
  const root = element("div", { class: "cnn-widget" }, [element("div", { class: "cnn-body" },
    [controls.node, controls.keys.panel, controls.sliders, place, says])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);

  let chart = null;
  const draw = () => {
    const values = { ...valuesNow(), show_curve: Boolean(model.get("show_curve")) };
    drawControls(controls, values);
    chart = drawPicture(place, values, tried.add(values));
    says.replaceChildren(...PRECISIONS.map((precision) =>
      element("p", { text: tellPrecision(precision, values) })));
  };
  const point = (event) => {
    const k = positionOf(chart.xAt(event.clientX));
    if (k !== positionOf(model.get("h"))) set({ h: stepAt(k) });
  };
  place.addEventListener("pointermove", point);
  place.addEventListener("click", point);
  draw();
  let width = place.clientWidth;
  const watcher = new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    draw();
  });
  watcher.observe(place);
  const stop = onTraits(model, [...SHAPING, "show_curve"], draw);
  return () => {
    watcher.disconnect();
    stop();
    root.remove();
  };
}

export default { render };
