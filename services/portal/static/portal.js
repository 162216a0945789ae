// A little help on top of pages that work without it.
"use strict";

// A form is sent once, however often its button is pressed; the hidden key makes a second one harmless anyway.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// A choice that only changes what is shown needs no button.
document.querySelectorAll("form[data-auto]").forEach((form) => {
  form.querySelectorAll("[data-auto-button]").forEach((button) => (button.hidden = true));
  form.addEventListener("change", () => form.requestSubmit());
});

// A reason that opens later opens by itself: the page is asked for again when its time has come, by the server's clock.
const opening = [...document.querySelectorAll("[data-opens-in-ms]")].map((one) => Number(one.dataset.opensInMs));
const first = Math.min(...opening.filter((wait) => wait > 0));
if (first < 6 * 3600 * 1000) {
  setTimeout(() => document.querySelector("input[name=reason]:checked") || location.reload(), first + 500);
}

// What a command caused appears as it happens.
const panel = document.getElementById("effets");
if (panel && panel.dataset.source) {
  const source = new EventSource(panel.dataset.source);
  source.addEventListener("effects", (event) => (panel.innerHTML = event.data));
  source.addEventListener("complete", () => source.close());
  window.addEventListener("pagehide", () => source.close());
}
