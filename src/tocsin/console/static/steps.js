// Numbered steps: each check by itself, in words. Text nodes only.

const WORDS = { ok: "ok", fail: "fail", skip: "skip-step" };

export function showSteps(out, steps) {
  const doc = out.ownerDocument;
  const failed = steps.filter((step) => step.state === "fail").length;
  const held = steps.filter((step) => step.state === "ok").length;
  const list = doc.createElement("ol");
  list.className = "steps";
  for (const step of steps) {
    const item = doc.createElement("li");
    if (WORDS[step.state]) item.className = WORDS[step.state];
    item.append(step.text);
    list.append(item);
  }
  const verdict = doc.createElement("p");
  const strong = doc.createElement("strong");
  if (failed > 0) strong.append(`${failed} ${failed === 1 ? "check fails" : "checks fail"}; ${held} hold.`);
  else if (held > 0) strong.append(`${held} ${held === 1 ? "check holds" : "checks hold"}, none fails.`);
  verdict.append(strong);
  out.replaceChildren(verdict, list);
}
