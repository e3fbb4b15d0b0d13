// Swap the names: exchanges two organisations' names in place, in text alone. Whoever reads the
// page then sees whether they would judge it the same the other way round.

export function swapping(doc) {
  const form = doc.getElementById("swap");
  const button = doc.getElementById("swap-button");
  const { a, b, aId, bId } = form.dataset;
  const pairs = [[a, b]];
  if (aId && bId) {
    pairs.push([aId, bId], [defanged(aId), defanged(bId)]);
    pairs.push([aId.split(".").at(-2), bId.split(".").at(-2)]);
  }
  button.disabled = false; // off until it does something
  button.addEventListener("click", () => {
    const to = new Map(pairs.flatMap(([x, y]) => [[x, y], [y, x]]));
    const names = [...to.keys()].filter(Boolean).sort((x, y) => y.length - x.length);
    const any = new RegExp(names.map(quoted).join("|"), "g");
    const walker = doc.createTreeWalker(doc.getElementById("main"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.data.replace(any, (found) => to.get(found));
      if (text !== node.data) node.data = text;
    }
    doc.title = doc.title.replace(any, (found) => to.get(found));
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Put the names back" : "Swap the names";
  });
}

const defanged = (id) => id.replaceAll(".", "[.]");
const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
