// The text form of a network, read as config.parse reads it, and its layers' shapes, parameters and
// FLOPs as Sequential.summary counts them: the same rules, messages and numbers, in JavaScript.

const MAX_CHARACTERS = 100_000;
const MAX_LAYERS = 1_000;
const MAX_PARAMETERS = 50_000_000n;
const MAX_ACTIVATIONS = 20_000_000n;

// A text that does not describe a network; `line` counts from 1, null where it is about all of it.
export class ConfigError extends Error {
  constructor(message, line = null) {
    super(message);
    this.line = line;
  }
}

function fail({ line }, message) {
  throw new ConfigError(`text, line ${line}: ${message}${/[.?]$/.test(message) ? "" : "."}`, line);
}

// ---- what the lines may say: a kind of value is [what a message calls it, word -> value] ------
// undefined: this word is none of them

function whole(least) {
  return (word) =>
    (/^[0-9]{1,9}$/.test(word) && Number(word) >= least ? Number(word) : undefined);
}

function sizes(word, read) {
  const parts = word.includes("x") ? word.split("x") : [word, word];
  const found = parts.map(read);
  return found.length === 2 && !found.includes(undefined) ? found : undefined;
}

// same, valid, or [[top, bottom], [left, right]] from 1, 1x2 and 0+1x2+3
function readPadding(word) {
  if (word === "same" || word === "valid") return word;
  return sizes(word, (part) => {
    const sides = part.split("+").map(whole(0));
    return sides.length > 2 || sides.includes(undefined) ? undefined : [sides[0], sides.at(-1)];
  });
}

function readShape(word) {
  const shape = word.split("x").map(whole(1));
  return [1, 3].includes(shape.length) && !shape.includes(undefined) ? shape : undefined;
}

const DECIMAL = /^[+-]?([0-9]{1,20}(\.[0-9]{0,25})?|\.[0-9]{1,25})([eE][+-]?[0-9]{1,3})?$/;

function number(accept) {
  return (word) => {
    const value = DECIMAL.test(word) ? Number(word) : NaN;
    return Number.isFinite(value) && accept(value) ? value : undefined;
  };
}

function choice(values) {
  return [`one of ${Object.keys(values).join(", ")}`,
    (word) => (Object.hasOwn(values, word) ? values[word] : undefined)];
}

function names(...words) {
  return choice(Object.fromEntries(words.map((word) => [word, word])));
}

const ACTIVATIONS = { relu: "ReLU", leaky_relu: "LeakyReLU", sigmoid: "Sigmoid", tanh: "Tanh",
  softmax: "Softmax" };
const COUNT = ["a whole number, 1 or more", whole(1)];
const PAIR = ["a size: one number like 3, or height x width like 3x5, each 1 or more",
  (word) => sizes(word, whole(1))];
const PADDING = ["same, valid, a number like 1, or height x width like 1x0", readPadding];
const POSITIVE = ["a number above 0", number((value) => value > 0)];
const NOT_NEGATIVE = ["a number, 0 or more", number((value) => value >= 0)];
const FRACTION = ["a number from 0 to below 1", number((value) => value >= 0 && value < 1)];
const MOMENTUM = ["a number above 0, at most 1", number((value) => value > 0 && value <= 1)];
const GROUP = ["a whole number or none", (word) => (word === "none" ? null : whole(1)(word))];
const TRUTH = choice({ true: true, false: false });
const ACTIVATION = { activation: names("none", ...Object.keys(ACTIVATIONS)), alpha: NOT_NEGATIVE };
const POOL = { pool: PAIR, stride: PAIR, padding: PADDING };
const LAYERS = {
  Input: { shape: ["channels x height x width like 1x28x28, or one number", readShape] },
  Conv2D: { filters: COUNT, kernel: PAIR, stride: PAIR, padding: PADDING, bias: TRUTH,
    ...ACTIVATION },
  MaxPool2D: POOL,
  AvgPool2D: { ...POOL, count_include_pad: TRUTH },
  GlobalAvgPool2D: {},
  Flatten: {},
  Dense: { units: COUNT, bias: TRUTH, ...ACTIVATION },
  BatchNorm2D: { momentum: MOMENTUM, eps: POSITIVE, group_size: GROUP, ...ACTIVATION },
  Dropout: { p: FRACTION },
  ReLU: {}, LeakyReLU: { alpha: NOT_NEGATIVE }, Sigmoid: {}, Tanh: {}, Softmax: {},
};
const TRAIN = {
  optimizer: names("sgd", "rmsprop", "adam"), lr: POSITIVE, epochs: COUNT, batch: COUNT,
  schedule: names("constant", "step", "cosine", "one_cycle"), every: COUNT, factor: POSITIVE,
  augment: ["none, or the pixels of a random shift like 1",
    (word) => (word === "none" ? 0 : whole(0)(word))],
  momentum: FRACTION, weight_decay: NOT_NEGATIVE, seed: ["a whole number, 0 or more", whole(0)],
};
const REQUIRED = { Input: ["shape"], Conv2D: ["filters", "kernel"], MaxPool2D: ["pool"],
  AvgPool2D: ["pool"], Dense: ["units"] };
