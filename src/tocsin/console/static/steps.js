// Numbered steps: each check by itself, in words. Text nodes only; what cannot be seen is shown.

// In the text, not in the style sheet: whoever copies the steps takes their answers along.
const WORDS = { ok: ["ok", "holds"], fail: ["fail", "FAILS"], skip: ["skip-step", "not checked here"] };

const HIDDEN = /(?![\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text that somebody else wrote, into an element: characters that hide or turn text become chips. */
export function put(element, text) {
  const doc = element.ownerDocument;
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    element.append(text.slice(from, found.index));
    const chip = doc.createElement("span");
    chip.className = "chip";
    chip.textContent = `U+${found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    element.append(chip);
    from = found.index + found[0].length;
  }
  element.append(text.slice(from));
  return element;
}

const make = (doc, tag, text = "", name = "") => {
  const made = put(doc.createElement(tag), text);
  if (name) made.className = name;
  return made;
};

export function showSteps(out, steps) {
  const doc = out.ownerDocument;
  const failed = steps.filter((step) => step.state === "fail").length;
  const held = steps.filter((step) => step.state === "ok").length;
  const left = steps.filter((step) => step.state === "skip").length;
  const list = make(doc, "ol", "", "steps");
  for (const step of steps) {
    const [name, answer] = WORDS[step.state] ?? ["", ""];
    const item = make(doc, "li", "", name);
    if (answer) item.append(make(doc, "b", answer), "\u00a0 ");
    list.append(put(item, step.text));
  }
  const verdict = doc.createElement("p");
  const rest = left > 0 ? ` ${left} ${left === 1 ? "is" : "are"} not checked here.` : "";
  if (failed > 0) verdict.append(make(doc, "strong", `${failed} ${failed === 1 ? "check fails" : "checks fail"}; ${held} hold.${rest}`));
  else if (held > 0) verdict.append(make(doc, "strong", `${held} ${held === 1 ? "check holds" : "checks hold"}, none fails.${rest}`));
  out.replaceChildren(verdict, list);
}

/** Two heads that contradict, side by side, and what to do; null: takes away what was shown. */
export function showSplit(out, split) {
  if (!split) return out.replaceChildren();
  const doc = out.ownerDocument;
  const heads = make(doc, "div", "", "even");
  for (const head of split.heads) heads.append(headCard(doc, head));
  const title = make(doc, "h3", "Two heads of one log, side by side");
  const why = make(doc, "p", `Both are signed with the keys of ${split.origin}, and no log that only appends can have had both. This does not say who did it, or why: a copy restored from a backup, a second instance, a stolen key look the same from here.`);
  const todo = doc.createElement("ol");
  todo.append(make(doc, "li", "Keep both notes, as they are: copy them from above into files."));
  const audit = make(doc, "li", "Compare with what the log itself shows: ");
  audit.append(make(doc, "code", "tocsin log audit URL"));
  todo.append(audit, make(doc, "li", "Show both to other members, the log’s operator among them: whoever has the log’s keys can check them without trusting you."));
  if (split.proof) {
    const item = make(doc, "li", "Or pass on one file that holds both and what contradicts: ");
    item.append(copyButton(doc, split.proof, "Copy the fork proof"));
    todo.append(item);
  }
  out.replaceChildren(title, why, heads, make(doc, "h4", "What to do"), todo);
}

function headCard(doc, head) {
  const card = make(doc, "div", "", "card");
  const facts = make(doc, "dl", "", "facts");
  const fact = (name, value) => facts.append(make(doc, "dt", name), value);
  fact("entries", make(doc, "dd", String(head.size)));
  const root = doc.createElement("dd");
  root.append(make(doc, "span", head.root, "mono"));
  fact("root", root);
  if (head.before) {
    const earlier = doc.createElement("dd");
    earlier.append(make(doc, "span", head.before.root, "mono"));
    fact(`root of its first ${head.before.size}`, earlier);
  }
  const by = head.by.map(({ name, time }) => `${name.slice(0, 120)}, ${time}`).join("; ");
  fact("cosigned by", make(doc, "dd", by || "no witness known here"));
  const more = doc.createElement("details");
  const note = make(doc, "pre", head.note);
  note.tabIndex = 0;
  note.dir = "ltr";
  more.append(make(doc, "summary", "The signed note, as text"), note);
  card.append(make(doc, "h4", head.title), facts, copyButton(doc, head.note, "Copy the note"), more);
  return card;
}

function copyButton(doc, text, words) {
  const button = make(doc, "button", words, "quiet");
  button.type = "button";
  button.dataset.copy = text;
  return button;
}
