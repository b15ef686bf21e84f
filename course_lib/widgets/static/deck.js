// Makes a lecture of the screens: widgets first, then every screen made to fit, then reveal.js.
// What comes with a later key (a fragment) takes no room before: a screen must fit in each of its
// states. Too tall a screen becomes smaller, down to SMALLEST; code folds when its output comes;
// the rest goes on on a second screen. A figure grows into the room that is left. A widget never
// leaves its question: it becomes smaller, or scrolls in its place.

const WIDTH = 1024;
const HEIGHT = 768;
const SMALLEST = 0.74; // below this nobody reads it from the last row
const WHOLE = 0.82; // code folds before its screen becomes smaller than this
const GAP = 12; // above a widget
const LEAST = 14; // pixels of the smallest letters in a widget
const FIGURES = Array.from({ length: 34 }, (_, k) => 2.2 - 0.05 * k); // of its pixels, to 0.55
const PERCENTS = Array.from({ length: 51 }, (_, k) => 100 - k); // of a widget
const WIDE = 760; // a figure of this width is wide enough
const PRINTED = /print-pdf/.test(location.search);

const deck = document.querySelector(".reveal");
const pieces = (screen) => [...screen.children].filter((one) => !one.matches("aside, .goes-on"));
const fragments = (screen) => [...screen.querySelectorAll(".fragment")];

// ---- the states of a screen: before the first key, after it, and so on

function states(screen) {
  const steps = fragments(screen).map((one) => Number(one.dataset.fragmentIndex));
  return PRINTED ? [Infinity] : [...new Set([0, ...steps])].sort((a, b) => a - b);
}

function show(screen, state) {
  for (const one of fragments(screen)) {
    const step = Number(one.dataset.fragmentIndex);
    one.classList.toggle("visible", step <= state);
    one.classList.toggle("current-fragment", step === state);
  }
  settle(screen);
}

// Code that folds is open until the next output is there.
function settle(screen) {
  for (const fold of screen.querySelectorAll(".folds")) {
    const output = nextOutput(fold);
    fold.open = !output || (output.matches(".fragment") && !output.matches(".visible"));
  }
}

function nextOutput(code) {
  let next = code.closest(".piece");
  do next = next.nextElementSibling; while (next && !next.matches(".output, .figure"));
  return next;
}

function height(screen) { // of the tallest state, with the longest answer of a quiz open
  const answers = [...screen.querySelectorAll(".text details:not([open])")];
  let most = 0;
  for (const state of states(screen)) {
    show(screen, state);
    most = Math.max(most, screen.scrollHeight);
    for (const one of answers) {
      one.open = true;
      most = Math.max(most, screen.scrollHeight);
      one.open = false;
    }
  }
  return most;
}

function scaled(screen, scale) {
  screen.style.setProperty("--scale", scale);
  show(screen, Infinity);
  screen.querySelectorAll(".folds").forEach((one) => { one.open = true; });
  screen.querySelectorAll("pre").forEach((pre) => {
    pre.style.removeProperty("--shrink");
    pre.classList.remove("wraps");
    const part = pre.clientWidth / pre.scrollWidth; // of the longest line
    if (part < 1) pre.style.setProperty("--shrink", part * 0.985);
    pre.classList.toggle("wraps", pre.scrollWidth > pre.clientWidth + 1);
  });
  return height(screen) <= HEIGHT;
}

// Figures `factor` times as wide as they have pixels; the width of the widest where all fits.
function enlarge(screen, factor) {
  const images = [...screen.querySelectorAll(".figure img[width]")];
  for (const image of images) image.style.width = `${image.getAttribute("width") * factor}px`;
  return height(screen) <= HEIGHT && Math.max(...images.map((image) => image.clientWidth));
}

// Words give way to a figure that is still narrow, as far as they are easy to read.
function fitFigure(screen) {
  const found = [];
  for (let scale = 1; scale >= SMALLEST; scale -= 0.06) {
    scaled(screen, scale);
    const factor = largest(FIGURES, (one) => enlarge(screen, one));
    const width = factor && enlarge(screen, factor);
    if (width) found.push({ scale, factor, width });
    if (width >= WIDE || (width && scale < WHOLE)) break;
  }
  if (!found.length) return false;
  const widest = Math.max(...found.map(({ width }) => width));
  const best = found.find(({ width }) => width >= 0.95 * widest);
  scaled(screen, best.scale);
  return enlarge(screen, best.factor);
}

