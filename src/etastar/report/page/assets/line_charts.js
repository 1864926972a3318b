// The schedule, the trials' loss curves, and the range test.
"use strict";
(() => {
  const { data, fill, number, color, font, frame, mounted } = window.etastar;
  const padded = ([low, high], log) => {
    const ends = log ? [Math.log10(low), Math.log10(high)] : [low, high];
    const pad = 0.06 * (ends[1] - ends[0]) || 1;
    const wide = [ends[0] - pad, ends[1] + pad];
    return log ? wide.map((end) => 10 ** end) : wide;
  };

  if (data.schedule) {
    const { x, y } = data.schedule;
    const end = Math.max(x.at(-1), 1);
    const top = Math.max(...y.filter((value) => value !== null)) || 1;
    mounted("[data-plot=schedule]", (element) =>
      frame(element, {
        x: [0, end],
        y: [Math.min(0, ...y), 1.08 * top],
        labels: [fill("chart.step"), fill("chart.rate")],
        above: ({ line }) => line(x, y, { stroke: color("dot"), width: 2.2 }),
      }),
    );
  }

  if (data.range_test) {
    const test = data.range_test;
    mounted("[data-plot=range]", (element) =>
      frame(element, {
        x: test.x,
        y: padded(test.y, test.log),
        logX: true,
        logY: test.log,
        labels: [fill("chart.rate"), fill("chart.loss")],
        above: ({ line, ctx, at, bbox, ratio }) => {
          test.curves.forEach(({ x, y }, i) =>
            line(x, y, { stroke: color("dot"), width: 1.6, dash: i % 2 ? [5, 3] : [] }),
          );
          if (test.edge === null) return;
          const x = at.x(test.edge);
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.setLineDash([5 * ratio, 3 * ratio]);
          ctx.strokeStyle = color("ink");
          ctx.lineWidth = 1.4 * ratio;
          ctx.stroke();
          ctx.setLineDash([]);
          ctx.font = font(12);
          ctx.fillStyle = color("ink");
          ctx.textBaseline = "top";
          const right = x < bbox.left + 0.6 * bbox.width;
          ctx.textAlign = right ? "left" : "right";
          ctx.fillText(fill("chart.edge", { lr: number(test.edge) }), x + (right ? 6 : -6) * ratio, bbox.top + 4 * ratio);
        },
      }),
    );
  }

  const { curves, curves_frame: shown, trials } = data;
  if (!curves?.length) return;
  let chosen = null;
  const rates = curves.map((curve) => Math.log(trials.lr[curve.trial]));
  const [low, high] = [Math.min(...rates), Math.max(...rates)];
  const ramp = (share) => {
    const place = share * 4;
    const left = Math.min(Math.floor(place), 3);
    const parts = [left, left + 1].map((i) => color(`ramp-${i}`).match(/[\da-f]{2}/gi).map((hex) => parseInt(hex, 16)));
    return `rgb(${parts[0].map((part, i) => Math.round(part + (place - left) * (parts[1][i] - part))).join(" ")})`;
  };
  const redraw = mounted("[data-plot=curves]", (element) =>
    frame(element, {
      x: shown.x,
      y: padded(shown.y, shown.log),
      logY: shown.log,
      labels: [fill("chart.step"), fill("chart.training_loss")],
      above: ({ line, ctx }) => {
        const picked = curves.findIndex((curve) => curve.trial === chosen);
        curves.forEach(({ x, y }, i) => {
          if (i === picked) return;
          ctx.globalAlpha = picked < 0 ? 0.85 : 0.2;
          line(x, y, { stroke: ramp(high > low ? (rates[i] - low) / (high - low) : 0.5), width: 1.3 });
        });
        ctx.globalAlpha = 1;
        if (picked >= 0) line(curves[picked].x, curves[picked].y, { stroke: color("pick"), width: 2.6 });
      },
    }),
  );
  document.querySelector("[data-ramp-low]").textContent = fill("chart.rate_is", { lr: number(Math.exp(low)) });
  document.querySelector("[data-ramp-high]").textContent = number(Math.exp(high));
  addEventListener("etastar:trial", (event) => {
    chosen = event.detail;
    redraw();
  });
})();
