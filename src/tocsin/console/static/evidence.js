// What somebody hands to the Log page, and each check of it as one step, done on bytes held here.
//
// A proof, a checkpoint, a fork proof, a statement's envelope, a dossier or a sheet is known by its
// content. Keys come from the reader's policy file, or else from the directory that this node has;
// which of both is the first step. Spec: console.md §3, "Log checks"; record.md.
import {
  COSIGNATURE, ED25519, FORK, Problem, b64, decode, encode, formsOf, goodLine, hasQuorum, hex, instant, node, openAll,
  openEnvelope, openFork, openNote, openPolicy, rootFromPath, rootsFromPath, same, sha256, text, timeOf, unb64,
  unhex, utf8, verifyDossier,
} from "./verify.js";

const PROOF = "c2sp.org/tlog-proof@v1\n";
const SHEET = "<!doctype html>\n<!-- tocsin sheet 1 -->\n";
const DOSSIER = /<script type="text\/plain" id="tocsin-dossier">([A-Za-z0-9+/=]*)<\/script>/;
const MOST_NOTE = 131072;
const KINDS = new Map([[ED25519, "Ed25519"], [COSIGNATURE, "Ed25519"]]);
const word = (key) => KINDS.get(key.kind) ?? "ML-DSA-44";
const short = (name) => (name.length > 120 ? `${name.slice(0, 120)}…` : name);
const entries = (n) => (n === 1 ? "1 entry" : `${n} entries`);
const STATES = new Map([[true, "ok"], [false, "fail"], [null, "skip"]]);

function collector() {
  const steps = [];
  return { steps, say: (state, words) => steps.push({ state: STATES.get(state) ?? state, text: words }) };
}

/** What these bytes claim to be: dossier, sheet, proof, fork, envelope, checkpoint; null: none of them. */
export function kindOf(bytes) {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return "dossier";
  const start = new TextDecoder().decode(bytes.subarray(0, 4096));
  if (start.startsWith(PROOF)) return "proof";
  if (start.startsWith(SHEET)) return "sheet";
  if (start.startsWith("{")) {
    try {
      const value = JSON.parse(new TextDecoder().decode(bytes));
      return value.kind === "fork-proof" ? "fork" : "payloadType" in value ? "envelope" : null;
    } catch {
      return null;
    }
  }
  return /^[^\n]+\n[0-9]+\n[A-Za-z0-9+/=]+\n/.test(start) ? "checkpoint" : null;
}

/** Whose keys count. `copy`: what this node has (see record_pages.LogCopy); `policyText`: the reader's. */
export function trusting(copy, policyText) {
  if (policyText !== null) {
    const policy = openPolicy(policyText);
    return { own: true, policy, logs: policy.logs, witnesses: [...policy.witnesses.values()] };
  }
  const policy = openPolicy(copy.policy);
  const listed = (rows) => openAll(rows.flatMap((row) => row.vkeys));
  const outside = [...policy.witnesses.values()];
  const known = listed(copy.witnesses);
  const others = outside.filter((key) => !known.some((k) => k.name === key.name && k.id === key.id));
  return { own: false, policy, logs: listed(copy.logs), witnesses: [...known, ...others] };
}

const sayKeys = ({ own }, say) =>
  say("note", own ? "Keys: those of the policy file you gave."
    : "Keys: those of the directory that this node has. To rely on your own, give a policy file.");

/**
 * The signatures under one note: the log's, then each witness's. Gives {signed: the log's keys stand
 * on it and none fails, by: [{name, time}] of witnesses whose line holds, keys: theirs}.
 */