// Fold the code that has been seen by itself, or all of it; false where there is none.
function foldCode(screen, all = false) {
  const step = (piece) => Number(piece?.dataset.fragmentIndex ?? 0);
  const code = [...screen.querySelectorAll(".piece.code > pre")].filter((pre) =>
    all || step(nextOutput(pre)) > step(pre.parentElement));
  for (const pre of code) {
    const fold = document.createElement("details");
    fold.className = "making folds";
    fold.innerHTML = "<summary>The code</summary>";
    pre.before(fold);
    fold.append(pre);
  }
  return code.length > 0;
}

function scales(screen, least) {
  for (let scale = 1; scale >= least - 1e-6; scale -= 0.02) {
    if (scaled(screen, scale)) return true;
  }
  return false;
}

// The first of falling sizes that fits, found by halving; undefined where none does.
function largest(sizes, fits) {
  let [low, high] = [0, sizes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(sizes[middle])) high = middle;
    else low = middle + 1;
  }
  return sizes[low];
}

function fit(screen) {
  screen.classList.add("fitting");
  fitted(screen);
  screen.classList.remove("fitting");
}

function fitted(screen) {
  if (screen.querySelector(".course-widget")) return fitWidget(screen);
  if (screen.querySelector(".figure img[width]")) {
    foldCode(screen, true);
    if (fitFigure(screen)) return true;
  } else if (scales(screen, WHOLE)
      || (foldCode(screen) && scales(screen, SMALLEST)) || scales(screen, SMALLEST)) return true;
  const rest = splitOff(screen);
  if (rest) return [screen, rest].forEach(fit);
  screen.tabIndex = 0; // one piece, far taller than a screen: it scrolls
  screen.classList.add("scrolls");
  return scaled(screen, SMALLEST);
}

// ---- widgets: as large as the room below their texts allows, and always with letters to read

const rooms = new Map();

// The letters of the texts are chosen for the longest of them; the widget then takes the room
// that the text of the moment leaves.
function fitWidget(screen) {
  const place = screen.querySelector(".piece.live");
  const above = screen.querySelector(".above");
  const arrange = (scale) => {
    place.hidden = true;
    scaled(screen, scale);
    show(screen, states(screen)[0]);
    rooms.set(place, { above, room: HEIGHT - GAP - screen.scrollHeight + above.offsetHeight });
    place.hidden = false;
    return Math.min(...states(screen).map((state) => {
      show(screen, state);
      return adjust(place);
    }));
  };
  const sizes = [1, 0.9, 0.82, SMALLEST];
  const zooms = sizes.map(arrange);
  const most = Math.max(...zooms);
  arrange(most ? sizes[zooms.findIndex((zoom) => zoom >= Math.min(0.96, most))] : SMALLEST);
}

// The largest zoom at which the widget fits; where none does, it scrolls, at the least: 0.
function adjust(place) {
  const { above, room } = rooms.get(place);
  const left = room - above.offsetHeight;
  const { scrollTop } = place;
  const fits = (percent) => {
    place.style.setProperty("--zoom", percent / 100);
    return place.scrollHeight <= left;
  };
  place.style.maxHeight = "";
  const least = Math.min(100, Math.ceil(100 * LEAST / smallest(place)));
  const percent = largest(PERCENTS.filter((one) => one >= least), fits);
  fits(percent ?? least);
  place.style.maxHeight = `${left}px`;
  place.scrollTop = scrollTop;
  return (percent ?? 0) / 100;
}

