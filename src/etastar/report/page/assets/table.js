// The trials as a table: sorted by any column, a page at a time, each shown in the pictures.
"use strict";
(() => {
  const { data, fill, number } = window.etastar;
  const table = document.querySelector("[data-trials]");
  if (!table) return;
  const PAGE = 12;
  const { trials } = data;
  const drawn = new Set(data.curves.map((curve) => curve.trial));
  const text = (value) => (value === null ? "–" : String(value));
  const columns = [
    { name: fill("chart.rate"), values: trials.lr, show: (v) => number(v) },
    ...trials.settings.map(({ name, values }) => ({ name, values, show: (v) => number(v), theirs: true })),
    { name: fill("table.steps"), values: trials.steps, show: (v) => v.toLocaleString("en") },
    { name: fill("table.seed"), values: trials.seed, show: text, by: (v) => Number(v) },
    { name: fill("table.status"), values: trials.status, show: (v) => fill(`status.${v}`), words: true },
    { name: fill("table.loss"), values: trials.loss, show: (v) => number(v, 4) },
    { name: fill("table.seconds"), values: trials.seconds, show: (v) => number(v, 2) },
  ];
  const order = trials.lr.map((_, index) => index);
  let sorted = null;
  let up = true;
  let page = 0;
  let chosen = null;

  const sort = (column, rising) => {
    sorted = column;
    up = rising;
    const key = (index) => {
      const value = column.values[index];
      return value === null ? null : (column.by?.(value) ?? value);
    };
    const keys = trials.lr.map((_, index) => key(index));
    order.sort((a, b) => {
      if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null) || a - b;
      return (rising ? 1 : -1) * (keys[a] - keys[b]) || a - b;
    });
    page = 0;
    show();
  };

  const heads = columns.map((column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    const name = document.createElement("bdi");
    name.textContent = column.name;
    const arrow = document.createElement("span");
    arrow.setAttribute("aria-hidden", "true");
    button.append(name, arrow);
    button.addEventListener("click", () => sort(column, sorted === column ? !up : true));
    cell.append(button);
    return { cell, arrow, column };
  });
  const row = document.createElement("tr");
  row.append(...heads.map(({ cell }) => cell));
  table.tHead.append(row);

  const pick = (index) => {
    chosen = chosen === index ? null : index;
    dispatchEvent(new CustomEvent("etastar:trial", { detail: chosen }));
    for (const button of table.tBodies[0].querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(Number(button.dataset.trial) === chosen));
  };

  const line = (index) => {
    const made = document.createElement("tr");
    for (const [place, column] of columns.entries()) {
      const cell = document.createElement("td");
      const shown = column.show(column.values[index]);
      if (column.words) cell.className = "words";
      if (place === 0) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = shown;
        button.dataset.trial = String(index);
        button.setAttribute("aria-pressed", String(index === chosen));
        button.setAttribute("aria-label", fill(drawn.has(index) ? "table.show" : "table.mark", { lr: shown }));
        button.addEventListener("click", () => pick(index));
        cell.append(button);
      } else cell.textContent = shown;
      made.append(cell);
    }
    return made;
  };

  const pages = document.querySelector("[data-pages]");
  const last = Math.ceil(order.length / PAGE) - 1;
  const show = () => {
    for (const { cell, arrow, column } of heads) {
      const here = column === sorted;
      cell.setAttribute("aria-sort", here ? (up ? "ascending" : "descending") : "none");
      arrow.textContent = here ? (up ? " ▲" : " ▼") : "";
    }
    const from = page * PAGE;
    const rows = order.slice(from, from + PAGE);
    table.tBodies[0].replaceChildren(...rows.map(line));
    const told = fill("table.range", {
      from: (from + 1).toLocaleString("en"),
      to: (from + rows.length).toLocaleString("en"),
      all: order.length.toLocaleString("en"),
    });
    document.querySelector("[data-page-text]").textContent = told;
    document.querySelector("[data-table-status]").textContent = fill("table.sorted", {
      column: sorted.name,
      order: fill(up ? "table.ascending" : "table.descending"),
    });
    for (const button of pages.querySelectorAll("[data-page]"))
      button.disabled = page + Number(button.dataset.page) < 0 || page + Number(button.dataset.page) > last;
  };
  pages.hidden = last < 1;
  for (const button of pages.querySelectorAll("[data-page]"))
    button.addEventListener("click", () => {
      page += Number(button.dataset.page);
      show();
    });
  sort(columns.find((column) => column.values === trials.loss), true);
})();