async function checkNote(note, trust, say, which = "it") {
  const logKeys = trust.logs.filter((key) => key.name === note.origin && key.kind !== COSIGNATURE);
  const matching = (key) => note.lines.filter((line) => line.name === key.name && line.id === key.id);
  const answers = [];
  for (const key of logKeys) {
    for (const line of matching(key)) {
      const good = await goodLine(key, line, note);
      answers.push(good);
      if (good === null) say(null, `The ${word(key)} signature of ${short(key.name)} on ${which}; tocsin verify`);
      else say(good, `The ${word(key)} signature of ${short(key.name)} on ${which}.`);
    }
  }
  if (logKeys.length === 0) {
    say(null, `Who signed ${which}: no key of ${short(note.origin)} is known here. Give a policy that names this log.`);
  } else if (answers.length === 0) say(false, `No signature of ${short(note.origin)} stands on ${which}.`);
  else {
    const missing = logKeys.filter((key) => matching(key).length === 0).map(word);
    if (missing.length) say("note", `No ${missing.join(" and no ")} line of ${short(note.origin)} stands on ${which}.`);
  }
  const cosigned = await checkWitnesses(note, trust, say, which);
  const known = [...logKeys, ...trust.witnesses];
  const unknown = note.lines.filter((l) => !known.some((key) => key.name === l.name && key.id === l.id));
  const names = [...new Set(unknown.map((line) => short(line.name)))];
  if (names.length && logKeys.length) {
    say("note", `No key is known here for ${names.length === 1 ? "a line" : "lines"} by ${names.slice(0, 8).join(", ")}.`);
  }
  const signed = answers.includes(true) && !answers.includes(false);
  return { signed, unchecked: logKeys.length === 0, ...cosigned };
}

/** Each witness whose line stands on the note is one step, with its time. */
async function checkWitnesses(note, trust, say, which) {
  const [by, good] = [[], []];
  for (const name of [...new Set(trust.witnesses.map((key) => key.name))]) {
    const found = [];
    for (const key of trust.witnesses.filter((k) => k.name === name)) {
      for (const line of note.lines.filter((l) => l.name === name && l.id === key.id)) {
        found.push({ key, answer: await goodLine(key, line, note), time: timeOf(key, line) });
      }
    }
    if (found.length === 0) continue;
    const bad = found.filter((one) => one.answer === false);
    const held = found.filter((one) => one.answer === true);
    const left = found.filter((one) => one.answer === null);
    if (bad.length) say(false, `Witness ${short(name)}: its line on ${which} (${bad.map((one) => word(one.key)).join(", ")}).`);
    else if (held.length) {
      const time = instant(Math.max(...held.map((one) => one.time)));
      const rest = left.length ? "; its ML-DSA-44 line is not checked here" : "";
      say(true, `Witness ${short(name)} cosigned ${which} at ${time}, by its own clock (${held.map((one) => word(one.key)).join(", ")}${rest}).`);
      by.push({ name, time });
      good.push(...held.map((one) => one.key));
    } else say(null, `Witness ${short(name)}: its ML-DSA-44 line on ${which}; tocsin verify`);
  }
  return { by, good };
}

/** Whether enough witnesses stand on the note, by the policy in use. */
function sayQuorum(note, { own, policy }, { good }, say, pending = false) {
  const whose = own ? "your policy" : "this node’s policy";
  if (!policy.logs.some((key) => key.name === note.origin)) {
    return say(null, `Whether enough witnesses cosigned it: ${whose} does not name this log.`);
  }
  if (policy.quorum === "none") {
    return say("note", `By ${whose}, no witness is asked for: only the log’s operator vouches that all readers are shown the same log.`);
  }
  const counted = [...policy.witnesses].filter(([, key]) => good.some((k) => k.name === key.name && k.id === key.id));
  const enough = hasQuorum(policy, counted.map(([name]) => name));
  if (enough) return say(true, `By ${whose}, enough witnesses cosigned it: ${counted.length} of ${policy.witnesses.size}.`);
  return say(pending ? "note" : false, `By ${whose}, too few witnesses cosigned it${pending ? " yet" : ""}: ${counted.length} of ${policy.witnesses.size}.`);
}

// --- trees ----------------------------------------------------------------------------------------

const leafOf = (commitment) => sha256(Uint8Array.of(0, 1, ...commitment));

/** The root over leaf hashes. Level by level; a last one alone moves up unchanged (RFC 9162 §2.1.1). */
export function treeRoot(leaves) {
  if (leaves.length === 0) return sha256(new Uint8Array());
  let level = leaves;
  while (level.length > 1) {
    const above = [];
    for (let i = 0; i + 1 < level.length; i += 2) above.push(node(level[i], level[i + 1]));
    if (level.length % 2) above.push(level[level.length - 1]);
    level = above;
  }
  return level[0];
}