// The smallest letters of a widget, but for those that deck.css keeps at 14 pixels; the numbers
// in the cells of a grid are the widget's affair.
function smallest(place) {
  const kept = ".cnn-help, .cnn-factors, .cnn-which, .cnn-head *, summary, .cnn-grid *, svg *";
  const told = [...place.querySelectorAll(".cnn-widget *")].filter((one) => !one.matches(kept)
    && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return Math.min(18, ...told.map((one) => parseFloat(getComputedStyle(one).fontSize)));
}

// ---- too much for one screen

// Move what does not fit to a screen of its own below this one, and return that; null if one
// piece is all there is.
function splitOff(screen, first = overflow(screen)) {
  const moved = pieces(screen).slice(first);
  if (first < 1 || !moved.length) return null;
  const rest = screen.cloneNode(false);
  rest.dataset.continued = "";
  const title = screen.querySelector(".goes-on, h1, h2, h3");
  const again = title && `${title.textContent.replace(/ \(continued\)$/, "")} (continued)`;
  if (again) {
    const line = document.createElement("p");
    line.className = "goes-on";
    line.textContent = again;
    rest.append(line);
  }
  const waits = moved[0].dataset.fragmentIndex; // turning to this screen was the key
  for (const piece of moved) {
    if (waits && piece.dataset.fragmentIndex === waits) piece.classList.remove("fragment");
  }
  rest.append(...moved, ...[...screen.querySelectorAll("aside")].map((one) => one.cloneNode(true)));
  screen.after(rest);
  return rest;
}

// The number of the first piece that does not fit; a heading stays with what follows.
function overflow(screen) {
  scaled(screen, 0.9);
  screen.querySelectorAll(".text").forEach(takeApart);
  const all = pieces(screen);
  const heading = (piece) => piece.childElementCount === 1 && piece.querySelector(":is(h1, h2, h3)");
  const end = screen.getBoundingClientRect().top + HEIGHT;
  let first = all.findIndex((piece) => piece.getBoundingClientRect().bottom > end);
  if (first < 0) first = all.length - 1;
  while (first > 0 && heading(all[first - 1])) first -= 1;
  return first > 0 ? first : all.findIndex((piece) => !heading(piece)) + 1;
}

function takeApart(text) {
  const piece = text.parentElement;
  if (text.childElementCount < 2 || !piece.matches(".piece")) return;
  for (const child of [...text.children]) {
    const part = piece.cloneNode(false);
    part.classList.add("text");
    part.append(child);
    piece.before(part);
  }
  piece.remove();
}

// ---- keys: a widget has its own; page keys (and a presenter's remote) always turn the slide

document.addEventListener("keydown", (event) => {
  if (!event.target.closest?.(".course-widget")) return;
  if (event.key === "Escape") {
    event.target.blur();
  } else if (event.key === "PageDown") {
    event.target.blur();
    Reveal.next();
  } else if (event.key === "PageUp") {
    event.target.blur();
    Reveal.prev();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}, true);

function mayTurn(event) {
  const at = event.target.closest?.(".course-widget, summary, a, button, .scrolls");
  if (!at) return true;
  if (at.matches(".course-widget")) return false;
  if (at.matches(".scrolls")) return !["ArrowUp", "ArrowDown"].includes(event.key);
  return ![" ", "Enter"].includes(event.key);
}

// Light or dark as the system says, until C is pressed: a projector wants what the room wants.
function changeColours() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.style.colorScheme || (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.style.colorScheme = next;
  document.body.dataset.jpThemeLight = String(next === "light"); // what the widgets look for
}

// ---- start

await started;
await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
document.querySelectorAll(".course-widget").forEach((place) => {
  place.dataset.preventSwipe = "";
});
deck.classList.add("measured");
document.querySelectorAll(".screen").forEach(fit);
document.querySelectorAll(".screen").forEach((screen) => {
  show(screen, PRINTED ? Infinity : 0);
  const folded = screen.querySelectorAll(".text details");
  folded.forEach((one) => one.addEventListener("toggle", () => {
    if (one.open) folded.forEach((other) => other !== one && (other.open = false));
  }));
});
deck.classList.remove("measured");
const watched = new ResizeObserver((changes) => changes.forEach(({ target }) => {
  const place = target.closest(".screen").querySelector(".piece.live");
  if (target.offsetHeight) requestAnimationFrame(() => adjust(place)); // else it is not in sight
}));
document.querySelectorAll(".cnn-widget, .above").forEach((one) => watched.observe(one));
for (const event of ["slidechanged", "fragmentshown", "fragmenthidden"]) {
  Reveal.on(event, () => {
    const screen = Reveal.getCurrentSlide();
    settle(screen);
    screen.querySelectorAll(".live").forEach(adjust);
  });
}
await Reveal.initialize({
  width: WIDTH,
  height: HEIGHT,
  margin: 0,
  minScale: 0.1,
  maxScale: 4,
  center: false,
  hash: true,
  navigationMode: "linear",
  slideNumber: "c/t",
  transition: "none",
  backgroundTransition: "none",
  pdfSeparateFragments: false,
  pdfMaxPagesPerSlide: 1,
  keyboardCondition: mayTurn,
  plugins: [Plugin],
});
Reveal.addKeyBinding({ keyCode: 67, key: "C", description: "Light or dark" }, changeColours);
document.documentElement.dataset.deck = "ready";
