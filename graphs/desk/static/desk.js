// @ts-check
// The review desk: shows one assignment at a time and sends each change as an event.
// All text is inserted as text, never as markup. Offsets count code points, as in Python.

const QUESTIONS = [
  ["comprehensiveness", "Are all clear and severe problems mentioned?", "missing problems", "all mentioned"],
  ["nitpick", "Does it contain a nitpick?", "no", "yes"],
  ["hallucinated_problem", "Does it contain a problem that does not exist?", "no", "yes"],
  ["conciseness", "How concise is it?", "very wordy", "very concise"],
  ["overall", "Overall quality, relative to the others", "worst", "best"],
];
const KEYS = {
  review: [
    ["j / k", "next / previous comment"],
    ["x", "remove or keep the comment"],
    ["e", "edit the comment"],
    ["c", "comment on the selected text"],
    ["↑ / ↓", "select a line of the answer (with Shift: several)"],
    ["v", "show the critic's comments (look-first mode)"],
    ["m", "ask the critic again"],
  ],
  rate: [
    ["1 – 7", "score the question (4: unsure); 0 clears it"],
    ["↑ / ↓", "previous / next question"],
    ["r", "write the rationale"],
  ],
  compare: [
    ["a – d", "choose a critique"],
    ["1 – 7", "score the question (4: unsure); 0 clears it"],
    ["↑ / ↓", "previous / next question"],
    ["r", "write the rationale"],
  ],
  run: [],
};
const SHARED_KEYS = [
  ["Ctrl + Enter", "save the form, or submit and go on"],
  ["z", "undo"],
  ["s", "skip, with a reason"],
  ["← / →", "earlier / later assignment"],
  ["g", "agreement of annotators"],
  ["?", "this list"],
  ["Esc", "close or cancel"],
];
const IDLE_SECONDS = 30;
const REPORT_SECONDS = 15;

/** @typedef {{quote: string, text: string, severity: string|null, start: number|null, end: number|null, source?: string|null}} Comment */
/** @typedef {{id: number, action: string, before: Comment|null, after: Comment|null}} Label */

/** @type {any} The assignment, as the server describes it. */
let view = null;
/** @type {string[]} The answer's code points. */
let points = [];
let screen = document.querySelector("[data-screen]")?.getAttribute("data-screen") ?? "review";
let annotator = localStorage.getItem("desk.annotator") ?? "";
let cursor = 0; // index of the current comment
let column = 0; // index of the current critique
let row = 0; // index of the current question
/** @type {[number, number]|null} First and last selected line. */
let lines = null;
let activeSeconds = 0;
let lastInput = Date.now();
let isSending = false;
let isRendering = false; // elements that are replaced lose the focus
let isFailing = false; // the last attempt to save failed
let retryMilliseconds = 500;

// --- building the page ---

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] Attributes, `class` and `on…` handlers.
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null) node.append(child);
  return node;
}

/** @param {string} id */
function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`The page has no #${id}.`);
  return node;
}

/** @param {string} label @param {() => void} action @param {string} [key] @param {string} [style] */
function button(label, action, key, style) {
  const hint = key ? element("kbd", { "aria-hidden": "true" }, key) : null;
  return element("button", { type: "button", class: style, onclick: action }, label, hint ? " " : null, hint);
}

/** @param {string} text */
function showMessage(text) {
  const box = byId("message");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(Number(box.dataset.timer));
  box.dataset.timer = String(setTimeout(() => (box.hidden = true), 6000));
}

// --- talking to the server ---

/** The desk does not accept the request: sending it again does not help. */
class Refused extends Error {}

/** The desk cannot store anything now, for example because its disk is full. */
class Failed extends Error {}

/** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
async function request(method, path, body) {
  const headers = { "x-selfcritic-desk": "1", "x-annotator": encodeURIComponent(annotator) };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const data = await response.json();
  if (response.status === 503) throw new Failed(data.error);
  if (response.status >= 500 && response.status !== 502) throw new Error(data.error);
  if (!response.ok) throw new Refused(data.error ?? "The desk refused the request.");
  return data;
}

function pendingKey() {
  return `desk.pending.${annotator}`;
}

/** @returns {{assignment: number, event: any}[]} */
function readPending() {
  return JSON.parse(localStorage.getItem(pendingKey()) ?? "[]");
}

/** @param {{assignment: number, event: any}[]} pending */
function writePending(pending) {
  localStorage.setItem(pendingKey(), JSON.stringify(pending));
}

/** Store an event in this browser, then send it. @param {Record<string, any>} event */
async function dispatch(event) {
  if (view === null || view.state.status !== "open") return;
  const keyed = { ...event, key: randomKey() };
  writePending([...readPending(), { assignment: view.id, event: keyed }]);
  await sendPending();
}

function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Send stored events until none is left; retry while the server does not answer. */
async function sendPending() {
  if (isSending) return;
  isSending = true;
  try {
    for (let pending = readPending(); pending.length; pending = readPending()) {
      const assignment = pending[0].assignment;
      const batch = pending.filter((each) => each.assignment === assignment).slice(0, 50);
      if (!isFailing) showSaved("Saving…");
      await sendBatch(assignment, batch);
    }
    isFailing = false;
    showSaved("Saved");
    retryMilliseconds = 500;
  } catch (error) {
    isFailing = true;
    showSaved(`Not saved, trying again… ${describeFailure(error)}`);
    setTimeout(sendPending, retryMilliseconds);
    retryMilliseconds = Math.min(retryMilliseconds * 2, 8000);
  } finally {
    isSending = false;
  }
}

