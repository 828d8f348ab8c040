// The table of records: search, filters, order, pages, and the texts of a row.
"use strict";

(() => {
  const PAGE = 100;
  const PAUSE = 200;
  // The end of an id tells records apart whose instructions are the same.
  const KEPT = 8;
  const PLACES = { A: "first", B: "second", tie: "neither" };
  const SEARCHED = [
    "system",
    "turns",
    "instruction",
    "input",
    "output",
    "followUps",
    "criteria",
    "thoughts",
    "response",
    "other",
    "replies",
    "explanation",
    "error",
  ];
  const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

  const get = (id) => document.getElementById(id);
  if (!("DecompressionStream" in window)) {
    get("too-old").hidden = false;
    return;
  }
  const index = JSON.parse(get("index").textContent);
  const packed = [...document.querySelectorAll(".chunk")];
  const total = index.id.length;
  const hasChange = index.before.some((score) => score !== null);
  const hasScore = index.pairs.includes(false);
  const isPairs = (row) => index.pairs[index.suite[row]];
  const changeOf = (row) =>
    index.before[row] === null || index.score[row] === null
      ? null
      : index.score[row] - index.before[row];

  const ORDERS = new Map([
    ["file", { label: "order of the file", of: (row) => row }],
    ["score", { label: "score", of: (row) => index.score[row] }],
    ["change", { label: "change", of: changeOf }],
    ["id", { label: "id", of: (row) => index.id[row] }],
    ["outcome", { label: "outcome", of: (row) => -index.outcome[row] }],
  ]);
  const columns = [
    ["outcome", "outcome"],
    ...(hasScore ? [["score", "score"]] : []),
    ...(hasChange ? [["change", "change"]] : []),
    ["file", "instruction"],
    ["id", "id"],
  ];
  const state = {
    filter: "all",
    suite: -1,
    order: hasChange ? "change" : hasScore ? "score" : "outcome",
    isDown: false,
    hits: null,
    page: 0,
    rows: [],
  };

  // Texts.

  const chunks = new Map();
  const chunkOf = (row) => {
    let low = 0;
    let high = index.starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (index.starts[middle] <= row) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  };
  const unpack = async (number) => {
    const bytes = Uint8Array.from(atob(packed[number].textContent), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  };
  const chunk = (number) => {
    if (!chunks.has(number)) {
      chunks.set(number, unpack(number));
    }
    return chunks.get(number);
  };
  const textsOf = async (row) => {
    const number = chunkOf(row);
    return (await chunk(number))[row - index.starts[number]];
  };

  // Elements. Texts of strangers become text nodes and nothing else.

  const visible = (text) =>
    text.replace(CONTROLS, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, "0")}`);
  const make = (tag, className, content) => {
    const element = document.createElement(tag);
    if (className) {
      element.className = className;
    }
    if (content !== undefined) {
      element.append(...[content].flat());
    }
    return element;
  };
  const isolated = (text) => make("bdi", "", visible(text));
  const nameOf = (id) => {
    const letters = [...visible(id)];
    const parts = [letters.slice(0, -KEPT), letters.slice(-KEPT)];
    const element = make("bdi", "", parts.map((part) => make("span", "", part.join(""))));
    element.title = letters.join("");
    return element;
  };
  const signed = (value) => (value > 0 ? `+${value}` : String(value));

  const scoreCell = (row) => {
    if (isPairs(row)) {
      return make("td");
    }
    const score = index.score[row];
    if (score === null) {
      return make("td", "score", make("span", "tag", "unscored"));
    }
    return make("td", "score number", String(score));
  };
  const changeCell = (row) => {
    const change = changeOf(row);
    const direction = change > 0 ? "up" : change < 0 ? "down" : "";
    return make("td", `number ${direction}`, change === null ? "" : signed(change));
  };

  const rowOf = (row) => {
    const outcome = index.outcomes[index.outcome[row]];
    const button = make("button", "open", isolated(index.start[row]));
    if (index.input[row]) {
      button.append(make("bdi", "given", visible(index.input[row])));
    }
    button.type = "button";
    button.dataset.row = row;
    button.setAttribute("aria-expanded", "false");
    const asked = make("div", "asked", button);
    if (isPairs(row) && index.flags[row] & index.filters.failed) {
      asked.append(make("span", "tag bad", "failed"));
    }
    if (index.flags[row] & index.filters.flipped) {
      asked.append(make("span", "tag bad", isPairs(row) ? "position bias" : "fails now"));
    }
    if (index.flags[row] & index.filters.unsure) {
      asked.append(make("span", "tag", "unsure"));
    }
    const line = make("tr", "row", [
      make("td", "", make("span", `outcome ${outcome.replace(" ", "-")}`, outcome)),
      ...(hasScore ? [scoreCell(row)] : []),
      ...(hasChange ? [changeCell(row)] : []),
      make("td", "main", asked),
      make("td", "name", nameOf(index.id[row])),
    ]);
    line.id = `row-${row}`;
    return line;
  };

  const textBox = (content) => {
    const box = make("div", "text", content);
    box.dir = "auto";
    return box;
  };
  const block = (title, content, className = "") =>
    make("section", className, [make("h3", "", title), content]);
  const plainBlock = (title, text, className = "") => {
    const isEmpty = text === undefined || text.trim() === "";
    const box = textBox(isEmpty ? "(empty)" : visible(text));
    box.classList.toggle("empty", isEmpty);
    return block(title, box, className);
  };
  // Marks are kinds and lengths by turns: 0 what both have, 1 what the first has, 2 the second.
  const marked = (text, marks, kind) => {
    const parts = [];
    let at = 0;
    for (let place = 0; place < marks.length; place += 2) {
      if (marks[place] !== 0 && marks[place] !== kind) {
        continue;
      }
      const part = visible(text.slice(at, at + marks[place + 1]));
      at += marks[place + 1];
      if (marks[place] === 0) {
        parts.push(part);
      } else {
        // The space before a word is marked only where nothing but space differs.
        const words = part.trimStart() || part;
        parts.push(part.slice(0, part.length - words.length));
        parts.push(make(kind === 1 ? "del" : "ins", "", words));
      }
    }
    return textBox(parts);
  };
  const responses = (texts, isPair) => {
    const names = isPair
      ? ["Compared with", "Model under test"]
      : ["Baseline's response", "Response now"];
    if (texts.marks instanceof Array) {
      return [
        block(names[0], marked(texts.other, texts.marks, 1)),
        block(names[1], marked(texts.response, texts.marks, 2)),
      ];
    }
    if (texts.marks === "same") {
      const title = isPair ? "Both responses, which are identical" : "Response, the same as before";
      return [plainBlock(title, texts.response, "full")];
    }
    const note = texts.marks ? " (too long to mark what differs)" : "";
    const hasOther = texts.other !== undefined;
    return [
      ...(hasOther ? [plainBlock(names[0] + note, texts.other)] : []),
      ...(texts.response === undefined && texts.error !== undefined && !hasOther
        ? []
        : [plainBlock(hasOther ? names[1] + note : "Response", texts.response, hasOther ? "" : "full")]),
    ];
  };
  const thoughtsOf = (text) =>
    make("details", "full", [make("summary", "", "Thoughts"), textBox(visible(text))]);
  // A response with the reference beside it, where there is one.
  const answerOf = (answer, reference, number) => {
    const end = number > 1 ? ` ${number}` : "";
    return [
      ...(answer === undefined ? [] : [plainBlock(`Response${end}`, answer, reference ? "" : "full")]),
      ...(reference ? [plainBlock(`Reference${end}`, reference)] : []),
    ];
  };
  const answersOf = (texts, isPair) => {
    // Beside a baseline the answers to all instructions are one text, in which differences show.
    const answers = texts.other === undefined ? texts.answers || [] : [];
    const followUps = (texts.followUps || []).flatMap(([instruction, reference], place) => [
      plainBlock(`Instruction ${place + 2}`, instruction, "full"),
      ...answerOf(answers[place + 1], reference, place + 2),
    ]);
    const first = answers.length ? [] : responses(texts, isPair);
    return [...first, ...answerOf(answers[0], texts.output, 1), ...followUps];
  };
  const scores = (parts) => {
    const lines = parts.map(([name, score]) =>
      make("div", "", [make("dt", "", isolated(name)), make("dd", "", String(score))]),
    );
    return block("Scores", make("dl", "figures", lines));
  };
  const detailOf = (row, texts) => {
    const isPair = isPairs(row);
    const parts = [];
    if (texts.system !== undefined) {
      parts.push(plainBlock("System text", texts.system, "full"));
    }
    for (const [role, text] of texts.turns || []) {
      parts.push(plainBlock(role === "user" ? "User" : "Assistant", text, "full"));
    }
    parts.push(plainBlock("Instruction", texts.instruction, "full"));
    if (texts.input !== undefined) {
      parts.push(plainBlock("Input", texts.input, "full"));
    }
    if (texts.error !== undefined) {
      parts.push(plainBlock("Error", texts.error, "full"));
    }
    if (texts.thoughts !== undefined) {
      parts.push(thoughtsOf(texts.thoughts));
    }
    parts.push(...answersOf(texts, isPair));
    for (const [name, text] of texts.criteria || []) {
      parts.push(block(name ? ["Criterion ", isolated(name)] : "Criterion", textBox(visible(text))));
    }
    if (texts.parts) {
      parts.push(scores(texts.parts));
    }
    (texts.replies || []).forEach((reply, place) => {
      const order = isPair ? (place === 0 ? ", tested model first" : ", tested model second") : "";
      parts.push(plainBlock(`Judge's reply${order}`, reply));
    });
    if (texts.explanation !== undefined) {
      parts.push(plainBlock("What is wrong, in the judge's words", texts.explanation));
    }
    const facts = [];
    if (index.before[row] !== null) {
      facts.push(`baseline ${index.before[row]}`);
    }
    if (texts.samples) {
      facts.push(`samples ${texts.samples.join(", ")}`);
    }
    if (texts.orders) {
      facts.push(`chosen: ${texts.orders.map((place) => PLACES[place]).join(", then ")}`);
    }
    if (texts.human !== undefined) {
      facts.push(`people ${texts.human}`);
    }
    facts.push(`id ${index.id[row]}`);
    if (index.suites.length > 1) {
      facts.push(index.suites[index.suite[row]]);
    }
    const about = make("p", "small full", facts.flatMap((fact) => [isolated(fact), " · "]).slice(0, -1));
    return make("div", "texts", [...parts, about]);
  };

  const toggle = async (button) => {
    const line = button.closest("tr");
    const row = Number(button.dataset.row);
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) {
      line.nextElementSibling.remove();
      button.removeAttribute("aria-controls");
      return;
    }
    const cell = make("td", "", make("p", "small", "Unpacking …"));
    cell.colSpan = columns.length;
    const detail = make("tr", "detail", cell);
    detail.id = `detail-${row}`;
    button.setAttribute("aria-controls", detail.id);
    line.after(detail);
    cell.replaceChildren(detailOf(row, await textsOf(row)));
  };

  // What is shown, and in which order.

  const compare = (first, second) => {
    if (first === null || second === null) {
      return (first === null) - (second === null);
    }
    const sign = first < second ? -1 : first > second ? 1 : 0;
    return state.isDown ? -sign : sign;
  };
  const choose = () => {
    const bit = index.filters[state.filter];
    const rows = [];
    for (let row = 0; row < total; row += 1) {
      const isWanted =
        (bit === undefined || index.flags[row] & bit) &&
        (state.suite < 0 || index.suite[row] === state.suite) &&
        (state.hits === null || state.hits[row]);
      if (isWanted) {
        rows.push(row);
      }
    }
    const { of } = ORDERS.get(state.order);
    state.rows = rows
      .map((row) => [of(row), row])
      .sort((one, other) => compare(one[0], other[0]) || one[1] - other[1])
      .map((pair) => pair[1]);
  };
  const draw = () => {
    const pages = Math.max(1, Math.ceil(state.rows.length / PAGE));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    const start = state.page * PAGE;
    const shown = state.rows.slice(start, start + PAGE);
    get("rows").tBodies[0].replaceChildren(...shown.map(rowOf));
    get("rows").hidden = shown.length === 0;
    get("shown-rows").textContent = shown.length
      ? `${start + 1} to ${start + shown.length} of ${state.rows.length} rows`
      : "No row is like this.";
    get("pages").hidden = pages === 1;
    get("page").textContent = `Page ${state.page + 1} of ${pages}`;
    get("previous").disabled = state.page === 0;
    get("next").disabled = state.page === pages - 1;
    for (const head of document.querySelectorAll("#rows th[data-order]")) {
      if (head.dataset.order === state.order) {
        head.setAttribute("aria-sort", state.isDown ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    }
    get("sort").value = `${state.order} ${state.isDown}`;
    for (const button of document.querySelectorAll("[data-filter]")) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === state.filter));
    }
  };
  const refresh = (change = {}) => {
    Object.assign(state, { page: 0 }, change);
    choose();
    draw();
  };

  let searches = 0;
  const search = async (wanted) => {
    searches += 1;
    const own = searches;
    const words = wanted.trim().toLowerCase();
    if (!words) {
      refresh({ hits: null });
      return;
    }
    const has = (text) => text !== undefined && String(text).toLowerCase().includes(words);
    const hits = new Uint8Array(total);
    for (let number = 0; number < packed.length; number += 1) {
      const texts = await chunk(number);
      if (own !== searches) {
        return;
      }
      texts.forEach((one, place) => {
        const row = index.starts[number] + place;
        hits[row] = has(index.id[row]) || SEARCHED.some((name) => has(one[name]));
      });
      if (number % 20 === 19) {
        get("shown-rows").textContent = `Searching … ${Math.round((100 * number) / packed.length)} %`;
        await new Promise((resolve) => setTimeout(resolve));
        if (own !== searches) {
          return;
        }
      }
    }
    refresh({ hits });
  };

  const show = async (row) => {
    if (!(row >= 0 && row < total)) {
      return;
    }
    searches += 1;
    get("search").value = "";
    get("suite").value = "-1";
    Object.assign(state, { filter: "all", suite: -1, hits: null });
    choose();
    state.page = Math.floor(state.rows.indexOf(row) / PAGE);
    draw();
    const button = document.querySelector(`.open[data-row="${row}"]`);
    await toggle(button);
    button.focus({ preventScroll: true });
    button.closest("tr").scrollIntoView({ block: "start" });
  };
  const follow = () => {
    const wanted = /^#row-(\d+)$/.exec(location.hash);
    if (wanted) {
      show(Number(wanted[1]));
    }
  };

  // Once.

  const option = (value, label) => {
    const element = make("option", "", label);
    element.value = value;
    return element;
  };
  const heads = columns.map(([order, label]) => {
    const button = make("button", "", label);
    button.type = "button";
    button.addEventListener("click", () =>
      refresh({ order, isDown: state.order === order && !state.isDown }),
    );
    const head = make("th", "", button);
    head.scope = "col";
    head.dataset.order = order;
    return head;
  });
  get("rows").tHead.append(make("tr", "", heads));
  for (const [order, { label }] of ORDERS) {
    if (columns.some(([shown]) => shown === order)) {
      get("sort").append(
        option(`${order} false`, `${label} ↑`),
        option(`${order} true`, `${label} ↓`),
      );
    }
  }
  get("suite").append(
    option(-1, "all"),
    ...index.suites.map((name, number) => option(number, visible(name))),
  );
  get("suite-choice").hidden = index.suites.length < 2;

  get("sort").addEventListener("change", (event) => {
    const [order, isDown] = event.target.value.split(" ");
    refresh({ order, isDown: isDown === "true" });
  });
  get("suite").addEventListener("change", (event) => refresh({ suite: Number(event.target.value) }));
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.addEventListener("click", () => refresh({ filter: button.dataset.filter }));
  }
  let timer = 0;
  get("search").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => search(event.target.value), PAUSE);
  });
  document.querySelector(".tools").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search(get("search").value);
  });
  get("rows").addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (button) {
      toggle(button);
    }
  });
  const turn = (by) => {
    state.page += by;
    draw();
    get("records").scrollIntoView({ block: "start" });
    get("records").focus({ preventScroll: true });
  };
  get("previous").addEventListener("click", () => turn(-1));
  get("next").addEventListener("click", () => turn(1));
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    // To the place where the page is already no link leads again.
    if (event.target.closest("a[href^='#row-']")?.hash === location.hash) {
      event.preventDefault();
      follow();
    }
  });

  get("table").hidden = false;
  refresh();
  follow();
})();
