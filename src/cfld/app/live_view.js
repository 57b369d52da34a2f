// Gradio's gr.HTML runs this once per view, with `element`, `props` and `trigger`.
// One request is on its way at a time; of the poses that arrive meanwhile, the latest waits.
const image = element.querySelector("img");
let latest = null;
let busy = false;

async function redraw() {
  if (busy || !latest) return;
  busy = true;
  const body = JSON.stringify({ source: props.value, pose: latest });
  latest = null;
  try {
    const response = await fetch("live", { method: "POST", headers: { "content-type": "application/json" }, body });
    if (response.status === 200) await show(await response.blob());
  } catch {} // the server is gone or the page is closing: the next movement tries again
  busy = false;
  redraw();
}

async function show(blob) {
  const old = image.src;
  image.src = URL.createObjectURL(blob);
  await image.decode();
  image.hidden = false;
  if (old) URL.revokeObjectURL(old);
}

function follow(event, finished) {
  if (!props.value || !event.target.closest(`#${props.editor}`)) return;
  if (finished) return trigger("submit");
  latest = event.detail;
  redraw();
}

document.addEventListener("pose-moved", (event) => follow(event, false));
document.addEventListener("pose-released", (event) => follow(event, true));