/** @param {number} assignment @param {{assignment: number, event: any}[]} batch */
async function sendBatch(assignment, batch) {
  const keys = new Set(batch.map((each) => each.event.key));
  const dropBatch = () => writePending(readPending().filter((each) => !keys.has(each.event.key)));
  const seconds = view?.id === assignment ? takeActiveSeconds() : 0;
  try {
    const events = batch.map((each) => each.event);
    const path = `/api/assignments/${assignment}/events`;
    const updated = await request("POST", path, { events, active_seconds: seconds });
    dropBatch();
    if (view?.id !== assignment) return;
    if (updated.state.status === "open") return setView(updated);
    view = null;
    await openNext();
  } catch (error) {
    activeSeconds += seconds;
    if (!(error instanceof Refused)) throw error;
    dropBatch();
    showMessage(error.message);
    if (view?.id === assignment) setView(await request("GET", `/api/assignments/${assignment}`));
  }
}

/** @param {string} text */
function showSaved(text) {
  byId("saved").textContent = text;
  byId("saved").classList.toggle("failing", isFailing);
}

/** @param {unknown} error */
function describeFailure(error) {
  return error instanceof Failed ? error.message : "The desk does not answer. Is it still running?";
}

function takeActiveSeconds() {
  const seconds = activeSeconds;
  activeSeconds = 0;
  return seconds;
}

// --- assignments ---

async function openNext() {
  if (!annotator && screen !== "run") return askName();
  try {
    if (screen === "run") return renderRun(await request("GET", "/api/run"));
    const { assignment, progress } = await request("GET", `/api/next/${screen}`);
    showProgress(progress);
    if (assignment === null) return renderEmpty(progress);
    cursor = column = row = 0;
    lines = null;
    setView(assignment);
  } catch (error) {
    reportFailure(error);
  }
}

/** @param {unknown} error */
function reportFailure(error) {
  if (error instanceof Refused) return showMessage(error.message);
  if (view !== null) return showMessage(describeFailure(error));
  showMessage(`${describeFailure(error)} Trying again…`);
  setTimeout(openNext, 3000);
}

/** @param {number} step */
async function openNeighbor(step) {
  if (view === null) return;
  try {
    const direction = step > 0 ? "next" : "previous";
    const { assignment } = await request("GET", `/api/assignments/${view.id}/${direction}`);
    if (assignment === null) return showMessage("There is no other assignment in this direction.");
    cursor = column = row = 0;
    lines = null;
    setView(assignment);
  } catch (error) {
    reportFailure(error);
  }
}

/** @param {any} updated */
function setView(updated) {
  view = updated;
  points = Array.from(view.answer);
  const count = view.screen === "review" ? view.state.labels.length : view.critiques.length;
  cursor = Math.max(0, Math.min(cursor, count - 1));
  showProgress(view.progress);
  render();
}

/** @param {{own: number, finished: number, total: number}} progress */
function showProgress(progress) {
  byId("progress").textContent = `${progress.finished} of ${progress.total} done (${progress.own} by you)`;
}

