// Makes a lecture of the screens: widgets first, then every screen made to fit, then reveal.js.
// Where there is room, figures grow. Too tall a screen becomes smaller, down to SMALLEST; then it
// goes on on a second screen.

const WIDTH = 1024;
const HEIGHT = 768;
const SMALLEST = 0.74; // below this nobody reads it from the last row
const LEAST_ZOOM = 0.62; // a widget has larger letters
const LARGER = [1.5, 1.35, 1.2, 1]; // figures: they have 1.5 pixels for each that they take

const deck = document.querySelector(".reveal");
const pieces = (screen) => [...screen.children].filter((child) => !child.matches("aside, .goes-on"));

function height(screen) { // with the longest answer of a quiz open
  const folded = [...screen.querySelectorAll("details:not([open], .making)")];
  const opened = folded.map((one) => {
    one.open = true;
    const found = screen.scrollHeight;
    one.open = false;
    return found;
  });
  return Math.max(screen.scrollHeight, ...opened);
}

function scaled(screen, scale) {
  screen.style.setProperty("--scale", scale);
  screen.querySelectorAll("pre").forEach((pre) => {
    pre.style.removeProperty("--shrink");
    const part = pre.clientWidth / pre.scrollWidth; // of the longest line
    if (part < 1) pre.style.setProperty("--shrink", Math.max(0.68, part * 0.985));
  });
  return height(screen) <= HEIGHT;
}

function enlarge(screen, factor) {
  screen.querySelectorAll("img.output[width]").forEach((image) => {
    image.style.width = factor === 1 ? "" : `${image.getAttribute("width") * factor}px`;
  });
  return height(screen) <= HEIGHT;
}

function fit(screen) {
  const widget = screen.querySelector(".course-widget");
  for (let scale = 1; scale >= SMALLEST; scale -= 0.04) {
    if (scaled(screen, scale)) return LARGER.find((factor) => enlarge(screen, factor));
  }
  // a widget keeps its question, and gives its answer away to the next screen
  const end = pieces(screen).findIndex((piece) => piece.contains(widget)) + 1;
  if (end && end < pieces(screen).length) return [splitOff(screen, end), screen].map(fit);
  for (let zoom = SMALLEST; widget && zoom >= LEAST_ZOOM; zoom -= 0.03) {
    screen.style.setProperty("--zoom", zoom);
    if (scaled(screen, SMALLEST)) return zoom;
  }
  const rest = splitOff(screen);
  if (rest) return [fit(screen), fit(rest)];
  screen.tabIndex = 0; // one piece, far taller than a screen: it scrolls
  screen.classList.add("scrolls");
  return scaled(screen, SMALLEST);
}

// Move what does not fit to a screen of its own below this one, and return that; null if one
// piece is all there is.
function splitOff(screen, first = overflow(screen)) {
  const moved = pieces(screen).slice(first);
  if (first < 1 || !moved.length) return null;
  const rest = screen.cloneNode(false);
  rest.dataset.continued = "";
  rest.style.removeProperty("--zoom");
  const title = screen.querySelector(".goes-on, h1, h2, h3");
  const again = title && `${title.textContent.replace(/ \(continued\)$/, "")} (continued)`;
  const live = moved.some((piece) => piece.querySelector(".course-widget"));
  const question = live && [...screen.querySelectorAll(".text")].at(-1)?.textContent.trim();
  if (question || again) {
    const line = document.createElement("p");
    line.className = "goes-on";
    line.textContent = question || again;
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
deck.classList.remove("measured");
document.querySelectorAll(".screen").forEach((screen) => {
  const folded = screen.querySelectorAll(".text details");
  folded.forEach((one) => one.addEventListener("toggle", () => {
    if (one.open) folded.forEach((other) => other !== one && (other.open = false));
  }));
});
await Reveal.initialize({
  width: WIDTH,
  height: HEIGHT,
  margin: 0,
  minScale: 0.1,
  maxScale: 4,
  center: false,
  hash: true,
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
