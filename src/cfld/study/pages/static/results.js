// Fetches the figures anew every few seconds while somebody looks.
"use strict";

const EVERY_MS = 3000;
const figures = document.querySelector("[data-figures]");
const state = document.querySelector("[data-state]");

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch("/results/figures" + location.search);
    if (!response.ok) throw new Error(response.status);
    figures.innerHTML = await response.text();
    state.textContent = "live, as of " + new Date().toLocaleTimeString();
  } catch {
    state.textContent = "no answer from the server; trying again";
  }
}

setInterval(refresh, EVERY_MS);