const KNOWN = [...Object.keys(LAYERS), "Train"];

// ---- words as Python writes them --------------------------------------------------------------

// ascii(word): quoted, everything beyond ASCII escaped; long words are cut.
function shown(word) {
  const letters = [...word];
  const text = letters.length <= 40 ? letters : [...letters.slice(0, 37), ..."..."];
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const hex = (code, digits) => code.toString(16).padStart(digits, "0");
  const escaped = text.map((letter) => {
    const code = letter.codePointAt(0);
    if (letter === "\\" || letter === quote) return `\\${letter}`;
    if (code >= 32 && code < 127) return letter;
    if (letter === "\t") return "\\t";
    if (code < 256) return `\\x${hex(code, 2)}`;
    return code < 65536 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
  });
  return `${quote}${escaped.join("")}${quote}`;
}

// The length of all blocks that two words share, longest block first, as difflib counts it.
function sharedLetters(a, b) {
  let best = { size: 0 };
  for (let i = 0; i < a.length; i += 1) {
    for (let j = 0; j < b.length; j += 1) {
      let size = 0;
      while (i + size < a.length && j + size < b.length && a[i + size] === b[j + size]) size += 1;
      if (size > best.size) best = { i, j, size };
    }
  }
  if (best.size === 0) return 0;
  const { i, j, size } = best;
  return size + sharedLetters(a.slice(0, i), b.slice(0, j))
    + sharedLetters(a.slice(i + size), b.slice(j + size));
}

// The known word most like this one, or undefined: difflib.get_close_matches(..., n=1).
function closest(word, known) {
  const short = [...word].slice(0, 40).join("").toLowerCase();
  const scored = known.map((name) => {
    const other = name.toLowerCase();
    return [(2 * sharedLetters(other, short)) / (other.length + [...short].length), other, name];
  }).filter(([score]) => score >= 0.6);
  scored.sort((p, q) => q[0] - p[0] || (q[1] > p[1] ? 1 : -1));
  return scored[0]?.[2];
}

function suggest(word, known) {
  if (known.length === 0) return "It takes no options";
  const close = closest(word, known);
  return close ? `Did you mean ${close}?` : `Known are ${known.join(", ")}`;
}

// [1, [2, 3]] -> "(1, (2, 3))"
function tuple(value) {
  if (!Array.isArray(value)) return String(value);
  return `(${value.map(tuple).join(", ")}${value.length === 1 ? "," : ""})`;
}

function general(value) { // Python's f"{value:g}"
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(5).split("e")[1]);
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  const digits = Number(value.toExponential(5).split("e")[0]);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function commas(count) {
  return count.toLocaleString("en-US");
}

function product(...factors) { // exact, however large
  return factors.flat().reduce((result, factor) => result * BigInt(factor), 1n);
}

// ---- text -> statements -> layers -------------------------------------------------------------

function statementsOf(text) {
  const statements = [];
  text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/).forEach((whole_, index) => {
    const line = whole_.split("#")[0];
    const words = line.split(/[ \t]+/).filter(Boolean).map((word) =>
      ({ text: word, line: index + 1 }));
    if (words.length === 0) return;
    if (!" \t".includes(line[0])) statements.push(words);
    else if (statements.length && !/^[0-9]+$/.test(statements.at(-1)[0].text)) {
      statements.at(-1).push(...words);
    } else {
      fail(words[0], "this line begins with a blank, so it continues the line above, but there is "
        + `no layer above it: ${shown(words[0].text)}. Remove the blanks (in Python: `
        + "textwrap.dedent)");
    }
  });
  return statements;
}

// The first line is no number: say which it should be, from the lines that follow.
function failAtCount(first, rest) {
  const isLayer = first.some(({ text }) => KNOWN.includes(text) || text.includes("="));
  const layers = rest.filter(([word]) => word.text !== "Train").length;
  const count = layers + (isLayer && first[0].text !== "Train" ? 1 : 0);
  const what = `${count} here (Input counts, Train does not)`;
  const above = first[first.length > 1 && /^[0-9]+$/.test(first[0].text) ? 1 : 0].text;
  let fix = "No layers follow; they come one a line, from Input shape=... on";
  if (count) fix = `Write ${what}`;
  if (count && isLayer) fix += ` on a line of its own, above ${shown(above)}`;
  fail(first[0], "the first line must be the number of layers, and nothing else, got "
    + `${shown(first.map((word) => word.text).join(" "))}. ${fix}`);
}

