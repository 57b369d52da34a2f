// Reloads the metrics every few seconds while the page is visible.
"use strict";

const EVERY_MS = 3000;
const metrics = document.querySelector("[data-metrics]");
const state = document.querySelector("[data-state]");

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch("/results/figures" + location.search);
    if (!response.ok) throw new Error(response.status);
    metrics.innerHTML = await response.text();
    state.textContent = "live, as of " + new Date().toLocaleTimeString();
  } catch {
    state.textContent = "the server does not respond; trying again";
  }
}

setInterval(refresh, EVERY_MS);
