// Drafts: going from draft to draft, and showing where the words of each stand in the text.

export function drafting(doc) {
  const cards = [...doc.querySelectorAll("[data-draft]")];
  let now = -1;

  const marks = (card) => doc.querySelectorAll(`mark[data-drafts~="${card.dataset.draft}"]`);

  function show(n, focus) {
    if (n < 0 || n >= cards.length) return;
    cards[now]?.classList.remove("on");
    doc.querySelectorAll("mark.on").forEach((mark) => mark.classList.remove("on"));
    now = n;
    const card = cards[n];
    card.classList.add("on");
    const found = marks(card);
    found.forEach((mark) => mark.classList.add("on"));
    found[0]?.scrollIntoView({ block: "nearest" });
    if (focus) {
      card.focus({ preventScroll: true });
      card.scrollIntoView({ block: "nearest" });
    }
  }

  cards.forEach((card, n) => card.addEventListener("focusin", () => { if (n !== now) show(n, false); }));
  doc.getElementById("source").addEventListener("click", (event) => {
    const mark = event.target.closest("mark");
    if (!mark || !doc.getSelection().isCollapsed) return;
    const first = mark.dataset.drafts.split(" ")[0];
    show(cards.findIndex((card) => card.dataset.draft === first), true);
  });
  doc.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || doc.querySelector("dialog[open]")) return;
    if (event.target.closest("input, textarea, select")) return;
    const card = cards[now];
    if (event.key === "n") show(now + 1, true);
    else if (event.key === "p") show(Math.max(0, now - 1), true);
    else if (event.key === "Escape") doc.getElementById("source").focus();
    else if (card && "aer".includes(event.key)) act(card, event.key);
    else return;
    event.preventDefault();
  });

  // A key never publishes by itself: it brings the control into focus, Enter does the rest.
  function act(card, key) {
    const control = card.querySelector(`[data-act="${key}"]`);
    if (!control) return;
    if (control instanceof HTMLDetailsElement) {
      control.open = true;
      control.querySelector("input:not([type=hidden]), select").focus();
    } else {
      control.focus();
    }
  }

  const asked = location.hash.match(/^#[dm](\d+)$/);
  if (asked) show(cards.findIndex((card) => card.id === `d${asked[1]}`), false);
}
