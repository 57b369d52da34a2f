// One question: its buttons and keys are enabled once all images have loaded, and the answer is sent once.
"use strict";

const OPEN_AFTER_MS = 350; // the second half of a double click on the page before must not answer this one
const form = document.querySelector("form[data-question]");
const buttons = [...form.querySelectorAll("button[name=choice]")];
const images = [...form.querySelectorAll("img")];
let sent = false;

function note(name) {
  form.querySelector(`[data-note=${name}]`).hidden = false;
}

function loaded(image) {
  return new Promise((resolve, reject) => {
    image.addEventListener("load", resolve);
    image.addEventListener("error", reject);
    if (image.dataset.address) image.src = image.dataset.address;
    else if (image.complete) (image.naturalWidth ? resolve : reject)();
  });
}

function limitTime() {
  const seconds = Number(form.dataset.seconds);
  if (!seconds) return;
  setTimeout(() => {
    for (const image of images) image.classList.add("gone");
    note("gone");
  }, 1000 * seconds);
}

for (const button of buttons) button.disabled = true;
const allLoaded = Promise.all(images.map(loaded));
const waited = new Promise((resolve) => setTimeout(resolve, OPEN_AFTER_MS));
allLoaded.then(limitTime, () => note("failed"));
Promise.all([allLoaded, waited]).then(() => {
  for (const button of buttons) button.disabled = false;
  form.dataset.open = ""; // for automated tests: buttons and keys are enabled
}, () => {});

form.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = buttons.find((one) => one.dataset.keys.split(" ").includes(event.key.toLowerCase()));
  if (button && !button.disabled) form.requestSubmit(button);
});

window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