function split([first, ...rest]) {
  if (!/^[0-9]{1,9}$/.test(first[0].text) || first.length > 1) {
    failAtCount(first, rest);
  }
  if (rest.length > MAX_LAYERS) {
    throw new ConfigError(`text: more than ${MAX_LAYERS} layers.`);
  }
  rest.forEach(([name], position) => {
    if (!KNOWN.includes(name.text)) {
      fail(name, `unknown layer ${shown(name.text)}. ${suggest(name.text, KNOWN)}`);
    }
    if (name.text === "Train" && position + 1 < rest.length) {
      const next = rest[position + 1][0];
      fail(next, `the Train line is the last one, but ${shown(next.text)} follows. Move Train to `
        + "the end");
    }
  });
  return rest.at(-1)?.[0].text === "Train" ? [rest.slice(0, -1), rest.at(-1)] : [rest, null];
}

// What a bare value was probably meant to be: "shape=1x28x28" for "1x28x28", say.
function meant(name, value, kinds, found) {
  const missing = (REQUIRED[name] ?? []).filter((option) => !Object.hasOwn(found, option));
  const tried = /^[0-9.+-]/.test(value) ? missing.slice(0, 1) : Object.keys(kinds);
  const fits = tried.find((option) => kinds[option][1](value) !== undefined);
  if (fits !== undefined) return `${name} ${fits}=${value}`;
  return Object.hasOwn(kinds, value) ? `${value}=VALUE, with no blank around =` : "name=value";
}

function optionsOf([first, ...words], kinds) {
  const [name, found] = [first.text, {}];
  for (const word of words) {
    const cut = word.text.indexOf("=");
    const [option, value] = cut < 0 ? [word.text] : [word.text.slice(0, cut),
      word.text.slice(cut + 1)];
    if (cut < 0) {
      const hint = KNOWN.includes(option) ? "A new layer begins at the left margin"
        : `Write ${meant(name, option, kinds, found)}`;
      fail(word, `${name}: expected option=value without blanks, got ${shown(word.text)}. ${hint}`);
    }
    if (!Object.hasOwn(kinds, option)) {
      fail(word, `${name}: unknown option ${shown(option)}. `
        + suggest(option, Object.keys(kinds)));
    }
    if (Object.hasOwn(found, option)) {
      fail(word, `${name}: the option ${option} is given twice, the second time as `
        + `${shown(word.text)}. Remove one`);
    }
    const [expected, read] = kinds[option];
    found[option] = read(value);
    if (found[option] === undefined) {
      const close = expected.startsWith("one of ")
        && closest(value, expected.slice(7).split(", "));
      fail(word, `${name}: ${option}= expects ${expected}, got ${shown(value)}`
        + (close ? `. Did you mean ${close}?` : ""));
    }
  }
  for (const option of REQUIRED[name] ?? []) {
    if (!Object.hasOwn(found, option)) {
      fail(first, `${name}: the option ${option}= is missing; it expects ${kinds[option][0]}`);
    }
  }
  return found;
}

function checkTrain(words, settings) {
  const needs = { momentum: ["optimizer", "sgd"], every: ["schedule", "step"],
    factor: ["schedule", "step"] };
  for (const [option, [other, value]] of Object.entries(needs)) {
    if (Object.hasOwn(settings, option) && settings[other] !== value) {
      fail(words.find((word) => word.text.startsWith(`${option}=`)), `Train: ${option}= belongs `
        + `to ${other}=${value}, but ${other} is ${settings[other] ?? "not given"}`);
    }
  }
}

// Rules about activations that no single option can check; returns a message or undefined.
function wrongEnd(name, options, isLast) {
  const activation = options.activation ?? "none";
  if (name === "Input") return "Input may only stand on the first line after the count";
  if ("alpha" in options && name !== "LeakyReLU" && activation !== "leaky_relu") {
    return `alpha= belongs to activation=leaky_relu, not to ${activation}`;
  }
  if (activation !== "softmax" && name !== "Softmax") return undefined;
  if (!["Dense", "Softmax"].includes(name)) {
    return "softmax turns the scores of the last Dense into probabilities; here use relu, "
      + "leaky_relu, sigmoid or tanh";
  }
  return isLast ? undefined : "softmax may only stand on the last layer; here use relu, "
    + "leaky_relu, sigmoid or tanh";
}

