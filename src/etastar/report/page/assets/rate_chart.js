// Loss against learning rate: regimes, belief, trials, the chosen rate, and one to try.
"use strict";
(() => {
  const { data, fill, number, percent, color, font, frame, mounted } = window.etastar;
  const chart = data.chart;
  if (!chart) return;
  const { trials } = data;
  const horizons = [...new Set(trials.steps)].sort((a, b) => a - b);
  const strength = (steps) => (horizons.indexOf(steps) + 1) / horizons.length;
  const crowd = trials.lr.length > 400 ? 0.6 : 1;
  const radius = (steps) => (3 + 4 * strength(steps)) * crowd;
  const faded = new Set(chart.faded ?? []);
  let chosen = null; // the trial picked in the table
  let tried = null; // the rate on the slider

  const cut = (band) => [
    Math.max(band.low ?? chart.x[0], chart.x[0]),
    Math.min(band.high ?? chart.x[1], chart.x[1]),
  ];

  // Words above the axes, one row higher where there is no room beside each other.
  const lanes = (width) => {
    const share = (lr) => Math.log(lr / chart.x[0]) / Math.log(chart.x[1] / chart.x[0]);
    const ends = [];
    return chart.regimes.map((band) => {
      const text = fill(`regime.${band.regime}`);
      const [low, high] = cut(band);
      const half = 4 + [...text].reduce((sum, c) => sum + (c > "\u1100" ? 6 : 3.2), 0);
      const middle = Math.min(Math.max(width * share(Math.sqrt(low * high)), half), width - half);
      let row = ends.findIndex((end) => end < middle - half);
      if (row < 0) row = ends.length;
      ends[row] = middle + half;
      return { text, row, share: middle / width };
    });
  };

  const hatch = ({ ctx, bbox, ratio }, left, right, step, dots) => {
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.clip();
    ctx.beginPath();
    const gap = step * ratio;
    if (dots) {
      ctx.fillStyle = color("hatch");
      for (let x = left + gap / 2; x < right; x += gap)
        for (let y = bbox.top; y < bbox.top + bbox.height; y += gap) ctx.fillRect(x, y, ratio * 1.4, ratio * 1.4);
    } else {
      ctx.strokeStyle = color("hatch");
      ctx.lineWidth = ratio;
      for (let x = left - bbox.height; x < right; x += gap) {
        ctx.moveTo(x, bbox.top + bbox.height);
        ctx.lineTo(x + bbox.height, bbox.top);
      }
      ctx.stroke();
    }
    ctx.restore();
  };

  const shades = (pen) => {
    for (const band of chart.regimes) {
      const [left, right] = cut(band).map(pen.at.x);
      pen.ctx.fillStyle = color(`regime-${band.regime}`);
      pen.ctx.fillRect(left, pen.bbox.top, right - left, pen.bbox.height);
      if (band.regime === "oscillating") hatch(pen, left, right, 9, true);
      if (band.regime === "diverging") hatch(pen, left, right, 9, false);
    }
  };

  const belief = ({ ctx, at, line }) => {
    const { lrs, losses, low, high } = chart.prediction;
    const floor = chart.log ? chart.y[0] / 1e3 : -Infinity;
    ctx.beginPath();
    lrs.forEach((lr, i) => ctx[i ? "lineTo" : "moveTo"](at.x(lr), at.y(Math.max(high[i], floor))));
    for (let i = lrs.length - 1; i >= 0; i -= 1) ctx.lineTo(at.x(lrs[i]), at.y(Math.max(low[i], floor)));
    ctx.fillStyle = color("band");
    ctx.fill();
    line(lrs, losses, { stroke: color("ink"), width: 1.8 });
  };

  const mark = (pen, index) => {
    const { ctx, at, bbox, ratio } = pen;
    const [lr, loss, status] = [trials.lr[index], trials.loss[index], trials.status[index]];
    const picked = index === chosen;
    const size = radius(trials.steps[index]) * ratio * (picked ? 1.5 : 1);
    const x = at.x(lr);
    ctx.beginPath();
    if (status !== 0 || loss === null) {
      const y = bbox.top + 10 * ratio;
      const arm = 4.5 * ratio;
      if (status === 1) {
        ctx.moveTo(x - arm, y - arm);
        ctx.lineTo(x + arm, y + arm);
        ctx.moveTo(x - arm, y + arm);
      } else ctx.moveTo(x - arm, y);
      ctx.lineTo(x + arm, status === 1 ? y - arm : y);
      ctx.strokeStyle = color("ink");
      ctx.lineWidth = (picked ? 3.5 : 2) * ratio;
      ctx.stroke();
      return;
    }
    const top = at.y(loss) < bbox.top;
    if (top) {
      const y = bbox.top + 4 * ratio;
      ctx.moveTo(x, y);
      ctx.lineTo(x - size, y + 1.6 * size);
      ctx.lineTo(x + size, y + 1.6 * size);
      ctx.closePath();
    } else ctx.arc(x, at.y(loss), size, 0, 2 * Math.PI);
    ctx.globalAlpha = (0.45 + 0.55 * strength(trials.steps[index])) * (faded.has(index) && !picked ? 0.3 : 1);
    ctx.fillStyle = color(picked ? "pick" : "dot");
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.strokeStyle = color("card");
    ctx.lineWidth = ratio;
    if (crowd === 1) ctx.stroke();
  };

  const answer = ({ ctx, at, bbox, ratio }) => {
    const ink = color("ink");
    const y = bbox.top + bbox.height - 16 * ratio;
    const bar = (low, high, cap) => {
      ctx.beginPath();
      ctx.moveTo(at.x(low), y);
      ctx.lineTo(at.x(high), y);
      for (const end of [low, high]) {
        ctx.moveTo(at.x(end), y - cap);
        ctx.lineTo(at.x(end), y + cap);
      }
      ctx.strokeStyle = ink;
      ctx.lineWidth = 2.5 * ratio;
      ctx.stroke();
    };
    ctx.setLineDash([5 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(at.x(chart.lr), bbox.top);
    ctx.lineTo(at.x(chart.lr), bbox.top + bbox.height);
    ctx.strokeStyle = ink;
    ctx.lineWidth = 1.4 * ratio;
    ctx.stroke();
    ctx.setLineDash([]);
    if (chart.interval) bar(...chart.interval, 5 * ratio);
    if (chart.interval) {
      ctx.beginPath();
      ctx.arc(at.x(chart.lr), y, 5 * ratio, 0, 2 * Math.PI);
      ctx.fillStyle = ink;
      ctx.fill();
    }
    const right = at.x(chart.lr) < bbox.left + 0.6 * bbox.width;
    plate(ctx, number(chart.lr), at.x(chart.lr) + (right ? 8 : -8) * ratio, y - 17 * ratio, right, ratio, "700");
  };

  const plate = (ctx, text, x, y, right, ratio, weight = "") => {
    ctx.font = font(13, weight);
    ctx.textAlign = right ? "left" : "right";
    ctx.textBaseline = "middle";
    const width = ctx.measureText(text).width;
    ctx.fillStyle = color("plate");
    ctx.fillRect(right ? x - 3 * ratio : x - width - 3 * ratio, y - 9 * ratio, width + 6 * ratio, 18 * ratio);
    ctx.fillStyle = color("ink");
    ctx.fillText(text, x, y);
  };

  const default_ = ({ ctx, at, bbox, ratio }) => {
    const bottom = bbox.top + bbox.height;
    const x = at.x(chart.default);
    ctx.fillStyle = color("soft");
    ctx.fillRect(x - ratio, bottom - 8 * ratio, 2 * ratio, 8 * ratio);
    const right = x < bbox.left + 0.7 * bbox.width;
    const text = fill("chart.default", { lr: number(chart.default) });
    plate(ctx, text, x + (right ? 5 : -5) * ratio, bottom - 10 * ratio, right, ratio);
  };

  const trying = ({ ctx, at, bbox, ratio }) => {
    ctx.beginPath();
    ctx.moveTo(at.x(tried), bbox.top);
    ctx.lineTo(at.x(tried), bbox.top + bbox.height);
    ctx.strokeStyle = color("pick");
    ctx.lineWidth = 1.5 * ratio;
    ctx.stroke();
    ctx.beginPath();
    ctx.arc(at.x(tried), at.y(believed(tried).losses), 5 * ratio, 0, 2 * Math.PI);
    ctx.fillStyle = color("pick");
    ctx.fill();
  };

  const inside = (pen) => {
    if (chart.prediction) belief(pen);
    const order = trials.lr.map((_, i) => i).sort(
      (a, b) => faded.has(b) - faded.has(a) || trials.steps[a] - trials.steps[b],
    );
    for (const index of order) if (index !== chosen) mark(pen, index);
    if (chart.default && Math.abs(Math.log(chart.default / (chart.lr ?? 1e-99))) > 0.02) default_(pen);
    if (chart.lr) answer(pen);
    if (tried !== null && tried !== chart.lr) trying(pen);
    if (chosen !== null) mark(pen, chosen);
  };

  // The losses, with room above for marks and below for the interval.
  const limits = () => {
    const [low, high] = chart.log ? chart.y.map(Math.log10) : chart.y;
    const height = (high - low) / 0.7 || 1;
    const ends = [low - 0.2 * height, high + 0.1 * height];
    return chart.log ? ends.map((end) => 10 ** end) : ends;
  };

  const redraw = mounted("[data-plot=rate]", (element) => {
    const words = lanes(element.clientWidth - 56 - 14 - 22);
    const rows = 1 + Math.max(-1, ...words.map((word) => word.row));
    const plot = frame(element, {
      x: chart.x,
      y: limits(),
      logX: true,
      logY: chart.log,
      top: 8 + 17 * rows,
      labels: [fill("chart.rate"), data.measured ?? fill("chart.loss")],
      below: shades,
      above: inside,
      moved: chart.prediction ? (lr) => attempt(lr) : null,
    });
    plot.hooks.draw.push(() => {
      const { ctx, bbox } = plot;
      const ratio = window.devicePixelRatio || 1;
      ctx.save();
      ctx.font = font(12);
      ctx.fillStyle = color("ink");
      ctx.textAlign = "center";
      ctx.textBaseline = "bottom";
      for (const word of words)
        ctx.fillText(word.text, bbox.left + word.share * bbox.width, bbox.top - (3 + 17 * word.row) * ratio);
      ctx.restore();
    });
    return plot;
  });

  addEventListener("etastar:trial", (event) => {
    chosen = event.detail;
    redraw();
  });

  // The slider: any rate the belief reaches, and what it says there.
  const slider = document.querySelector("[data-try]");
  const grid = chart.prediction?.lrs ?? [];
  const believed = (lr) => {
    let right = grid.findIndex((rate) => rate >= lr);
    if (right < 0) right = grid.length - 1;
    const left = Math.max(right - 1, 0);
    const share = left === right ? 0 : Math.log(lr / grid[left]) / Math.log(grid[right] / grid[left]);
    const between = (values) => values[left] + share * (values[right] - values[left]);
    const { losses, low, high } = chart.prediction;
    return { losses: between(losses), low: between(low), high: between(high) };
  };
  const regimeAt = (lr) =>
    chart.regimes.find((band) => (band.low ?? 0) <= lr && lr < (band.high ?? Infinity))?.regime;
  const told = (lr) => {
    const { losses, low, high } = believed(lr);
    const regime = regimeAt(lr);
    const parts = [
      fill("try.predicted", { lr: number(lr), loss: number(losses), low: number(low), high: number(high) }),
    ];
    const here = chart.lr ? believed(chart.lr).losses : null;
    if (here > 0 && losses > 0 && Math.abs(losses / here - 1) >= 0.001) {
      const key = losses >= here ? "try.higher" : "try.lower";
      parts.push(fill(key, { size: percent(Math.abs(losses / here - 1)) }));
    }
    if (regime) parts.push(fill("try.regime", { regime: fill(`regime.${regime}`) }));
    return parts.join(" ");
  };
  const attempt = (lr, fromSlider) => {
    tried = Math.min(Math.max(lr, grid[0]), grid.at(-1));
    const text = told(tried);
    document.querySelector("[data-try-text]").textContent = text;
    slider.setAttribute("aria-valuetext", text);
    if (!fromSlider)
      slider.value = String(Math.round((1000 * Math.log(tried / grid[0])) / Math.log(grid.at(-1) / grid[0])));
    redraw();
  };
  if (slider && grid.length > 1) {
    slider.addEventListener("input", () =>
      attempt(grid[0] * (grid.at(-1) / grid[0]) ** (slider.value / 1000), true),
    );
    if (chart.lr) attempt(chart.lr);
  }

  // What the marks mean, beside the picture.
  const legend = document.querySelector("[data-legend]");
  const svg = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const entry = (text, ...shapes) => {
    const item = document.createElement("li");
    const icon = svg("svg", { viewBox: "0 0 24 16", class: "icon", "aria-hidden": "true" });
    for (const [name, attributes] of shapes) icon.append(svg(name, attributes));
    item.append(icon, text);
    legend.append(item);
  };
  const steps = (n) => fill(n === 1 ? "count.steps.one" : "count.steps.other", { n: n.toLocaleString("en") });
  const finished = horizons.filter((n) => trials.steps.some((s, i) => s === n && trials.status[i] === 0));
  const named = finished.length > 3 ? [finished[0], finished.at(-1)] : finished;
  for (const n of named)
    entry(fill("legend.trials", { steps: steps(n) }), [
      "circle",
      { cx: 12, cy: 8, r: 3 + 4 * strength(n), class: "dot", opacity: 0.45 + 0.55 * strength(n) },
    ]);
  if (faded.size) entry(fill("legend.faded"), ["circle", { cx: 12, cy: 8, r: 7, class: "dot", opacity: 0.3 }]);
  if (chart.prediction) {
    entry(
      fill("legend.belief", { steps: steps(data.horizon) }),
      ["rect", { x: 0, y: 3, width: 24, height: 10, class: "band" }],
      ["path", { d: "M0 8H24", class: "stroke" }],
    );
  }
  if (chart.lr)
    entry(
      fill(chart.interval ? "legend.answer" : "legend.best"),
      ["path", { d: chart.interval ? "M2 8H22M2 4V12M22 4V12" : "M12 0V4M12 6V10M12 12V16", class: "stroke" }],
      ...(chart.interval ? [["circle", { cx: 12, cy: 8, r: 4, class: "ink" }]] : []),
    );
  if (trials.status.includes(1)) entry(fill("status.1"), ["path", { d: "M8 4L16 12M8 12L16 4", class: "stroke" }]);
  if (trials.status.includes(2)) entry(fill("status.2"), ["path", { d: "M7 8H17", class: "stroke" }]);
})();
