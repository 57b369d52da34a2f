// Gradio's gr.HTML runs this once per editor, with `element`, `props`, `trigger` and `watch`.
// A pose is {frame: [height, width], keypoints: [[y, x], ...]} as in poses/keypoints.py. It is never modified in place.
const MISSING = -1;
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const HINT = "Drag the joints, or select one with Tab and move it with the arrow keys (Shift: larger steps).";

const { joints, bones, mirror } = props;
const svg = element.querySelector("svg");
const dots = [...element.querySelectorAll(".joint")];
const lines = [...element.querySelectorAll(".bone")];
const restoreMenu = element.querySelector("select");

let pose = null;
let start = null; // the last pose set by the server
let past = [];
let future = [];
let before = null; // the pose before an unfinished movement
let drag = null; // {pointer, joint, grip}
let chosen = null;
let view = null; // {top, left, height, width} in pixels of the frame

const isVisible = ([y, x]) => y !== MISSING && x !== MISSING;
const clamp = (number, low, high) => Math.min(Math.max(number, low), high);

function rounded(number) {
  const kept = Math.round(number * 100) / 100;
  return kept === MISSING ? -1.01 : kept; // as Keypoints.to_json: a joint at -1 would count as missing
}

function withJoint(joint, point) {
  return { ...pose, keypoints: pose.keypoints.map((old, index) => (index === joint ? point : old)) };
}

// ---- drawing

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

// Shows the frame with a margin, and joints outside it, also when mirrored.
function fitView() {
  const [height, width] = pose.frame;
  const points = [[0, 0], [height, width], ...pose.keypoints.filter(isVisible)];
  const ys = points.map(([y]) => y);
  const xs = points.flatMap(([, x]) => [x, width - 1 - x]);
  const margin = height * 0.05;
  const [top, left] = [Math.min(...ys) - margin, Math.min(...xs) - margin];
  view = { top, left, height: Math.max(...ys) + margin - top, width: Math.max(...xs) + margin - left };
  svg.setAttribute("viewBox", [left, top, view.width, view.height].join(" "));
  setAttributes(element.querySelector(".frame"), { width, height });
  setAttributes(element.querySelector(".backdrop"), { width, height, preserveAspectRatio: "none" });
  const unit = view.height / 100;
  for (const line of lines) line.setAttribute("stroke-width", 1.3 * unit);
  for (const dot of dots) {
    dot.querySelector(".reach").setAttribute("r", 5.5 * unit);
    dot.querySelector(".dot").setAttribute("r", 1.6 * unit);
  }
}

function draw() {
  dots.forEach(drawJoint);
  lines.forEach((line, index) => {
    const [from, to] = [bones[index].from, bones[index].to].map((joint) => pose.keypoints[joint]);
    line.style.display = isVisible(from) && isVisible(to) ? "" : "none";
    setAttributes(line, { y1: from[0], x1: from[1], y2: to[0], x2: to[1] });
  });
  const missing = joints.filter((_, joint) => !isVisible(pose.keypoints[joint]));
  restoreMenu.replaceChildren(new Option("Restore joint…", ""), ...missing.map(({ name }) => new Option(name)));
  restoreMenu.disabled = !missing.length;
  const idle = { undo: !past.length, redo: !future.length, remove: chosen === null };
  for (const [action, off] of Object.entries(idle)) element.querySelector(`[data-action=${action}]`).disabled = off;
  element.querySelector(".hint").textContent =
    chosen === null ? HINT : `${joints[chosen].name}: ${place(pose.keypoints[chosen])}`;
}

function drawJoint(dot, joint) {
  const [y, x] = pose.keypoints[joint];
  dot.style.display = isVisible([y, x]) ? "" : "none";
  dot.classList.toggle("chosen", joint === chosen);
  dot.classList.toggle("held", joint === drag?.joint);
  setAttributes(dot, { transform: `translate(${x} ${y})`, "aria-valuemin": 0, "aria-valuemax": pose.frame[0] });
  setAttributes(dot, { "aria-valuenow": y, "aria-valuetext": place([y, x]) });
}

function place([y, x]) {
  return `row ${Math.round(y)}, column ${Math.round(x)}`;
}

function choose(joint) {
  chosen = joint;
  draw();
}

// ---- changes: each is an undo step and is sent to the server

function show(next) {
  pose = next;
  if (chosen !== null && !isVisible(pose.keypoints[chosen])) chosen = null;
  draw();
  announce("pose-moved");
}

// To other parts of the page, which learn of movements only here: `trigger` tells the server.
function announce(kind) {
  element.dispatchEvent(new CustomEvent(kind, { bubbles: true, detail: pose }));
}

function send(next) {
  show(next);
  props.value = next;
  trigger("input");
  announce("pose-released");
}

function change(next) {
  past.push(pose);
  future = [];
  send(next);
}

function move(joint, [y, x]) {
  before ??= pose;
  const { top, left, height, width } = view;
  show(withJoint(joint, [rounded(clamp(y, top, top + height)), rounded(clamp(x, left, left + width))]));
}