function render() {
  for (const tab of document.querySelectorAll("[data-screen]")) {
    if (tab.getAttribute("data-screen") === screen) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  byId("annotator").textContent = annotator;
  if (view === null) return;
  const scrolls = [...document.querySelectorAll(".pane, .compare, .answer-box")].map((node) => node.scrollTop);
  const content = view.screen === "review" ? renderReview() : renderForms();
  const restoreFocus = rememberFocus();
  isRendering = true;
  byId("main").replaceChildren(content);
  isRendering = false;
  restoreFocus();
  document.querySelectorAll(".pane, .compare, .answer-box").forEach((node, index) => {
    node.scrollTop = scrolls[index] ?? 0;
  });
  restoreLines();
}

/** Remember the focused element, because an answer of the desk can arrive while a person types. */
function rememberFocus() {
  const main = byId("main");
  const focused = document.activeElement;
  if (!(focused instanceof HTMLElement) || focused === main || !main.contains(focused)) return () => {};
  const path = [];
  for (let node = /** @type {Element} */ (focused); node !== main; node = /** @type {Element} */ (node.parentElement)) {
    path.unshift([.../** @type {Element} */ (node.parentElement).children].indexOf(node));
  }
  const selection = focused instanceof HTMLTextAreaElement ? [focused.selectionStart, focused.selectionEnd] : null;
  return () => {
    /** @type {Element|undefined} */
    let node = main;
    for (const index of path) node = node?.children[index];
    const same = focused.id ? document.getElementById(focused.id) : node;
    if (!(same instanceof HTMLElement) || same.tagName !== focused.tagName) return;
    same.focus({ preventScroll: true });
    if (selection !== null) /** @type {HTMLTextAreaElement} */ (same).setSelectionRange(selection[0], selection[1]);
  };
}

/** @param {any} progress */
function renderEmpty(progress) {
  view = null;
  const done = progress.total > 0 && progress.finished >= progress.total;
  const text = done ? "Everything here is done. Thank you!" : "There is nothing left for you here.";
  byId("main").replaceChildren(
    element("div", { class: "empty" }, element("h1", {}, text), element("p", { class: "muted" }, "Choose another screen above.")),
  );
  render();
}

function questionCard() {
  const context = view.context
    ? element("details", {}, element("summary", {}, "Context"), element("div", { class: "body" }, view.context))
    : null;
  return element(
    "section", { class: "card" },
    element("h1", { class: "muted" }, "Question"), element("div", { class: "question" }, view.question), context,
  );
}

// --- the answer with its highlights ---

/** @param {{start: number|null, end: number|null, name: string, id: string}[]} spans */
function answerBox(spans) {
  const located = spans.filter((span) => span.start !== null && span.end !== null);
  const borders = new Set([0, points.length]);
  for (const span of located) borders.add(Number(span.start)).add(Number(span.end));
  for (const [start, end] of view.tokens) borders.add(start).add(end);
  const sorted = [...borders].filter((border) => border <= points.length).sort((a, b) => a - b);
  let token = 0;
  const pre = element("pre", {
    class: view.language ? "answer" : "answer prose", id: "answer", tabindex: "0", role: "textbox",
    "aria-readonly": "true", "aria-multiline": "true", "aria-label": "Answer",
  });
  for (let index = 0; index + 1 < sorted.length; index += 1) {
    const [start, end] = [sorted[index], sorted[index + 1]];
    while (token < view.tokens.length && view.tokens[token][1] <= start) token += 1;
    const inToken = token < view.tokens.length && view.tokens[token][0] <= start;
    const text = points.slice(start, end).join("");
    const leaf = inToken ? element("span", { class: view.tokens[token][2] }, text) : document.createTextNode(text);
    const covering = located.filter((span) => Number(span.start) <= start && end <= Number(span.end));
    if (!covering.length) {
      pre.append(leaf);
      continue;
    }
    const names = new Set(covering.map((span) => span.name));
    const ids = covering.map((span) => span.id).join(" ");
    pre.append(element("mark", { class: [...names].join(" "), "data-ids": ids }, leaf));
  }
  return element("div", { class: "answer-box" }, pre);
}

/** Highlight the passage of a comment. @param {string} id @param {boolean} scroll */
function activate(id, scroll) {
  let first = null;
  for (const mark of document.querySelectorAll("#answer mark")) {
    const isActive = (mark.getAttribute("data-ids") ?? "").split(" ").includes(id);
    mark.classList.toggle("active", isActive);
    if (isActive && first === null) first = mark;
  }
  if (scroll && first !== null) first.scrollIntoView({ block: "nearest" });
}

/** Offsets of the selected text of the answer. @returns {[number, number]|null} */
function selectedOffsets() {
  const selection = getSelection();
  const pre = document.getElementById("answer");
  if (pre === null || selection === null || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  if (!pre.contains(range.startContainer) || !pre.contains(range.endContainer)) return null;
  const before = document.createRange();
  before.setStart(pre, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const start = Array.from(before.toString()).length;
  return [start, start + Array.from(range.toString()).length];
}

/** @returns {[number, number][]} Start and end of each line. */
function lineOffsets() {
  const offsets = [];
  let start = 0;
  for (let index = 0; index <= points.length; index += 1) {
    if (index < points.length && points[index] !== "\n") continue;
    offsets.push(/** @type {[number, number]} */ ([start, index]));
    start = index + 1;
  }
  return offsets;
}

/** @param {number} step @param {boolean} extend */
function moveLine(step, extend) {
  const last = lineOffsets().length - 1;
  if (lines === null) lines = [0, 0];
  else if (extend) lines = [lines[0], Math.max(lines[0], Math.min(last, lines[1] + step))];
  else {
    const line = Math.max(0, Math.min(last, (step > 0 ? lines[1] : lines[0]) + step));
    lines = [line, line];
  }
  restoreLines();
}

/** Select the current lines in the page. */
function restoreLines() {
  const pre = document.getElementById("answer");
  if (pre === null || lines === null) return;
  const offsets = lineOffsets();
  const from = place(pre, offsets[lines[0]][0]);
  const to = place(pre, offsets[lines[1]][1]);
  getSelection()?.setBaseAndExtent(from.node, from.offset, to.node, to.offset);
  (to.node.parentElement ?? pre).scrollIntoView({ block: "nearest" });
}

/** Node and offset of a code point. @param {Node} pre @param {number} target */
function place(pre, target) {
  const walker = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT);
  let position = 0;
  let last = { node: pre, offset: 0 };
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const characters = Array.from(node.textContent ?? "");
    if (position + characters.length >= target) {
      return { node, offset: characters.slice(0, target - position).join("").length };
    }
    position += characters.length;
    last = { node, offset: (node.textContent ?? "").length };
  }
  return last;
}

// --- review ---

/** @param {Label} label @returns {Comment} */
function shown(label) {
  return /** @type {Comment} */ (label.after ?? label.before);
}

function renderReview() {
  const spans = view.state.labels.map((label) => ({
    ...shown(label), id: String(label.id), name: label.after === null ? "removed" : "kept",
  }));
  const comments = view.state.labels.map(renderComment);
  const draft = readDraft();
  const isAdding = draft !== null && draft.id === null;
  const heading = element(
    "div", { class: "row" }, element("h2", {}, `Comments (${comments.length})`),
    view.critic ? element("span", { class: "muted" }, `by ${view.critic}`) : null,
    view.prefilled ? null : element("span", { class: "badge" }, "without the critic's comments"),
    view.state.status === "open" ? null : element("span", { class: "badge good" }, view.state.status),
  );
  const hint = comments.length ? null : element("p", { class: "muted" }, "Select text of the answer and press c to comment on it.");
  return element(
    "div", { class: "panes" },
    element("section", { class: "pane", "aria-label": "Question and answer" }, questionCard(), answerBox(spans)),
    element(
      "section", { class: "pane", "aria-label": "Comments" }, heading, hint,
      element("div", { role: "list", id: "comments" }, ...comments),
      isAdding ? renderEditor(draft) : null, renderReviewActions(),
    ),
  );
}

/** @param {Label} label @param {number} index */
function renderComment(label, index) {
  const draft = readDraft();
  if (draft !== null && draft.id === label.id) return element("div", { role: "listitem" }, renderEditor(draft));
  const comment = shown(label);
  const isRemoved = label.after === null;
  const isOpen = view.state.status === "open";
  const classes = ["card", isRemoved ? "removed" : "", index === cursor ? "current" : ""];
  return element(
    "div",
    {
      class: classes.join(" "), role: "listitem", "aria-label": `Comment ${index + 1}, ${label.action}`,
      onmouseenter: () => activate(String(label.id), false), onclick: () => selectComment(index),
    },
    element(
      "h3", {}, severityBadge(comment), element("span", { class: "badge" }, label.action),
      comment.source ? element("span", { class: "badge" }, comment.source) : null,
    ),
    quoteBox(comment),
    element("div", { class: "body" }, comment.text),
    isOpen
      ? element(
          "div", { class: "row" },
          button(isRemoved ? "Keep" : "Remove", () => toggle(label), "x"),
          isRemoved ? null : button("Edit", () => edit(label), "e"),
        )
      : null,
  );
}

/** @param {Comment} comment */
function quoteBox(comment) {
  const rows = comment.quote.split("\n");
  const widths = rows.filter((line) => line.trim()).map((line) => line.length - line.trimStart().length);
  const shared = widths.length ? Math.min(...widths) : 0; // indentation of all lines
  return element("div", { class: "quote" }, rows.map((line) => line.slice(shared)).join("\n"));
}

/** @param {Comment} comment */
function severityBadge(comment) {
  if (comment.severity === null) return null;
  return element("span", { class: `badge ${comment.severity}` }, comment.severity);
}

function renderReviewActions() {
  if (view.state.status !== "open") return element("div", { class: "actions" });
  const reveal = view.state.is_revealed
    ? null
    : button("Show the critic's comments", () => dispatch({ type: "reveal" }), "v");
  return element(
    "div", { class: "actions" },
    element(
      "div", { class: "row" }, button("Submit and next", submit, "Ctrl+↵", "primary"),
      button("Comment", () => addComment(), "c"), undoButton(), button("Skip", askReason, "s"), reveal,
      view.can_search ? button("Ask the critic again", askCritic, "m") : null,
    ),
  );
}

function undoButton() {
  const node = button("Undo", undo, "z");
  if (!view.state.can_undo) node.setAttribute("disabled", "");
  return node;
}

/** @param {number} index */
function selectComment(index) {
  if (view === null || view.screen !== "review" || !view.state.labels.length) return;
  cursor = Math.max(0, Math.min(index, view.state.labels.length - 1));
  lines = null;
  getSelection()?.removeAllRanges();
  document.querySelectorAll("#comments > *").forEach((card, number) => {
    card.classList.toggle("current", number === cursor);
    if (number === cursor) card.scrollIntoView({ block: "nearest" });
  });
  activate(String(view.state.labels[cursor].id), true);
}

/** @param {Label} label */
function toggle(label) {
  return dispatch({ type: label.after === null ? "keep" : "remove", id: label.id });
}

// A draft is a comment that is being written. It is kept in the browser, so that a reload loses nothing.

function draftKey() {
  return `desk.draft.${view.id}.${annotator}`;
}

/** @returns {any} */
function readDraft() {
  if (view.state.status !== "open") return null;
  return JSON.parse(localStorage.getItem(draftKey()) ?? "null");
}

/** @param {any} draft */
function writeDraft(draft) {
  if (draft === null) localStorage.removeItem(draftKey());
  else localStorage.setItem(draftKey(), JSON.stringify(draft));
}

/** @param {Label} label */
function edit(label) {
  const comment = shown(label);
  openDraft({ id: label.id, quote: comment.quote, start: comment.start, text: comment.text, severity: comment.severity ?? "" });
}

function addComment() {
  const offsets = selectedOffsets();
  const draft = { id: null, quote: "", start: null, text: "", severity: "" };
  if (offsets !== null) {
    draft.quote = points.slice(offsets[0], offsets[1]).join("");
    draft.start = offsets[0];
  }
  openDraft(draft);
}

/** @param {any} draft */
function openDraft(draft) {
  writeDraft(draft);
  render();
  const field = draft.quote ? "draft-text" : "draft-quote";
  document.getElementById(field)?.focus();
}

/** @param {any} draft */
function renderEditor(draft) {
  const update = (name, value) => {
    draft[name] = value;
    if (name === "quote") draft.start = null;
    writeDraft(draft);
  };
  const options = ["", "low", "medium", "high"].map((level) =>
    element("option", { value: level, selected: level === draft.severity }, level || "no severity"),
  );
  const quote = element("textarea", { id: "draft-quote", rows: 2, oninput: (event) => update("quote", event.target.value) });
  /** @type {HTMLTextAreaElement} */ (quote).value = draft.quote;
  const text = element("textarea", { id: "draft-text", oninput: (event) => update("text", event.target.value) });
  /** @type {HTMLTextAreaElement} */ (text).value = draft.text;
  return element(
    "form", { class: "card current", "aria-label": "Edit a comment", onsubmit: (event) => { event.preventDefault(); saveDraft(); } },
    element("label", { for: "draft-quote" }, "Quote of the answer"), quote,
    element("label", { for: "draft-text" }, "What is wrong with it"), text,
    element("label", { for: "draft-severity" }, "Severity"),
    element("select", { id: "draft-severity", onchange: (event) => update("severity", event.target.value) }, ...options),
    element("p", { class: "row" }, element("button", { type: "submit", class: "primary" }, "Save ", element("kbd", {}, "Ctrl+↵")), button("Cancel", closeDraft, "Esc")),
  );
}

async function saveDraft() {
  const draft = readDraft();
  if (!draft.text.trim() || !draft.quote) return showMessage("Enter a quote of the answer and what is wrong with it.");
  const event = { type: "add", quote: draft.quote, text: draft.text, severity: draft.severity || null };
  if (draft.start !== null) event.start = draft.start;
  if (draft.id !== null) Object.assign(event, { type: "edit", id: draft.id });
  if (locateQuote(draft) === false) return showMessage("This quote is not in the answer. Copy it from the answer, or select text and press c.");
  closeDraft();
  if (draft.id === null) cursor = view.state.labels.length;
  await dispatch(event);
}

/** @param {any} draft */
function locateQuote(draft) {
  if (draft.start !== null) return points.slice(draft.start, draft.start + Array.from(draft.quote).length).join("") === draft.quote;
  return view.answer.includes(draft.quote.trim());
}

function closeDraft() {
  writeDraft(null);
  render();
  byId("main").focus();
}

// --- rate and compare ---

/** @returns {{question: string, bug: string|null, text: string, low: string, high: string}[]} */
function formRows() {
  const rows = view.bugs.map((bug) => ({
    question: "bug_inclusion", bug: bug.id, text: `Points out this bug: ${bug.description}`,
    low: "definitely missed", high: "definitely included",
  }));
  for (const [question, text, low, high] of QUESTIONS) rows.push({ question, bug: null, text, low, high });
  return rows;
}

function renderForms() {
  const spans = [];
  for (const bug of view.bugs) spans.push({ start: bug.start, end: bug.end, id: `bug-${bug.id}`, name: "bug" });
  const current = view.critiques[column]; // only its quotes are highlighted
  current.comments.forEach((comment, number) => spans.push({ ...comment, id: `${column}-${number}`, name: "kept" }));
  const columns = view.critiques.map(renderCritique);
  const actions = element(
    "div", { class: "actions" },
    view.state.status === "open"
      ? element("div", { class: "row" }, button("Submit and next", submit, "Ctrl+↵", "primary"), undoButton(), button("Skip", askReason, "s"), missingNote())
      : element("span", { class: "badge good" }, view.state.status),
  );
  const label = view.critiques.length > 1 ? `critique ${current.label}` : "the critique";
  const legend = element("p", { class: "muted legend" }, `Highlighted: quotes of ${label}.`, view.bugs.length ? " Underlined: known bugs." : "");
  const answer = element("div", {}, answerBox(spans), legend);
  if (view.screen === "rate") {
    return element(
      "div", { class: "panes" },
      element("section", { class: "pane", "aria-label": "Question and answer" }, questionCard(), answer),
      element("section", { class: "pane", "aria-label": "Critique" }, ...columns, actions),
    );
  }
  return element(
    "div", { class: "compare" }, questionCard(), answer, element("div", { class: "columns" }, ...columns), actions,
  );
}

function missingNote() {
  const count = view.state.missing.length;
  if (!count) return element("span", { class: "badge good" }, "complete");
  return element("span", { class: "muted" }, count === 1 ? "1 question left" : `${count} questions left`);
}

/** A critic without severities, such as a gold critique, would not be blind among others. */
function showsSeverities() {
  return view.critiques.every((critique) => critique.comments.every((comment) => comment.severity !== null));
}

/** @param {any} critique @param {number} index */
function renderCritique(critique, index) {
  const comments = critique.comments.map((comment, number) =>
    element(
      "li", { onmouseenter: () => activate(`${index}-${number}`, true) },
      showsSeverities() ? severityBadge(comment) : null, quoteBox(comment), element("div", { class: "body" }, comment.text),
    ),
  );
  for (const comment of critique.ungrounded) {
    comments.push(
      element(
        "li", {}, element("span", { class: "badge high" }, "quote not in the answer"),
        quoteBox(comment), element("div", { class: "body" }, comment.text),
      ),
    );
  }
  const content = comments.length ? element("ol", {}, ...comments) : element("div", { class: "body" }, critique.text);
  const rest = comments.length && critique.unparsed ? element("div", { class: "body muted" }, critique.unparsed) : null;
  const form = view.state.forms[critique.label];
  const scales = formRows().map((question, number) => renderScale(critique.label, form, question, index, number));
  const rationale = element("textarea", {
    id: `rationale-${critique.label}`, rows: 2, disabled: view.state.status !== "open",
    oninput: (event) => localStorage.setItem(rationaleKey(critique.label), event.target.value),
    onblur: () => isRendering || saveRationale(critique.label),
  });
  /** @type {HTMLTextAreaElement} */ (rationale).value = readRationale(critique.label) ?? form.rationale ?? "";
  return element(
    "article", { class: index === column ? "card current" : "card", "aria-label": `Critique ${critique.label}`, onclick: () => setPosition(index, row, false) },
    element("div", {}, element("h2", {}, view.critiques.length > 1 ? `Critique ${critique.label}` : "Critique"), content, rest),
    element("div", {}, ...scales, element("label", { for: `rationale-${critique.label}` }, "Rationale"), rationale),
  );
}

// Like a draft, a rationale is kept in the browser while it is written.

/** @param {string} label */
function rationaleKey(label) {
  return `desk.rationale.${view.id}.${annotator}.${label}`;
}

/** @param {string} label */
function readRationale(label) {
  return view.state.status === "open" ? localStorage.getItem(rationaleKey(label)) : null;
}

/** @param {string} label */
async function saveRationale(label) {
  const text = readRationale(label);
  localStorage.removeItem(rationaleKey(label));
  if (text === null || text === view.state.forms[label].rationale) return;
  view.state.forms[label].rationale = text; // until the desk confirms it
  await dispatch({ type: "rationale", critique: label, text });
}

/** @param {string} label @param {any} form @param {any} question @param {number} index @param {number} number */
function renderScale(label, form, question, index, number) {
  const value = question.bug === null ? form[question.question] : form.bug_inclusion[question.bug];
  const buttons = [1, 2, 3, 4, 5, 6, 7].map((score) =>
    element(
      "button",
      {
        type: "button", "aria-pressed": String(score === value), disabled: view.state.status !== "open",
        "aria-label": `${score}`, onclick: (event) => { event.stopPropagation(); setPosition(index, number, false); setScore(score); },
      },
      String(score),
    ),
  );
  const isCurrent = index === column && number === row;
  return element(
    "fieldset", { class: isCurrent ? "scale current" : "scale", "data-scale": `${index}-${number}` },
    element("legend", {}, question.text), element("div", { class: "values" }, ...buttons),
    element("div", { class: "ends" }, element("span", {}, `1: ${question.low}`), element("span", {}, `7: ${question.high}`)),
  );
}

/** @param {number} newColumn @param {number} newRow @param {boolean} scroll */
function setPosition(newColumn, newRow, scroll) {
  const rows = formRows();
  const isOther = newColumn !== column;
  column = Math.max(0, Math.min(newColumn, view.critiques.length - 1));
  if (isOther) render();
  row = Math.max(0, Math.min(newRow, rows.length - 1));
  document.querySelectorAll("article.card").forEach((card, index) => card.classList.toggle("current", index === column));
  for (const scale of document.querySelectorAll("[data-scale]")) {
    const isCurrent = scale.getAttribute("data-scale") === `${column}-${row}`;
    scale.classList.toggle("current", isCurrent);
    if (isCurrent && scroll) scale.scrollIntoView({ block: "nearest" });
  }
  if (rows[row].bug !== null) activate(`bug-${rows[row].bug}`, scroll);
}

/** @param {number|null} value */
async function setScore(value) {
  const question = formRows()[row];
  const event = { type: "score", critique: view.critiques[column].label, question: question.question, value };
  if (question.bug !== null) event.bug = question.bug;
  const isLast = row === formRows().length - 1;
  if (value !== null && !isLast) row += 1;
  await dispatch(event);
}

// --- actions of all screens ---

async function submit() {
  document.activeElement instanceof HTMLElement && document.activeElement.blur();
  if (view.screen === "review" && readDraft() !== null) return showMessage("Save or cancel the open comment first.");
  if (view.state.missing.length) {
    const [label] = view.state.missing[0].split(":");
    const index = view.critiques.findIndex((critique) => critique.label === label);
    setPosition(index, firstMissingRow(label), true);
    return showMessage(`Score these before you submit: ${view.state.missing.slice(0, 4).join(", ")}.`);
  }
  for (const critique of view.critiques) await saveRationale(critique.label);
  await dispatch({ type: "submit" });
}

/** @param {string} label */
function firstMissingRow(label) {
  const form = view.state.forms[label];
  return formRows().findIndex((each) => (each.bug === null ? form[each.question] === null : form.bug_inclusion[each.bug] === undefined));
}

function undo() {
  if (view.state.can_undo) return dispatch({ type: "undo" });
  showMessage("There is nothing to undo.");
}

// --- a finished run ---

/** @param {any} run */
function renderRun(run) {
  view = null;
  const rounds = run.rounds.map((each) => renderRound(each));
  const error = run.error ? element("p", { class: "body" }, run.error) : null;
  const title = element("h1", { class: "visually-hidden" }, "A finished run");
  const facts = [`stopped: ${run.stop_reason ?? "unknown"}`];
  if (run.calls !== null) facts.push(`${run.calls} requests`, `${run.tokens} tokens`);
  byId("progress").textContent = "";
  showSaved("");
  byId("main").replaceChildren(
    element("div", { class: "scroll", tabindex: "0" },
      element("div", { class: "run" }, title, element("p", { class: "muted" }, facts.join(" · ")), error, ...rounds)),
  );
  render();
}

/** @param {any} round */
function renderRound(round) {
  const verdict = round.p_critiqueable === null ? "not judged" : `P(critiqueable) ${round.p_critiqueable.toFixed(2)}`;
  const full = element("details", { open: round.number === 0 }, element("summary", {}, "The draft"), element("div", { class: "diff" }, round.answer));
  const findings = round.findings.map((comment) => runComment(comment, comment.source ?? "checker"));
  return element(
    "section", { class: round.is_best ? "card current" : "card" },
    element("h2", { class: "row" }, `Draft ${round.number + 1}`, element("span", { class: "badge" }, verdict), round.is_best ? element("span", { class: "badge good" }, "returned") : null),
    round.diff.length ? element("div", { class: "diff" }, ...round.diff.map(diffLine)) : null,
    full, ...findings, ...round.critiques.map(runCritique),
  );
}

/** @param {{marker: string, text: string, words: [number, number][]}} line */
function diffLine(line) {
  const name = line.marker === "-" ? "minus" : line.marker === "+" ? "plus" : "muted";
  const characters = Array.from(line.text);
  const node = element("div", { class: name }, `${line.marker} `);
  let position = 0;
  for (const [start, end] of line.words) {
    node.append(characters.slice(position, start).join(""), element("b", {}, characters.slice(start, end).join("")));
    position = end;
  }
  node.append(characters.slice(position).join(""));
  return node;
}

/** @param {any} critique */
function runCritique(critique) {
  const score = critique.reward ?? critique.helpfulness;
  const title = `${critique.selected ? "Selected critique" : "Critique"}, ${score === null ? "without a score" : `score ${score.toFixed(2)}`}`;
  const comments = critique.comments.map((comment) => runComment(comment, null));
  for (const comment of critique.ungrounded) comments.push(runComment(comment, "quote not in the draft"));
  const rest = critique.unparsed ? element("div", { class: "body muted" }, critique.unparsed) : null;
  return element(
    "details", { open: critique.selected }, element("summary", {}, title), ...comments, rest,
  );
}

/** @param {Comment} comment @param {string|null} note */
function runComment(comment, note) {
  return element(
    "div", { class: "card" }, severityBadge(comment), note ? element("span", { class: "badge" }, note) : null,
    quoteBox(comment), element("div", { class: "body" }, comment.text),
  );
}

// --- dialogs ---

/** @param {string} title @param {...Node} children */
function openDialog(title, ...children) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
  dialog.replaceChildren(element("h2", { id: "dialog-title" }, title), ...children);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

function closeDialog() {
  /** @type {HTMLDialogElement} */ (byId("dialog")).close();
}

/** Ask for one line of text. @param {string} title @param {string} label @param {string} value @param {(value: string) => void} done */
function askText(title, label, value, done) {
  const input = /** @type {HTMLInputElement} */ (element("input", { id: "dialog-input", required: true, autocomplete: "off" }));
  input.value = value;
  const form = element(
    "form", { onsubmit: (event) => { event.preventDefault(); closeDialog(); done(input.value.trim()); } },
    element("label", { for: "dialog-input" }, label), input,
    element("p", { class: "row" }, element("button", { type: "submit", class: "primary" }, "OK"), button("Cancel", closeDialog, "Esc")),
  );
  openDialog(title, form);
  input.focus();
}

function askName() {
  askText("Who are you?", "Your name is stored with your work. Use the same one each time.", annotator, (name) => {
    if (!name) return;
    annotator = name;
    localStorage.setItem("desk.annotator", name);
    view = null;
    start();
  });
}

function askReason() {
  askText("Skip this assignment", "Why do you skip it?", "", (reason) => {
    if (reason) dispatch({ type: "skip", reason });
  });
}

function askCritic() {
  const current = String(view.state.length_modifier ?? 0);
  askText("Ask the critic again", "Length modifier: value of one more comment; higher finds more, and more false alarms.", current, async (value) => {
    const modifier = Number(value);
    if (!Number.isFinite(modifier)) return showMessage("The length modifier is a number, such as 0.2.");
    const assignment = view.id;
    showSaved("The critic works…");
    try {
      const updated = await request("POST", `/api/assignments/${assignment}/search`, { length_modifier: modifier });
      showSaved("Saved");
      if (view?.id === assignment) setView(updated);
    } catch (error) {
      showSaved("");
      reportFailure(error);
    }
  });
}

function showHelp() {
  const rows = [...(KEYS[screen] ?? []), ...SHARED_KEYS].map(([keys, effect]) =>
    element("tr", {}, element("td", {}, element("kbd", {}, keys)), element("td", {}, effect)),
  );
  openDialog("Keyboard shortcuts", element("table", {}, element("tbody", {}, ...rows)), button("Close", closeDialog, "Esc"));
}

async function showAgreement() {
  try {
    const questions = await request("GET", "/api/agreement");
    const rows = questions.map((each) => {
      const alpha = each.alpha === null ? each.note : `${each.alpha.toFixed(2)} (${each.low?.toFixed(2) ?? "–"} to ${each.high?.toFixed(2) ?? "–"})`;
      return element("tr", {}, element("td", {}, each.question.replaceAll("_", " ")), element("td", {}, String(each.count)), element("td", {}, alpha));
    });
    const head = element("tr", {}, ...["question", "rated twice", "Krippendorff's α"].map((text) => element("th", { scope: "col" }, text)));
    openDialog("Agreement", element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)), button("Close", closeDialog, "Esc"));
  } catch (error) {
    reportFailure(error);
  }
}

