// What the parts of a page share: its data, its words, numbers, tabs and copy buttons.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("etastar-data").textContent);
  const fill = (key, values = {}) =>
    data.words[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

  // as "%.3g" writes it
  const number = (value, digits = 3) => {
    if (value === null || !Number.isFinite(value)) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    const text = value.toPrecision(digits);
    if (size >= 1e-4 && size < 10 ** Math.max(digits, 6)) return String(Number(text));
    return Number(text).toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  };
  const percent = (share) => fill("number.percent", { value: number(100 * share, 2) });

  Object.assign(window.etastar, { data, fill, number, percent });

  const theme = document.querySelector("[data-theme-button]");
  const pressed = () => theme.setAttribute("aria-pressed", String(window.etastar.dark()));
  theme.addEventListener("click", () => window.etastar.setDark(!window.etastar.dark()));
  addEventListener("etastar:theme", pressed);
  pressed();

  for (const tabs of document.querySelectorAll("[data-tabs]")) {
    const all = [...tabs.querySelectorAll("[role=tab]")];
    const choose = (chosen) => {
      for (const tab of all) {
        const on = tab === chosen;
        tab.setAttribute("aria-selected", String(on));
        tab.tabIndex = on ? 0 : -1;
        document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
      }
      chosen.focus();
    };
    const keys = { ArrowRight: 1, ArrowLeft: -1, Home: 0, End: 0 };
    for (const [place, tab] of all.entries()) {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        if (!(event.key in keys)) return;
        event.preventDefault();
        const ends = { Home: 0, End: all.length - 1 };
        choose(all[ends[event.key] ?? (place + keys[event.key] + all.length) % all.length]);
      });
    }
  }

  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copy = async (element) => {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return true;
    } catch {
      select(element); // left selected, so that the keyboard can copy it where we may not
      return document.execCommand("copy");
    }
  };
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      const done = await copy(document.querySelector(button.dataset.copy));
      button.textContent = fill(done ? "copy.done" : "copy.selected");
      setTimeout(() => (button.textContent = fill("copy.do")), 2500);
    });
  }
})();
