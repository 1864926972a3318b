// Light or dark as the system says, until the button says otherwise. Runs before painting.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    dispatchEvent(new Event("etastar:theme"));
  };
  show(system.matches);
  system.addEventListener("change", () => show(system.matches));
  window.etastar = { dark: () => root.dataset.theme === "dark", setDark: show };
})();