// --- keyboard ---

/** @param {KeyboardEvent} event */
function handleKey(event) {
  lastInput = Date.now();
  if (/** @type {HTMLDialogElement} */ (byId("dialog")).open) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const isTyping = target.matches("input, textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (isTyping && target.closest("form") !== null) return void saveDraft();
    return void (view !== null && view.state.status === "open" && submit());
  }
  if (event.key === "Escape") return cancel(target, isTyping);
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = findAction(event);
  if (action === null) return;
  event.preventDefault();
  action();
}

/** @param {HTMLElement} target @param {boolean} isTyping */
function cancel(target, isTyping) {
  if (isTyping && target.closest("form") !== null) return closeDraft();
  if (isTyping) return target.blur();
  lines = null;
  getSelection()?.removeAllRanges();
}

/** @param {KeyboardEvent} event @returns {(() => unknown)|null} */
function findAction(event) {
  const shared = { "?": showHelp, g: showAgreement, ArrowLeft: () => openNeighbor(-1), ArrowRight: () => openNeighbor(1) };
  if (event.key in shared) return shared[event.key];
  if (view === null) return null;
  if (view.state.status === "open") {
    if (event.key === "z") return undo;
    if (event.key === "s") return askReason;
  }
  return view.screen === "review" ? findReviewAction(event) : findFormAction(event);
}

