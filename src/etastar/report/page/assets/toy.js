// Drag the rate: gradient descent with momentum on a quadratic, computed here.
//
// The problem is a line fitted by least squares to points of mean 0 on [-1, 1]: the loss over
// intercept and slope is a valley of curvatures 2 and 2/3.
"use strict";
(() => {
  const CURVATURES = [2, 2 / 3];
  const START = [-1.2, -1.8];
  const STEPS = 100; // shown, and counted
  const LONG = 2000; // enough to tell which side of the edge
  const CONVERGED = 1e-3; // of the loss at the start
  const RATES = [0.003, 4];

  const edge = (momentum) => (2 * (1 + momentum)) / Math.max(...CURVATURES);
  const lossAt = (place) => place.reduce((sum, x, i) => sum + 0.5 * CURVATURES[i] * x * x, 0);

  // As torch.optim.SGD: v = momentum * v + gradient; x = x - rate * v.
  const simulate = (rate, momentum, steps) => {
    const place = [...START];
    const speed = [0, 0];
    const path = [[...place]];
    const losses = [lossAt(place)];
    for (let t = 0; t < steps; t += 1) {
      for (const i of [0, 1]) {
        speed[i] = momentum * speed[i] + CURVATURES[i] * place[i];
        place[i] -= rate * speed[i];
      }
      path.push([...place]);
      losses.push(lossAt(place));
    }
    return { path, losses };
  };

  const lossAfter = (steps, rate, momentum) =>
    CURVATURES.reduce((sum, curvature, i) => {
      let [place, speed] = [START[i], 0];
      for (let t = 0; t < steps && place < 1e9 && place > -1e9; t += 1) {
        speed = momentum * speed + curvature * place;
        place -= rate * speed;
      }
      return sum + 0.5 * curvature * place * place;
    }, 0);

  // Steps after which the loss stays low; null where it does not.
  const convergedAfter = (losses) => {
    for (let t = losses.length - 1; t >= 0; t -= 1)
      if (!(losses[t] <= CONVERGED * losses[0])) return t + 1 < losses.length ? t + 1 : null;
    return 0;
  };

  const outcome = (rate, momentum, best) => {
    const { losses, path } = simulate(rate, momentum, STEPS);
    if (!(lossAfter(LONG, rate, momentum) < losses[0])) return { regime: "diverging", steps: null };
    const steps = convergedAfter(losses);
    if (steps !== null) return { regime: steps <= 2 * best ? "optimal" : "good", steps };
    let turns = 0;
    for (let t = 1; t <= STEPS; t += 1) turns += path[t][0] * path[t - 1][0] < 0;
    return { regime: turns > STEPS / 2 ? "oscillating" : "too_small", steps: null };
  };

  const rateAt = (share) => RATES[0] * (RATES[1] / RATES[0]) ** share;
  const shareOf = (rate) => Math.log(rate / RATES[0]) / Math.log(RATES[1] / RATES[0]);

  // The fewest steps any constant rate needs at this momentum.
  const fewest = (momentum) => {
    let best = Infinity;
    for (let share = 0; share <= 1; share += 1 / 400) {
      if (rateAt(share) >= edge(momentum)) break;
      best = Math.min(best, convergedAfter(simulate(rateAt(share), momentum, STEPS).losses) ?? Infinity);
    }
    return best;
  };

  Object.assign(window.etastar, { toy: { edge, simulate, outcome, fewest, convergedAfter } });

  const root = document.querySelector("[data-toy]");
  if (!root) return;
  const { fill, number } = window.etastar;
  const find = (name) => root.querySelector(`[data-toy-${name}]`);
  const svg = (parent, name, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  };

  let rate = 0.1;
  let momentum = 0;
  let best = fewest(momentum);

  const strip = () => {
    const target = find("strip");
    target.replaceChildren();
    const parts = 250;
    let [begin, regime] = [0, null];
    for (let i = 0; i <= parts; i += 1) {
      const here = i < parts ? outcome(rateAt((i + 0.5) / parts), momentum, best).regime : null;
      if (here === regime) continue;
      if (regime)
        svg(target, "rect", {
          x: (begin * 1000) / parts,
          y: 0,
          width: ((i - begin) * 1000) / parts,
          height: 16,
          class: `fill-${regime}`,
        });
      [begin, regime] = [i, here];
    }
  };

  // 100 pixels per unit, the minimum in the middle.
  const valley = ({ path }) => {
    const target = find("valley");
    target.replaceChildren();
    for (const level of [0.1, 0.4, 1, 2, 3.5, 6])
      svg(target, "ellipse", {
        cx: 200,
        cy: 150,
        rx: 100 * Math.sqrt((2 * level) / CURVATURES[1]),
        ry: 100 * Math.sqrt((2 * level) / CURVATURES[0]),
        class: "contour",
      });
    const clip = (value) => Math.min(Math.max(value, -5000), 5000);
    const points = path.map(([b, w]) => [clip(200 + 100 * w), clip(150 - 100 * b)]);
    svg(target, "polyline", { points: points.join(" "), class: "walk" });
    for (const [x, y] of points.slice(0, 40)) svg(target, "circle", { cx: x, cy: y, r: 2.6, class: "dot" });
    svg(target, "circle", { cx: points[0][0], cy: points[0][1], r: 6, class: "begin" });
    svg(target, "path", { d: "M192 150H208M200 142V158", class: "stroke" });
    svg(target, "text", { x: points[0][0] + 12, y: points[0][1] + 14, class: "label" }, fill("toy.start"));
    svg(target, "text", { x: 212, y: 146, class: "label" }, fill("toy.minimum"));
  };

  // Decades of the loss over its start: from a millionth to a thousand times.
  const curve = ({ losses }) => {
    const target = find("curve");
    target.replaceChildren();
    const [left, right, top, bottom] = [46, 392, 10, 262];
    const height = (loss) => {
      const decades = Math.min(Math.max(Math.log10(loss / losses[0]), -6), 3);
      return top + ((3 - decades) / 9) * (bottom - top);
    };
    const across = (t) => left + (t / STEPS) * (right - left);
    for (const decade of [-6, -3, 0, 3]) {
      const y = top + ((3 - decade) / 9) * (bottom - top);
      svg(target, "path", { d: `M${left} ${y}H${right}`, class: decade === -3 ? "goal" : "contour" });
      svg(target, "text", { x: left - 6, y: y + 4, class: "label end" }, { "-6": "10⁻⁶", "-3": "10⁻³", 0: "1", 3: "10³" }[decade]);
    }
    svg(target, "text", { x: right, y: height(losses[0] * CONVERGED) - 5, class: "label end" }, fill("toy.converged"));
    for (const t of [0, 25, 50, 75, 100])
      svg(target, "text", { x: across(t), y: bottom + 16, class: "label middle" }, String(t));
    svg(target, "text", { x: (left + right) / 2, y: bottom + 34, class: "label middle" }, fill("chart.step"));
    const points = losses.map((loss, t) => [across(t), Number.isFinite(loss) ? height(loss) : top]);
    svg(target, "polyline", { points: points.join(" "), class: "walk" });
  };

  const show = () => {
    const run = simulate(rate, momentum, STEPS);
    const { regime, steps } = outcome(rate, momentum, best);
    valley(run);
    curve(run);
    const told = fill("toy.state", {
      lr: number(rate),
      regime: fill(`regime.${regime}`),
      outcome: fill(`toy.outcome.${regime}`, { steps }),
    });
    const state = find("state");
    state.textContent = told;
    state.className = `toy-state regime-${regime}`;
    root.dataset.regime = regime;
    find("rate").value = String(Math.round(1000 * shareOf(rate)));
    find("rate").setAttribute("aria-valuetext", told);
    find("momentum").setAttribute("aria-valuetext", number(momentum, 2));
    find("edge").textContent = fill("toy.edge", { momentum: number(momentum, 2), edge: number(edge(momentum)) });
  };

  find("rate").addEventListener("input", (event) => {
    rate = rateAt(event.target.value / 1000);
    show();
  });
  find("momentum").addEventListener("input", (event) => {
    momentum = Number(event.target.value);
    best = fewest(momentum);
    strip();
    show();
  });
  for (const button of root.querySelectorAll("[data-toy-set]"))
    button.addEventListener("click", () => {
      rate = Number(button.dataset.toySet);
      show();
    });
  strip();
  show();
})();
