// Moving pictures: paused by a button, and still from the start where the reader wants it so.
"use strict";
(() => {
  const { fill } = window.etastar;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  for (const movie of document.querySelectorAll("[data-movie]")) {
    const moving = movie.getAttribute("src");
    const button = movie.closest("figure").querySelector("[data-pause]");
    const show = (paused) => {
      movie.src = paused ? movie.dataset.still : moving; // set anew, a film begins anew
      button.textContent = fill(paused ? "movie.play" : "movie.pause");
      button.setAttribute("aria-pressed", String(paused));
    };
    button.addEventListener("click", () => show(button.getAttribute("aria-pressed") !== "true"));
    if (still.matches) show(true);
  }
})();