/** @param {KeyboardEvent} event @returns {(() => unknown)|null} */
function findReviewAction(event) {
  const moves = {
    j: () => selectComment(cursor + 1), k: () => selectComment(cursor - 1),
    ArrowDown: () => moveLine(1, event.shiftKey), ArrowUp: () => moveLine(-1, event.shiftKey),
  };
  if (event.key in moves) return moves[event.key];
  if (view.state.status !== "open") return null;
  const label = view.state.labels[cursor];
  if (event.key === "c") return addComment;
  if (event.key === "v" && !view.state.is_revealed) return () => dispatch({ type: "reveal" });
  if (event.key === "m" && view.can_search) return askCritic;
  if (label === undefined) return null;
  if (event.key === "x") return () => toggle(label);
  if (event.key === "e" && label.after !== null) return () => edit(label);
  return null;
}

/** @param {KeyboardEvent} event @returns {(() => unknown)|null} */
function findFormAction(event) {
  if (event.key === "ArrowDown" || event.key === "j") return () => setPosition(column, row + 1, true);
  if (event.key === "ArrowUp" || event.key === "k") return () => setPosition(column, row - 1, true);
  const index = "abcd".indexOf(event.key.toLowerCase());
  if (index >= 0 && index < view.critiques.length) return () => setPosition(index, 0, true);
  if (event.key === "r") return () => document.getElementById(`rationale-${view.critiques[column].label}`)?.focus();
  if (view.state.status !== "open" || !/^[0-7]$/.test(event.key)) return null;
  return () => setScore(event.key === "0" ? null : Number(event.key));
}

// --- start ---

async function start() {
  if (annotator) await sendPending(); // before the assignment is shown
  await openNext();
}

function countSeconds() {
  const isActive = document.visibilityState === "visible" && Date.now() - lastInput < IDLE_SECONDS * 1000;
  if (view === null || view.state.status !== "open" || !isActive) return;
  activeSeconds += 1;
  if (activeSeconds >= REPORT_SECONDS) reportSeconds();
}

async function reportSeconds() {
  const seconds = takeActiveSeconds();
  try {
    await request("POST", `/api/assignments/${view.id}/events`, { events: [], active_seconds: seconds });
  } catch {
    activeSeconds += seconds; // reported with the next change
  }
}

for (const tab of document.querySelectorAll("[data-screen]")) {
  tab.addEventListener("click", () => {
    screen = tab.getAttribute("data-screen") ?? "review";
    view = null;
    openNext();
  });
}
byId("help").addEventListener("click", showHelp);
byId("annotator").addEventListener("click", askName);
document.addEventListener("keydown", handleKey);
for (const name of ["pointerdown", "pointermove", "wheel"]) document.addEventListener(name, () => (lastInput = Date.now()), { passive: true });
setInterval(countSeconds, 1000);
start();