/** The path of a fork proof from m to all leaves: always with the first subtree hash (record.md). */
function forkPath(m, leaves) {
  const n = leaves.length;
  if (m === n) return [treeRoot(leaves)];
  let k = 1;
  while (k * 2 < n) k *= 2;
  if (m <= k) return [...forkPath(m, leaves.slice(0, k)), treeRoot(leaves.slice(k))];
  return [...forkPath(m - k, leaves.slice(k)), treeRoot(leaves.slice(0, k))];
}

// --- one proof, checkpoint or fork -----------------------------------------------------------------

function openProof(bytes) {
  const refuse = (why) => {
    throw new Problem("schema", why);
  };
  const all = text(bytes, "schema");
  const cut = all.indexOf("\n\n");
  const rows = all.slice(0, cut).split("\n");
  if (cut < 0 || bytes.length > 2 * MOST_NOTE || `${rows.shift()}\n` !== PROOF) refuse("not a tlog-proof");
  const extra = rows[0]?.startsWith("extra ") ? unb64(rows.shift().slice(6), "schema", "extra") : null;
  const [, place] = /^index (0|[1-9][0-9]{0,15})$/.exec(rows.shift() ?? "") ?? refuse("no index line");
  const path = rows.map((row) => unb64(row, "schema", "a hash"));
  if (path.length > 64 || path.some((hash) => hash.length !== 32)) refuse("a path of at most 64 hashes of 32 bytes");
  const note = all.slice(cut + 2);
  const named = extra && new TextDecoder().decode(extra);
  return { index: Number(place), path, written: note, note: readNote(utf8(note)), named: /^[0-9a-f]{64}$/.test(named ?? "") ? named : null };
}

function readNote(bytes) {
  if (bytes.length > MOST_NOTE) throw new Problem("checkpoint", `a note of ${bytes.length} bytes, and ${MOST_NOTE} are taken`);
  return openNote(bytes);
}

/** A `.tlog-proof`, with the statement's envelope if the reader has it. */
async function checkProof(bytes, envelope, trust, copies, { steps, say }) {
  const proof = openProof(bytes);
  const { note } = proof;
  say(true, `The file is a tlog-proof: entry ${proof.index} of ${short(note.origin)}, under a checkpoint of ${entries(note.size)}.`);
  let [id, forms] = [proof.named, [proof.named]];
  if (envelope) {
    const opened = openEnvelope(envelope);
    [id] = forms = formsOf(opened);
    say(true, `The statement given with it is of the kind “${opened.s.kind}”, by ${opened.s.author}, at ${opened.s.time} by its own word; its id follows from its bytes: ${id}.`);
    const names = ["the same id", "what the log holds of it if its author sealed it"][forms.indexOf(proof.named)];
    if (proof.named) say(Boolean(names), `The proof’s own line names ${names ?? `another: ${proof.named}`}.`);
  } else if (id) {
    say("note", `The proof is about the id ${id}, named in its extra line, which nothing signs. Give the statement’s envelope too, and the id is computed from its bytes.`);
  } else {
    say(false, "The proof names no statement: give the statement’s envelope with it.");
    return { steps };
  }
  const roots = forms.map((form) => rootFromPath(leafOf(unhex(form)), proof.index, note.size, proof.path));
  const found = roots.findIndex((one) => one !== null && same(one, note.root));
  const [fits, root] = [found >= 0, roots[Math.max(found, 0)]];
  say(fits, fits ? `${found ? "Its author has sealed it: from what the log then holds" : "From that id"} the path, ${proof.path.length === 1 ? "1 hash" : `${proof.path.length} hashes`}, leads to the checkpoint’s root: ${hex(root)}.`
    : `From that id the path leads to ${root ? hex(root) : "nothing: its length is wrong"}, and the checkpoint says ${hex(note.root)}.`);
  const judged = await checkNote(note, trust, say, "the checkpoint");
  sayQuorum(note, trust, judged, say);
  const split = await compare(proof.written, note, judged, trust, copies, say);
  say(null, "The author’s signature, and whether that key might sign at that place: export the case and drop its dossier here");
  return { steps, split };
}

async function checkCheckpoint(bytes, trust, copies, { steps, say }) {
  const written = text(bytes, "checkpoint");
  const note = readNote(bytes);
  say(true, `The file is a checkpoint of ${short(note.origin)}: ${entries(note.size)}, root ${hex(note.root)}.`);
  const judged = await checkNote(note, trust, say);
  sayQuorum(note, trust, judged, say);
  return { steps, split: await compare(written, note, judged, trust, copies, say) };
}

