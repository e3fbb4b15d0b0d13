// Keys: off while typing, and never with a modifier.

const GO = { n: "/", c: "/claims", l: "/log" };

export function keys(doc, page) {
  const help = doc.getElementById("keys");
  doc.getElementById("show-keys").addEventListener("click", () => help.showModal());
  let going = 0;
  doc.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (Date.now() - going < 1500 && GO[event.key]) {
      location.href = GO[event.key];
    } else if (event.key === "g") {
      going = Date.now();
      return;
    } else if (event.key === "/") {
      doc.getElementById("find").focus();
    } else if (event.key === "?") {
      help.showModal();
    } else if (event.key === "j" || event.key === "k") {
      step(doc, event.key === "j" ? 1 : -1);
    } else if (event.key === "Enter") {
      const row = doc.activeElement.closest("[data-row]");
      const link = row && row === doc.activeElement && row.querySelector("a[href]");
      if (!link) return;
      link.click();
    } else if (event.key === "u") {
      localTimes(doc);
    } else if (event.key === "b" && page === "object") {
      const raw = doc.getElementById("raw");
      if (raw) raw.open = true;
    } else if (event.key === "v" && page === "log") {
      doc.querySelector("#verify-log, #verify-fork").click();
    } else {
      return;
    }
    going = 0;
    event.preventDefault();
  });
}

export function step(doc, by) {
  const rows = [...doc.querySelectorAll("[data-row]")];
  if (rows.length === 0) return;
  const now = rows.indexOf(doc.activeElement.closest("[data-row]"));
  const next = rows[Math.max(0, Math.min(rows.length - 1, now < 0 ? (by > 0 ? 0 : rows.length - 1) : now + by))];
  next.tabIndex = -1;
  next.focus();
}

// Adds the reader's own time behind each instant; again: takes it away.
function localTimes(doc) {
  const shown = doc.querySelectorAll(".local-time");
  if (shown.length > 0) {
    shown.forEach((element) => element.remove());
    return;
  }
  for (const time of doc.querySelectorAll("time[datetime*=T]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const local = doc.createElement("span");
    local.className = "local-time soft";
    local.textContent = ` (${at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })} here)`;
    time.after(local);
  }
}