// ---- one line -> its layers: [{name, kind, shape, parameters, flops, ...}] --------------------

function describeWindows(kernel, stride, padding, usualStride) {
  const short = (pair) => (pair[0] === pair[1] ? pair[0] : pair);
  const words = [`kernel_size=${tuple(short(kernel))}`];
  if (String(stride) !== String(usualStride)) words.push(`stride=${tuple(short(stride))}`);
  if (padding === "same") words.push("padding='same'");
  else if (padding !== "valid" && String(padding) !== "0,0,0,0") {
    const sides = padding.map(short);
    words.push(`padding=${tuple(Array.isArray(sides[0]) ? sides : short(sides))}`);
  }
  return words.join(", ");
}

// {output, padded: pixels of one channel, padding} or {message} where the kernel does not fit.
function fitWindows([, ...size], kernel, stride, padding) {
  const where = resolveWindows(size, kernel, stride, padding);
  const padded = size.map((n, axis) => n + where.padding[axis][0] + where.padding[axis][1]);
  const message = `the kernel, ${kernel.join("x")}, is larger than the padded image, `
    + `${padded.join("x")} (image ${size.join("x")}, padding ${tuple(where.padding)}): use a `
    + "smaller kernel or more padding.";
  return where.output.every((n) => n >= 1) ? { ...where, padded } : { message };
}

function convolution(options, shape) {
  const { filters, kernel, stride = [1, 1], padding = "valid", bias = true } = options;
  const fit = fitWindows(shape, kernel, stride, padding);
  if (fit.message) return fit;
  const [C, output, terms] = [shape[0], [filters, ...fit.output], product(shape[0], kernel)];
  const name = `Conv2D(${C}, ${filters}, ${describeWindows(kernel, stride, padding, [1, 1])}`
    + `${bias ? "" : ", bias=False"})`;
  const each = 2n * terms - BigInt(!bias);
  return { layers: [{ kind: "Conv2D", name, shape: output, bias, terms,
    parameters: BigInt(filters) * (terms + BigInt(bias)), each, flops: each * product(output) }],
  work: product(C, fit.padded) + product(output) };
}

function pooling(kind, options, shape) {
  const { pool, stride = pool, padding = "valid", count_include_pad: count = true } = options;
  const fit = fitWindows(shape, pool, stride, padding);
  if (fit.message) return fit;
  const name = `${kind}(${describeWindows(pool, stride, padding, pool)}`
    + `${count ? "" : ", count_include_pad=False"})`;
  if (fit.padding.some((sides, axis) => Math.max(...sides) > Math.floor(pool[axis] / 2))) {
    return { message: `${name}: padding must be at most half the kernel, or a `
      + `window could lie outside the image; got padding ${tuple(fit.padding)} for kernel `
      + `${tuple(pool)}.` };
  }
  const output = [shape[0], ...fit.output];
  return { layers: [{ kind, name, shape: output, parameters: 0n, each: product(pool),
    flops: product(pool, output) }], work: product(shape[0], fit.padded) + product(output) };
}

function dense({ units, bias = true, activation }, shape) {
  const inputs = product(shape);
  if (activation === "softmax" && units === 1) {
    return { message: "softmax over one unit is always 1. Use units=2, or sigmoid" };
  }
  const each = 2n * inputs - BigInt(!bias);
  const layer = { kind: "Dense", shape: [units], bias, terms: inputs, each,
    name: `Dense(${inputs}, ${units}${bias ? "" : ", bias=False"})`,
    parameters: BigInt(units) * (inputs + BigInt(bias)), flops: each * BigInt(units) };
  return { layers: [...(shape.length === 3 ? [simple("Flatten", {}, shape)] : []), layer],
    work: BigInt(units) };
}

// A layer that keeps every value's place, or brings all into one row.
function simple(kind, options, shape) {
  const inner = { LeakyReLU: () => `alpha=${general(options.alpha ?? 0.01)}`,
    Dropout: () => `p=${general(options.p ?? 0.5)}`,
    BatchNorm2D: () => shape[0] + (options.group_size ? `, group_size=${options.group_size}` : ""),
  }[kind]?.() ?? "";
  const output = { Flatten: [Number(product(shape))], GlobalAvgPool2D: [shape[0]] }[kind] ?? shape;
  const each = { Flatten: 0n, BatchNorm2D: 2n }[kind] ?? 1n;
  return { kind, name: `${kind}(${inner})`, shape: output, before: shape, each,
    parameters: kind === "BatchNorm2D" ? 2n * BigInt(shape[0]) : 0n,
    flops: each * product(shape) };
}

