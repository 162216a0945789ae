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

// Counts down by the server's clock: it said how long it would be when the page was made. At the end, the page is asked
// for again, unless somebody is in the middle of something.
const countdowns = [...document.querySelectorAll("[data-until-ms]")].map((one) => ({ one, end: Number(one.dataset.untilMs) }));
const day = document.documentElement.lang === "fr" ? "j" : "d";
const spoken = (ms) => {
  const s = Math.ceil(ms / 1000), d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60, pad = (n) => String(n).padStart(2, "0");
  return d ? `${d} ${day} ${h} h` : h ? `${h} h ${pad(m)} min` : m ? `${m} min ${pad(s % 60)} s` : `${s} s`;
};
if (countdowns.length) {
  const busy = () => document.querySelector("input[name=reason]:checked, textarea:focus, input:focus, details[open] form");
  const tick = () => {
    for (const item of countdowns) {
      const left = item.end - performance.now();
      if (left > 0) item.one.textContent = item.one.dataset.say.replace("{}", spoken(left));
      else if (item.end > 0 && !item.over) {
        item.over = true;
        item.one.textContent = item.one.dataset.over;
        if (!busy()) return setTimeout(() => location.reload(), 300);
      }
    }
    setTimeout(tick, 1000 - (performance.now() % 1000));
  };
  tick();
}

// An address is long: a button copies it.
document.querySelectorAll("button[data-copies]").forEach((button) => {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", () =>
    navigator.clipboard.writeText(document.getElementById(button.dataset.copies).value).then(() => (button.textContent = button.dataset.copied)),
  );
});

// A slider over time says where it stands, in the school's zone.
document.querySelectorAll("input[data-says]").forEach((slider) => {
  const says = document.getElementById(slider.dataset.says);
  const form = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short", timeZone: slider.dataset.zone });
  const say = () => (says.textContent = form.format(new Date(slider.value * 1000)));
  slider.addEventListener("input", say);
  say();
});

// A part of the page that changes by itself: shown again whenever it did, the focus where it was. A page that nobody sees
// gives its connection back: a browser has few, and all tabs share them.
document.querySelectorAll("[data-live]").forEach((part) => {
  let source, complete = false;
  const stops = () => [...part.querySelectorAll("a, summary, button")];
  const says = document.getElementById(part.dataset.says);
  const show = (event) => {
    const at = stops().indexOf(document.activeElement);
    const unfolded = [...part.querySelectorAll("details")].map((one) => one.open);
    part.innerHTML = event.data;
    part.querySelectorAll("details").forEach((one, number) => (one.open = Boolean(unfolded[number])));
    if (at >= 0) stops()[at]?.focus();
    const said = part.querySelector("[data-said]")?.dataset.said;
    if (says && said && says.textContent !== said) says.textContent = said;
  };
  const leave = () => (source = source?.close());
  const follow = () => {
    if (source || complete || document.hidden) return;
    source = new EventSource(part.dataset.live);
    source.addEventListener("part", show);
    source.addEventListener("complete", () => (complete = true) && leave());
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", follow);
  follow();
});
