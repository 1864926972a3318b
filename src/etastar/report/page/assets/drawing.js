// Pictures on canvas: uPlot draws the axes, we draw what is inside. Colours come from the sheet.
"use strict";
(() => {
  const { number } = window.etastar;
  let colors = new Map(); // asked for at every dot
  const color = (name) => {
    if (!colors.has(name))
      colors.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`));
    return colors.get(name);
  };
  addEventListener("etastar:theme", () => (colors = new Map()));
  const ratio = () => window.devicePixelRatio || 1;
  const font = (px, weight = "") => `${weight} ${px * ratio()}px system-ui, sans-serif`;

  const logTicks = (low, high, room) => {
    const decades = Math.log10(high / low);
    const first = Math.floor(Math.log10(low));
    const every = Math.ceil((decades * 58) / room);
    const ticks = [];
    for (let power = first; power <= Math.log10(high) + 1; power += 1) {
      const fine = decades < 1.2 && room > 300 ? [1, 1.5, 2, 3, 4, 5, 7] : decades < 2.2 ? [1, 2, 5] : [1];
      if (fine.length === 1 && power % every) continue;
      for (const part of fine) ticks.push(part * 10 ** power);
    }
    return ticks.filter((tick) => tick >= low && tick <= high);
  };

  const axis = (label, log, size) => ({
    label,
    labelSize: 22,
    labelGap: 0,
    labelFont: "12px system-ui, sans-serif",
    font: "12px system-ui, sans-serif",
    size,
    gap: 4,
    stroke: () => color("soft"),
    grid: { stroke: () => color("line"), width: 1 },
    ticks: { stroke: () => color("line"), width: 1, size: 5 },
    values: (_, ticks) => ticks.map((tick) => number(tick)),
    ...(log && {
      splits: (plot, index, low, high) =>
        logTicks(low, high, index === 0 ? plot.width - 80 : plot.height),
      filter: (_, ticks) => ticks,
    }),
  });

  // A frame with axes; `below` and `above` are drawn in it, in that order, inside its box.
  const frame = (element, { x, y, logX, logY, labels, top = 12, below, above, moved }) => {
    const inside = (draw) => (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      draw(pen(plot));
      ctx.restore();
    };
    const scale = ([low, high], log) => ({
      time: false,
      distr: log ? 3 : 1,
      range: () => [low, high],
    });
    return new uPlot(
      {
        width: element.clientWidth,
        height: element.clientHeight,
        padding: [top, 14, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, y: false, x: Boolean(moved), points: { show: false } },
        scales: { x: scale(x, logX), y: scale(y, logY) },
        axes: [axis(labels[0], logX, 32), axis(labels[1], logY, 56)],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: {
          drawClear: [inside(below ?? (() => {}))],
          draw: [inside(above)],
          setCursor: [(plot) => moved && plot.cursor.left >= 0 && moved(plot.posToVal(plot.cursor.left, "x"))],
        },
      },
      [x, y],
      element,
    );
  };

  // Places and strokes in the plot's own units.
  const pen = (plot) => {
    const { ctx, bbox } = plot;
    const at = { x: (v) => plot.valToPos(v, "x", true), y: (v) => plot.valToPos(v, "y", true) };
    const line = (xs, ys, { stroke, width = 1.5, dash = [] }) => {
      ctx.beginPath();
      let down = false;
      for (const [i, y] of ys.entries()) {
        if (y === null || (plot.scales.y.distr === 3 && y <= 0)) {
          down = false;
          continue;
        }
        ctx[down ? "lineTo" : "moveTo"](at.x(xs[i]), at.y(y));
        down = true;
      }
      ctx.setLineDash(dash.map((part) => part * ratio()));
      ctx.lineWidth = width * ratio();
      ctx.lineJoin = "round";
      ctx.strokeStyle = stroke;
      ctx.stroke();
      ctx.setLineDash([]);
    };
    return { plot, ctx, bbox, at, line, ratio: ratio() };
  };

  // Draws now, again when the size or the theme changes, and on demand.
  const mounted = (selector, make) => {
    const element = document.querySelector(selector);
    if (!element) return () => {};
    let plot = null;
    const draw = () => {
      plot?.destroy();
      plot = make(element);
    };
    let width = 0;
    new ResizeObserver(() => {
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      draw();
    }).observe(element);
    addEventListener("etastar:theme", () => plot?.redraw(false, true));
    return () => plot?.redraw(false);
  };

  Object.assign(window.etastar, { color, font, frame, mounted });
})();
