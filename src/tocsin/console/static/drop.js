// Dropping a file puts it into the form's own file field: the form is what sends it.

export function dropping(doc) {
  for (const area of doc.querySelectorAll("[data-drop]")) {
    const input = area.querySelector("input[type=file]");
    area.addEventListener("dragover", (event) => {
      event.preventDefault();
      area.classList.add("over");
    });
    area.addEventListener("dragleave", () => area.classList.remove("over"));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      area.classList.remove("over");
      if (event.dataTransfer.files.length === 0) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
      if (input.form && input.form.id === "ingest") input.form.requestSubmit();
    });
  }
}
