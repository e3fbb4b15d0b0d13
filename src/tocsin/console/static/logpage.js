// The Log and Fork pages: what is given here is checked here. The server's word is not asked.
import { showSplit, showSteps } from "./steps.js";

const UNCHECKED = "This page was not loaded over https or from this machine, so the browser offers no cryptography here. Keep the files, and: tocsin verify FILE --policy POLICY";
const MOST = 64 * 1024 * 1024;

/** Buttons and fields come alive; without cryptography the page says why, and what to do instead. */
export function checking(doc) {
  const out = doc.getElementById("steps");
  const split = doc.getElementById("split");
  if (!globalThis.crypto?.subtle) {
    showSteps(out, [{ state: "skip", text: UNCHECKED }]);
    return;
  }
  const page = { doc, out, split, turn: 0 };
  for (const control of doc.querySelectorAll("#verify :disabled, #fork :disabled")) control.disabled = false;
  const on = (id, event, job) => doc.getElementById(id)?.addEventListener(event, job);
  on("verify-log", "click", () => checkOwn(page, null));
  on("tamper", "click", () => checkOwn(page, Number(doc.getElementById("tamper-entry").value)));
  on("evidence", "change", async (event) => {
    const files = [...event.target.files];
    // The field is emptied, so that the same file can be given again, after a policy was picked.
    const given = await run(page, "Reading", async () => readAll(files));
    event.target.value = "";
    if (given) await check(page, given);
  });
  on("check-pasted", "click", () => check(page, pasted(doc.getElementById("pasted").value)));
  on("verify-fork", "click", () => {
    const { proof, vkeys } = doc.getElementById("fork").dataset;
    return checkProven(page, proof, vkeys.split(" ").filter(Boolean));
  });
}

async function readAll(files) {
  const total = files.reduce((size, file) => size + file.size, 0);
  if (total > MOST) throw new Error(`${total} bytes are too much for a browser; tocsin verify FILE`);
  return Promise.all(files.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
}

/** Pasted text as bytes. A note ends with a line end, and JSON without one; pasting loses or adds it. */
function pasted(value) {
  const trimmed = value.replaceAll("\r\n", "\n").replace(/^\s+/, "").replace(/\s+$/, "");
  return [{ name: "pasted", bytes: new TextEncoder().encode(/^[{<]/.test(trimmed) ? trimmed : `${trimmed}\n`) }];
}

/** What `job` gives, or null with the reason shown; an older job that ends later shows nothing. */
async function run(page, busy, job) {
  const turn = ++page.turn;
  showSteps(page.out, [{ state: "busy", text: busy }]);
  if (page.split) showSplit(page.split, null);
  try {
    const found = await job();
    return turn === page.turn ? found : null;
  } catch (error) {
    if (turn === page.turn) showSteps(page.out, [{ state: "fail", text: String(error.message) }]);
    return null;
  }
}

function show(page, found) {
  if (!found) return;
  showSteps(page.out, found.steps);
  if (page.split) showSplit(page.split, found.split ?? null);
}

async function copyOf(only) {
  const answer = await fetch(`/log/copy.json${only ? `?only=${only}` : ""}`);
  const copy = await answer.json();
  if (!answer.ok) throw new Error(`${copy.detail}: ${copy.remedy}`);
  return copy;
}

/** What this node gives to compare with, each fetched once. */
function copies() {
  const held = new Map();
  const once = (what) => held.get(what) ?? held.set(what, copyOf(what)).get(what);
  return {
    keys: () => once("keys"),
    commitments: () => once("commitments"),
    async held(hash) {
      const answer = await fetch(`/witness/${hash}/checkpoint`);
      return answer.ok ? answer.text() : null;
    },
  };
}

async function chosen({ doc }) {
  const read = async (id) => {
    const picked = doc.getElementById(id)?.files[0];
    return picked ? new Uint8Array(await picked.arrayBuffer()) : null;
  };
  const policy = await read("policy");
  return { policyText: policy && new TextDecoder().decode(policy), rootBytes: await read("root") };
}

async function checkOwn(page, tampered) {
  show(page, await run(page, "Fetching a copy of the log", async () => {
    const { checkLog } = await import("./evidence.js");
    const { policyText } = await chosen(page);
    return { steps: await checkLog(await copyOf(""), tampered, policyText) };
  }));
}

async function check(page, given) {
  show(page, await run(page, "Checking", async () => {
    const { checkGiven } = await import("./evidence.js");
    return checkGiven(given, { ...(await chosen(page)), copies: copies() });
  }));
}

async function checkProven(page, proof, vkeys) {
  show(page, await run(page, "Checking", async () => {
    const { checkGiven } = await import("./evidence.js");
    const { policyText } = await chosen(page);
    const keys = { origin: "", policy: "quorum none\n", witnesses: [], logs: [{ name: "", vkeys }] };
    const own = { ...copies(), keys: async () => ({ ...keys, witnesses: (await copyOf("keys")).witnesses }) };
    const found = await checkGiven([{ name: "fork", bytes: new TextEncoder().encode(proof) }], { policyText, rootBytes: null, copies: own });
    return { steps: found.steps }; // both heads stand above already
  }));
}
