// The Log page: checks done here, on bytes held here. The server's word is not asked.
import { showSteps } from "./steps.js";

const utf8 = (text) => new TextEncoder().encode(text);
const bytes = (b64) => Uint8Array.from(atob(b64), (c) => c.charCodeAt(0));
const hex = (raw) => Array.from(raw, (b) => b.toString(16).padStart(2, "0")).join("");
const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

function joined(...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const digest = async (...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));

const COMMIT = utf8("tocsin/commit/v1\n");

export function checking(doc) {
  const out = doc.getElementById("steps");
  const button = doc.getElementById("verify-log");
  if (!globalThis.crypto?.subtle) {
    showSteps(out, [{ state: "skip", text: "This page was not loaded over https or from this machine, so the browser offers no cryptography here. tocsin export CASE, then tocsin verify" }]);
    return;
  }
  for (const id of ["verify-log", "tamper", "dossier"]) doc.getElementById(id).disabled = false;
  button.addEventListener("click", () => run(out, null));
  doc.getElementById("tamper").addEventListener("click", () => {
    run(out, Number(doc.getElementById("tamper-entry").value));
  });
  const file = doc.getElementById("dossier");
  file.addEventListener("change", () => dossier(doc, out, file.files[0]));
}

async function run(out, tampered) {
  showSteps(out, [{ state: "busy", text: "Fetching a copy of the log" }]);
  try {
    const answer = await fetch("/log/copy.json");
    const copy = await answer.json();
    if (!answer.ok) throw new Error(`${copy.detail}: ${copy.remedy}`);
    showSteps(out, await checkLog(copy, tampered));
  } catch (error) {
    showSteps(out, [{ state: "fail", text: String(error.message) }]);
  }
}

/** Every check of a log that a browser can do, in order; `tampered`: flip one bit of that entry. */
export async function checkLog(copy, tampered = null) {
  const steps = [];
  const say = (state, text) => steps.push({ state: state === true ? "ok" : state === false ? "fail" : state, text });
  const entries = copy.entries.map((entry) => ({
    index: entry.index,
    commitment: bytes(entry.commitment),
    envelope: entry.envelope === null ? null : bytes(entry.envelope),
  }));
  if (tampered !== null) {
    const entry = entries[tampered];
    if (!entry) throw new Error(`there is no entry ${tampered} in a log of ${entries.length}`);
    const target = entry.envelope ?? entry.commitment;
    target[target.length >> 1] ^= 1;
    const what = entry.envelope ? "statement" : "commitment";
    say("note", `Tampered: one bit of the ${what} of entry ${tampered}, in this page's copy only.`);
  }

  const note = openNote(copy.checkpoint);
  say(note.size === entries.length,
    `The checkpoint of ${note.origin} speaks of ${note.size} entries, and ${entries.length} are here.`);

  const wrong = [];
  let held = 0;
  for (const entry of entries) {
    if (entry.envelope === null) {
      entry.found = entry.commitment;
      continue;
    }
    held += 1;
    entry.found = await digest(COMMIT, entry.envelope);
    if (!equal(entry.found, entry.commitment)) wrong.push(entry);
  }
  if (wrong.length === 0) {
    say(true, `Each of the ${held} statements you may read has the commitment that stands in the log.`);
  }
  for (const entry of wrong) {
    say(false, `Entry ${entry.index}: the statement here has the commitment ${hex(entry.found)}, `
      + `and the log holds ${hex(entry.commitment)}.`);
  }
  const unread = entries.length - held;
  if (unread > 0) {
    say("note", `${unread} ${unread === 1 ? "entry is" : "entries are"} commitments only: their content is not for you.`);
  }

  const leaves = [];
  for (const entry of entries) leaves.push(await digest(Uint8Array.of(0, 1), entry.found));
  const root = await treeRoot(leaves);
  const fits = equal(root, note.root);
  const at = tampered === null || fits ? "" : ` The path from entry ${tampered} leads elsewhere.`;
  say(fits, fits ? `The root over all entries is the checkpoint's: ${hex(root)}.`
    : `The root over all entries is ${hex(root)}, and the checkpoint says ${hex(note.root)}.${at}`);

  await checkSignatures(copy, note, say);
  say("skip", "Signatures of authors over their statements: export a case and drop its dossier here, or tocsin verify");
  return steps;
}

async function treeRoot(leaves) {
  if (leaves.length === 0) return digest(new Uint8Array());
  // Level by level; a last one without a sibling moves up unchanged (RFC 9162, §2.1.1).
  let level = leaves;
  while (level.length > 1) {
    const above = [];
    for (let i = 0; i + 1 < level.length; i += 2) above.push(await digest(Uint8Array.of(1), level[i], level[i + 1]));
    if (level.length % 2) above.push(level[level.length - 1]);
    level = above;
  }
  return level[0];
}

function openNote(text) {
  const cut = text.lastIndexOf("\n\n");
  const [origin, size, root] = text.slice(0, cut).split("\n");
  const lines = text.slice(cut + 2).split("\n").filter(Boolean).map((line) => {
    const [, name, material] = line.split(" ");
    const raw = bytes(material);
    return { name, id: hex(raw.slice(0, 4)), signature: raw.slice(4) };
  });
  return { body: utf8(text.slice(0, cut + 1)), origin, size: Number(size), root: bytes(root), lines };
}

async function checkSignatures(copy, note, say) {
  const { verifyEd25519 } = await import("./verify.js");
  for (const vkey of copy.vkeys) {
    const [name, id, material] = splitKey(vkey);
    const raw = bytes(material);
    const line = note.lines.find((l) => l.name === name && l.id === id);
    const word = raw[0] === 1 ? "Ed25519" : "ML-DSA-44";
    if (!line) {
      say(false, `No ${word} signature by ${name} on the checkpoint.`);
    } else if (raw[0] !== 1) {
      say("skip", `The ${word} signature of ${name} on the checkpoint; tocsin verify`);
    } else {
      say(await verifyEd25519(raw.slice(1), line.signature, note.body), `The ${word} signature of ${name} on the checkpoint.`);
    }
  }
  if (copy.vkeys.length === 0) say("skip", "The checkpoint's signatures: the directory names no key of this log.");
}

// Base64 may hold a plus sign: name and id have none.
function splitKey(vkey) {
  const first = vkey.indexOf("+");
  const second = vkey.indexOf("+", first + 1);
  return [vkey.slice(0, first), vkey.slice(first + 1, second), vkey.slice(second + 1)];
}

async function dossier(doc, out, file) {
  if (!file) return;
  showSteps(out, [{ state: "busy", text: `Reading ${file.name}` }]);
  const chosen = async (id) => {
    const picked = doc.getElementById(id).files[0];
    return picked ? new Uint8Array(await picked.arrayBuffer()) : null;
  };
  try {
    const { verifyDossier } = await import("./verify.js");
    const policy = await chosen("policy");
    const found = await verifyDossier(new Uint8Array(await file.arrayBuffer()), {
      policyText: policy && new TextDecoder().decode(policy),
      rootBytes: await chosen("root"),
    });
    const steps = found.steps.map(({ ok, title, detail }) => ({
      state: ok === null ? "skip" : ok ? "ok" : "fail",
      text: detail ? `${title}: ${detail}` : title,
    }));
    showSteps(out, steps);
  } catch (error) {
    showSteps(out, [{ state: "fail", text: String(error.message) }]);
  }
}