/** Every step of a fork proof; what `openFork` refuses as a whole never stands without a failing step. */
export async function checkFork(bytes, trust, { steps, say } = collector()) {
  const value = decode(bytes);
  if (!FORK(value)) throw new Problem("schema", "this is not a fork proof of the form that is known here");
  const [a, b] = [value.a, value.b].map((written) => readNote(utf8(written)));
  const path = value.proof.map((hash) => unb64(hash, "schema", "a hash"));
  const named = [a, b].every((note) => note.origin === value.origin);
  say(named, `The file is a fork proof of ${short(value.origin)}: two of its notes${named ? "" : ", but one is of another log"}.`);
  const judged = [];
  for (const [note, which] of [[a, `head a (${entries(a.size)})`], [b, `head b (${entries(b.size)})`]]) {
    judged.push(await checkNote(note, trust, say, which));
  }
  const ordered = a.size >= 1 && a.size <= b.size;
  if (!ordered) say(false, `The sizes: ${a.size} and ${b.size}, and the smaller comes first, from 1 on.`);
  if (ordered && a.size === b.size) {
    const two = !same(a.root, b.root) && path.length === 0;
    say(two, two ? `Both heads speak of ${entries(a.size)}, and of two roots: ${hex(a.root)} and ${hex(b.root)}.`
      : path.length ? "Heads of one size need no path, and here is one." : "Both heads have one root: that is one history.");
  } else if (ordered) {
    const found = rootsFromPath(a.size, b.size, path);
    const leads = found !== null && same(found[1], b.root);
    say(leads, leads ? `The path leads to the root of head b: ${hex(b.root)}.`
      : `The path leads to ${found ? hex(found[1]) : "nothing: its length is wrong"}, and head b says ${hex(b.root)}.`);
    if (leads) {
      const apart = !same(found[0], a.root);
      say(apart, apart ? `In that history the first ${entries(a.size)} have the root ${hex(found[0])}, and head a says ${hex(a.root)}: two histories.`
        : "The same path leads to the root of head a: that is one history, and nothing contradicts.");
    }
  }
  const failed = () => steps.some((step) => step.state === "fail");
  const known = judged.every((one) => one.signed);
  if (!failed() && known) {
    try {
      await openFork(bytes, trust.logs);
    } catch (wrong) {
      if (!(wrong instanceof Problem)) throw wrong;
      say(false, wrong.message);
    }
  }
  if (!failed()) {
    say("note", known ? "So this log’s keys signed two histories. It does not say who did it, or why: a stolen key signs as well as its owner."
      : "As long as a signature is not checked, nothing follows from it about the log: anybody can write two notes.");
  }
  return { steps, split: !failed() && known ? splitOf(value, a, b, judged) : null };
}

/** One of two heads; `before`: the root that its history has at the size of the other. */
const headOf = (title, note, written, by, before = null) =>
  ({ title, size: note.size, root: hex(note.root), by, note: written, before });

const splitOf = (value, a, b, [first, second]) => ({
  origin: value.origin, proof: null,
  heads: [headOf("Head a", a, value.a, first.by), headOf("Head b", b, value.b, second.by)],
});

// --- against what this node shows -------------------------------------------------------------------

/** Compare a note with this node's copy of that log; gives the two heads if they contradict. */
async function compare(written, note, judged, trust, copies, say) {
  const keys = await copies.keys();
  if (note.origin === keys.origin) return compareOwn(written, note, judged, trust, copies, say);
  const asked = keys.witnessed.includes(note.origin);
  const other = asked ? await copies.held(hex(sha256(utf8(note.origin)))) : null;
  const held = other === null ? null : readNote(utf8(other));
  if (held === null || held.origin !== note.origin) {
    say(null, `Against another copy of ${short(note.origin)}: this node’s witness holds no checkpoint of it; tocsin log audit URL`);
    return null;
  }
  if (held.size !== note.size) {
    say(null, `Against what this node’s witness last cosigned of that log, ${entries(held.size)}: whether one leads to the other, only that log can show; tocsin log audit URL`);
    return null;
  }
  const fits = same(held.root, note.root);
  say(fits, fits ? `This node’s witness cosigned the same root at ${entries(note.size)}.`
    : `This node’s witness cosigned another root at ${entries(note.size)}: ${hex(held.root)}.`);
  if (fits) return null;
  return split(note.origin, [written, note, judged], [other, held, "What this node’s witness cosigned"], [], trust, say);
}

