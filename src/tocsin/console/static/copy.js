// Copying: buttons, and selections. A defanged address is copied as the real one.

export function copying(doc) {
  doc.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-link]");
    if (!button) return;
    const text = button.hasAttribute("data-copy-link") ? location.href : button.dataset.copy;
    const done = await put(doc, text);
    const before = button.textContent;
    button.textContent = done ? "Copied" : "Select and copy it";
    setTimeout(() => { button.textContent = before; }, 1500);
  });
  doc.addEventListener("copy", (event) => {
    const chosen = doc.getSelection();
    if (!chosen || chosen.isCollapsed || !event.clipboardData) return;
    const real = realText(doc, chosen);
    if (real === null) return;
    event.clipboardData.setData("text/plain", real);
    event.preventDefault();
  });
}

async function put(doc, text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

// The selected text with every wholly selected address as it really is; null: nothing to change.
function realText(doc, chosen) {
  const range = chosen.getRangeAt(0);
  const root = range.commonAncestorContainer;
  const holder = root.nodeType === Node.ELEMENT_NODE ? root : root.parentElement;
  const outer = holder.closest("[data-real]");
  if (outer && outer.textContent === chosen.toString()) return outer.dataset.real;
  const inside = range.cloneContents();
  const found = inside.querySelectorAll("[data-real]");
  if (found.length === 0) return null;
  let text = chosen.toString();
  for (const element of found) {
    // Cut off at an edge of the selection: stays as it is shown.
    if (text.includes(element.textContent)) {
      text = text.replace(element.textContent, () => element.dataset.real);
    }
  }
  return text;
}