function finish() {
  const [moved, old] = [pose, before];
  [before, drag] = [null, null];
  if (!old || JSON.stringify(old) === JSON.stringify(moved)) return draw();
  pose = old;
  change(moved);
}

function abandon() {
  const old = before;
  [before, drag] = [null, null];
  show(old ?? pose);
}

const actions = {
  undo() {
    if (!past.length) return;
    future.push(pose);
    send(past.pop());
  },
  redo() {
    if (!future.length) return;
    past.push(pose);
    send(future.pop());
  },
  mirror() { // as Keypoints.mirrored: left joints become right joints
    const flip = ([y, x]) => (isVisible([y, x]) ? [y, rounded(pose.frame[1] - 1 - x)] : [y, x]);
    change({ ...pose, keypoints: mirror.map((twin) => flip(pose.keypoints[twin])) });
  },
  reset() {
    change(start);
  },
  remove() {
    if (chosen === null) return;
    change(withJoint(chosen, [MISSING, MISSING]));
    element.querySelector("[data-action=undo]").focus(); // the focused joint is hidden
  },
};

// At its initial position, else beside a joint connected to it, else in the middle of the frame.
function restoreJoint(joint) {
  const [height, width] = pose.frame;
  const ends = bones.filter(({ from, to }) => from === joint || to === joint);
  const neighbour = ends.map(({ from, to }) => pose.keypoints[from === joint ? to : from]).find(isVisible);
  const beside = neighbour && [neighbour[0] + height * 0.06, neighbour[1]];
  const home = [start.keypoints[joint], beside ?? [height / 2, width / 2]].find(isVisible);
  change(withJoint(joint, home.map(rounded)));
  dots[joint].focus({ preventScroll: true });
}

// ---- mouse, pen and finger

function inFrame(event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [y, x];
}

function nearest([y, x]) {
  const far = pose.keypoints.map((point) => (isVisible(point) ? Math.hypot(point[0] - y, point[1] - x) : Infinity));
  return far.indexOf(Math.min(...far));
}

// A touch on a joint does not scroll the page, other touches do. (Chromium has no touch-action inside SVG.)
svg.addEventListener("touchstart", (event) => event.target.closest(".joint") && event.preventDefault(), { passive: false });
svg.addEventListener("pointerdown", (event) => {
  if (drag || event.button !== 0 || !event.target.closest(".joint")) return;
  finish();
  const [y, x] = inFrame(event);
  const joint = nearest([y, x]);
  const held = pose.keypoints[joint];
  event.preventDefault();
  svg.setPointerCapture(event.pointerId);
  drag = { pointer: event.pointerId, joint, grip: [held[0] - y, held[1] - x] };
  dots[joint].focus({ preventScroll: true });
  choose(joint);
});
svg.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drag?.pointer) return;
  const [y, x] = inFrame(event);
  move(drag.joint, [y + drag.grip[0], x + drag.grip[1]]);
});
svg.addEventListener("pointerup", (event) => event.pointerId === drag?.pointer && finish());
svg.addEventListener("pointercancel", (event) => event.pointerId === drag?.pointer && abandon());

// ---- keyboard

// Listeners are on the joints: an SVG with its own listener becomes a Tab stop.
function steer(event, joint) {
  if (event.ctrlKey || event.metaKey || event.altKey || drag) return;
  chosen = joint; // the server may have set another pose since the joint was focused
  if (event.key === "Delete" || event.key === "Backspace") actions.remove();
  else if (!ARROWS[event.key]) return;
  else {
    const step = Math.max(1, Math.round(pose.frame[0] / 256)) * (event.shiftKey ? 10 : 1);
    move(joint, pose.keypoints[joint].map((value, axis) => value + step * ARROWS[event.key][axis]));
  }
  event.preventDefault();
}

dots.forEach((dot, joint) => {
  dot.addEventListener("focus", () => choose(joint));
  dot.addEventListener("blur", () => drag || finish());
  dot.addEventListener("keydown", (event) => steer(event, joint));
  dot.addEventListener("keyup", (event) => ARROWS[event.key] && !drag && finish());
});
element.addEventListener("keydown", (event) => {
  const key = (event.ctrlKey || event.metaKey) && !drag ? event.key.toLowerCase() : "";
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  finish();
  actions[key === "y" || event.shiftKey ? "redo" : "undo"]();
});

// ---- buttons, and values set by the server

for (const button of element.querySelectorAll("[data-action]"))
  button.addEventListener("click", () => actions[button.dataset.action]());
restoreMenu.addEventListener("change", () => restoreJoint(joints.findIndex(({ name }) => name === restoreMenu.value)));

function begin() {
  [start, past, future, before, drag, chosen] = [props.value, [], [], null, null, null];
  pose = start;
  fitView();
  draw();
}

function showBackdrop() {
  const backdrop = element.querySelector(".backdrop");
  backdrop.style.display = props.backdrop ? "" : "none";
  if (props.backdrop) backdrop.setAttribute("href", props.backdrop);
}

watch("value", begin);
watch("backdrop", showBackdrop);
begin();
showBackdrop();