// {layers, work: numbers that one image needs} or {message}.
function layersOf(name, options, shape) {
  if (["Conv2D", "MaxPool2D", "AvgPool2D", "GlobalAvgPool2D", "BatchNorm2D"].includes(name)
      && shape.length !== 3) {
    return { message: "expected feature maps (C, H, W), but the layers above leave a flat vector "
      + `of ${shape[0]} numbers. Put ${name} before Flatten and Dense` };
  }
  if (name === "Conv2D") return convolution(options, shape);
  if (name === "Dense") return dense(options, shape);
  if (name === "MaxPool2D" || name === "AvgPool2D") return pooling(name, options, shape);
  if (name === "Softmax" && (shape.length !== 1 || shape[0] === 1)) {
    return { message: "expected a flat vector of at least two scores, got shape "
      + tuple(shape) };
  }
  const layer = simple(name, options, shape);
  return { layers: [layer], work: product(layer.shape) };
}

function checkActivations(numbers, word) {
  if (numbers > MAX_ACTIVATIONS) {
    fail(word, `${word.text}: the feature maps of one image would hold ${commas(numbers)} numbers; `
      + `the limit is ${commas(MAX_ACTIVATIONS)}. Use smaller images, fewer filters or less `
      + "padding");
  }
  return numbers;
}

function follow(input, statements) {
  const first = statements[0][0];
  if (statements.length < 2) fail(first, "expected at least one layer after Input");
  const only = statements.length === 2 ? statements[1][0] : {};
  if (["Softmax", "Sigmoid"].includes(only.text)) {
    fail(only, `${only.text} turns the scores of the layers above into probabilities, but there `
      + "are none. Put a Dense there");
  }
  let [shape, total, numbers] = [input, 0n, checkActivations(product(input), first)];
  const layers = [];
  statements.slice(1).forEach((words, position) => {
    const [word, name] = [words[0], words[0].text];
    const options = optionsOf(words, LAYERS[name]);
    const wrong = wrongEnd(name, options, position === statements.length - 2);
    const made = wrong ? { message: wrong } : layersOf(name, options, shape);
    if (made.message) {
      fail(word, made.message.startsWith(name) ? made.message : `${name}: ${made.message}`);
    }
    shape = made.layers.at(-1).shape;
    const active = ACTIVATIONS[options.activation];
    if (active) made.layers.push(simple(active, options, shape));
    layers.push(...made.layers.map((layer) => ({ ...layer, line: word.line })));
    total += made.layers.reduce((sum, layer) => sum + layer.parameters, 0n);
    if (total > MAX_PARAMETERS) {
      fail(word, `${name}: the network would have ${commas(total)} parameters; the limit is `
        + `${commas(MAX_PARAMETERS)}. Use fewer filters or units, or pool before Dense`);
    }
    numbers = checkActivations(numbers + made.work, word);
  });
  return layers;
}

// The rows of Sequential.summary: {name, kind, shape, parameters, flops, line}; a last Softmax or
// Sigmoid is no row but the `output`. Throws ConfigError with config.parse's own message.
export function trace(text) {
  if ([...text].length > MAX_CHARACTERS) {
    throw new ConfigError(`text: more than ${commas(MAX_CHARACTERS)} characters: not a network.`);
  }
  const statements = statementsOf(text);
  if (statements.length === 0) {
    throw new ConfigError("text: empty. Expected the number of layers on the first line, then one "
      + "layer a line, from Input shape=... on.");
  }
  const [lines, train] = split(statements);
  if (lines[0]?.[0].text !== "Input") {
    fail((lines[0] ?? statements[0])[0], "expected the line Input shape=... after the count, got "
      + (lines[0] ? shown(lines[0][0].text) : "nothing"));
  }
  const { shape } = optionsOf(lines[0], LAYERS.Input);
  const layers = follow(shape, lines);
  if (Number(statements[0][0].text) !== lines.length) {
    fail(statements[0][0], `the first line says ${statements[0][0].text} layers, but `
      + `${lines.length} follow (Input counts; the implicit Flatten and the Train line do not). `
      + `Write ${lines.length}`);
  }
  if (train) checkTrain(train, optionsOf(train, TRAIN));
  const output = { Softmax: "softmax", Sigmoid: "sigmoid" }[layers.at(-1).kind] ?? null;
  const input = { kind: "Input", name: "Input", shape, parameters: 0n, flops: 0n, each: 0n,
    line: lines[0][0].line };
  const rows = [input, ...(output ? layers.slice(0, -1) : layers)].map((row) =>
    ({ ...row, parameters: Number(row.parameters), flops: Number(row.flops) }));
  return { rows, output };
}