async function compareOwn(written, note, judged, trust, copies, say) {
  let copy;
  try {
    copy = await copies.commitments();
  } catch (wrong) {
    say(null, `Against this node’s copy of the log: ${wrong.message}`);
    return null;
  }
  const leaves = copy.entries.map((entry) => leafOf(unb64(entry.commitment)));
  if (note.size > leaves.length) {
    say(null, `Against this node’s copy of the log: the checkpoint speaks of ${entries(note.size)}, and this node shows ${leaves.length}. It may be newer: compare again when this node shows as many, or tocsin log audit`);
    return null;
  }
  const root = treeRoot(leaves.slice(0, note.size));
  const fits = same(root, note.root);
  const whole = note.size === leaves.length;
  const where = whole ? "This node’s copy of the log" : `This node’s copy of the log, at its first ${entries(note.size)} of ${leaves.length},`;
  say(fits, fits ? `${where} has the same root, computed here.` : `${where} has the root ${hex(root)}, computed here, and the checkpoint says ${hex(note.root)}.`);
  if (fits || note.size === 0) return null;
  const here = readNote(utf8(copy.checkpoint));
  const path = note.size === here.size ? [] : forkPath(note.size, leaves);
  return split(note.origin, [written, note, judged], [copy.checkpoint, here, "What this node shows", whole ? null : root], path, trust, say);
}

/** Two heads that contradict, and a fork proof of them if it holds; null where nobody has signed both. */
async function split(origin, [written, note, judged], [shown, here, title, root = null], path, trust, say) {
  const quiet = collector();
  const second = await checkNote(here, trust, quiet.say);
  if (!judged.signed || !second.signed) {
    const why = judged.unchecked ? "No key of this log is known here" : `The log’s signature does not stand on ${judged.signed ? "what this node shows" : "what you gave"}`;
    say("note", `${why}: so nothing follows about the log, because anybody can write such a note.`);
    return null;
  }
  const proof = encode({ a: written, b: shown, kind: "fork-proof", origin, proof: path.map(b64), v: 1 });
  const heads = [headOf("What you gave", note, written, judged.by), headOf(title, here, shown, second.by, root && { size: note.size, root: hex(root) })];
  try {
    await openFork(utf8(proof), trust.logs);
    return { origin, heads, proof };
  } catch (wrong) {
    if (!(wrong instanceof Problem)) throw wrong;
    return { origin, heads, proof: null };
  }
}

// --- whatever is given ------------------------------------------------------------------------------

async function checkDossier(bytes, policyText, rootBytes, { steps, say }) {
  const found = await verifyDossier(bytes, { policyText, rootBytes });
  for (const { ok, title, detail } of found.steps) say(ok, detail ? `${title}: ${detail}` : title);
  return { steps };
}

/**
 * Check what was given: [{name, bytes}]. One thing, or a proof and the envelope of its statement.
 *
 * `copies`: {keys(), commitments(): of this node's log; held(hash): what its witness holds, or null}.
 */
export async function checkGiven(given, { policyText, rootBytes, copies }) {
  const out = collector();
  const { say } = out;
  try {
    const kinds = given.map(({ bytes }) => kindOf(bytes));
    const at = (kind) => given[kinds.indexOf(kind)]?.bytes ?? null;
    const main = kinds.find((kind) => kind !== "envelope" && kind !== null);
    if (!main && kinds.includes("envelope")) {
      const { s, id } = openEnvelope(at("envelope"));
      say(true, `The file is a statement’s envelope, of the kind “${s.kind}”, by ${s.author}; its id follows from its bytes: ${id}.`);
      say(null, `Whether it is in a log: give its proof with it; tocsin log prove ${id}`);
      return out;
    }
    if (!main) {
      say(false, "Not recognised: a tlog-proof, a checkpoint, a fork proof, a dossier or a sheet is taken, unchanged.");
      return out;
    }
    const left = kinds.filter((kind, n) => given[n].bytes !== at(main) && !(main === "proof" && kind === "envelope"));
    if (left.length) say("note", `${given.length} files were given; only the ${main} is checked.`);
    if (main === "dossier") return await checkDossier(at(main), policyText, rootBytes, out);
    if (main === "sheet") {
      const [, held] = DOSSIER.exec(text(at(main), "framing")) ?? [];
      if (held === undefined) throw new Problem("framing", "this sheet carries no dossier, or not as this version writes it");
      say("note", "The file is a sheet: the dossier inside it is checked here. The page around it was not compared: tocsin verify does that.");
      return await checkDossier(unb64(held, "framing", "the dossier inside"), policyText, rootBytes, out);
    }
    const trust = trusting(await copies.keys(), policyText);
    sayKeys(trust, say);
    if (main === "proof") return await checkProof(at(main), at("envelope"), trust, copies, out);
    if (main === "fork") return await checkFork(at(main), trust, out);
    return await checkCheckpoint(at(main), trust, copies, out);
  } catch (wrong) {
    if (!(wrong instanceof Problem)) throw wrong;
    say(false, wrong.message);
    return { steps: out.steps };
  }
}

// --- this node's own log ----------------------------------------------------------------------------

const COMMIT = utf8("tocsin/commit/v1\n");

/** Every check of a log that a browser can do, in order; `tampered`: flip one bit of that entry. */
export async function checkLog(copy, tampered = null, policyText = null) {
  const { steps, say } = collector();
  const trust = trusting(copy, policyText);
  const rows = copy.entries.map((entry) => ({
    index: entry.index,
    commitment: unb64(entry.commitment),
    envelope: entry.envelope === null ? null : unb64(entry.envelope),
  }));
  if (tampered !== null) {
    const row = rows[tampered];
    if (!row) throw new Error(`there is no entry ${tampered} in a log of ${rows.length}`);
    const target = row.envelope ?? row.commitment;
    target[target.length >> 1] ^= 1;
    const what = row.envelope ? "statement" : "commitment";
    say("note", `Tampered: one bit of the ${what} of entry ${tampered}, in this page’s copy only.`);
  }
  const note = readNote(utf8(copy.checkpoint));
  say(note.size === rows.length, `The checkpoint of ${note.origin} speaks of ${entries(note.size)}, and ${rows.length} are here.`);

  const wrong = [];
  const held = rows.filter((row) => row.envelope !== null).length;
  for (const row of rows) {
    row.found = row.commitment;
    if (row.envelope === null) continue;
    const whole = new Uint8Array(COMMIT.length + row.envelope.length);
    whole.set(COMMIT);
    whole.set(row.envelope, COMMIT.length);
    row.found = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
    if (!same(row.found, row.commitment)) wrong.push(row);
  }
  if (wrong.length === 0) say(true, `Each of the ${held} statements you may read has the commitment that stands in the log.`);
  for (const row of wrong.slice(0, 20)) {
    say(false, `Entry ${row.index}: the statement here has the commitment ${hex(row.found)}, and the log holds ${hex(row.commitment)}.`);
  }
  const unread = rows.length - held;
  if (unread > 0) say("note", `${unread} ${unread === 1 ? "entry is a commitment only: its" : "entries are commitments only: their"} content is not for you, or not held here any more.`);

  const leaves = rows.map((row) => leafOf(row.found));
  const root = treeRoot(leaves);
  const fits = same(root, note.root);
  const at = tampered === null || fits ? "" : ` The path from entry ${tampered} leads elsewhere.`;
  say(fits, fits ? `The root over all entries is the checkpoint’s: ${hex(root)}.`
    : `The root over all entries is ${hex(root)}, and the checkpoint says ${hex(note.root)}.${at}`);

  sayKeys(trust, say);
  const judged = await checkNote(note, trust, say, "the checkpoint");
  sayQuorum(note, trust, judged, say, true);
  if (copy.cosigned !== null) {
    const older = readNote(utf8(copy.cosigned));
    const which = `the checkpoint of ${entries(older.size)}`;
    say(same(treeRoot(leaves.slice(0, older.size)), older.root), `The first ${entries(older.size)} have the root of the newest checkpoint that the quorum has cosigned.`);
    sayQuorum(older, trust, await checkNote(older, trust, say, which), say);
  }
  say(null, "Signatures of authors over their statements: export a case and drop its dossier here, or tocsin verify");
  return steps;
}
