// Checks a dossier in the reader's own browser: no network, no library, no word of the server.
//
// The same text runs in the console (as a module) and inside a sheet (inlined). Everything here is
// a twin of src/tocsin/record/: canonical, keys, statement, directory, checkpoint, merkle, dossier.
// Spec: record.md. What a browser cannot check (ML-DSA-44, in many) it says, as a step of its own.

const MISSING = "not checked here; tocsin verify";

class Problem extends Error {
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

const refuse = (code, detail) => {
  throw new Problem(code, detail);
};

// --- bytes ---------------------------------------------------------------------------------------

const encoder = new TextEncoder();
const utf8 = (text) => encoder.encode(text);
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) || [], (two) => parseInt(two, 16));

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function same(a, b) {
  let at = a.length === b.length ? a.length : -1;
  while (at > 0 && a[at - 1] === b[at - 1]) at--;
  return at === 0;
}

function text(bytes, code = "canonical") {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse(code, "not UTF-8");
  }
}

function b64(bytes) {
  let out = "";
  for (let at = 0; at < bytes.length; at += 32766) {
    out += btoa(String.fromCharCode(...bytes.subarray(at, at + 32766)));
  }
  return out;
}

function unb64(value, code, what) {
  let binary = null;
  try {
    binary = typeof value === "string" ? atob(value) : null;
  } catch {
    // not base64 at all: refused below
  }
  // One spelling only: encode again and compare, because decoders take several.
  if (binary === null || btoa(binary) !== value) refuse(code, `${what} is not standard base64`);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

// --- SHA-2 (FIPS 180-4); constants computed: fractional parts of roots of the first primes ----------

const PRIMES = [];
for (let n = 2; PRIMES.length < 80; n++) if (PRIMES.every((p) => n % p)) PRIMES.push(n);

const M64 = (1n << 64n) - 1n;

function root(n, k) {
  let low = 0n;
  let high = n;
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** k <= n) low = middle;
    else high = middle - 1n;
  }
  return low;
}

const K512 = PRIMES.map((p) => root(BigInt(p) << 192n, 3n) & M64);
const H512 = PRIMES.slice(0, 8).map((p) => root(BigInt(p) << 128n, 2n) & M64);
const K256 = Int32Array.from(K512.slice(0, 64), (k) => Number(k >> 32n));
const H256 = H512.map((h) => Number(h >> 32n));

function padded(message, block) {
  const size = Math.ceil((message.length + 1 + block / 8) / block) * block;
  const whole = new Uint8Array(size);
  whole.set(message);
  whole[message.length] = 0x80;
  new DataView(whole.buffer).setBigUint64(size - 8, BigInt(message.length) * 8n);
  return whole;
}

function sha256(message) {
  const data = padded(message, 64);
  const view = new DataView(data.buffer);
  const h = Int32Array.from(H256);
  const w = new Int32Array(64);
  for (let at = 0; at < data.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], z = h[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (z + s1 + ((e & f) ^ (~e & g)) + K256[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      z = g; g = f; f = e;
      e = (d + t1) | 0;
      d = c; c = b; b = a;
      a = (t1 + s0 + ((b & c) ^ (b & d) ^ (c & d))) | 0;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += z;
  }
  const out = new DataView(new ArrayBuffer(32));
  h.forEach((value, i) => out.setInt32(4 * i, value));
  return new Uint8Array(out.buffer);
}

function sha512(message) {
  const data = padded(message, 128);
  const view = new DataView(data.buffer);
  const turn = (x, n) => ((x >> n) | (x << (64n - n))) & M64;
  const h = [...H512];
  for (let at = 0; at < data.length; at += 128) {
    const w = [];
    for (let i = 0; i < 16; i++) w.push(view.getBigUint64(at + 8 * i));
    for (let i = 16; i < 80; i++) {
      const s0 = turn(w[i - 15], 1n) ^ turn(w[i - 15], 8n) ^ (w[i - 15] >> 7n);
      const s1 = turn(w[i - 2], 19n) ^ turn(w[i - 2], 61n) ^ (w[i - 2] >> 6n);
      w.push((w[i - 16] + s0 + w[i - 7] + s1) & M64);
    }
    let [a, b, c, d, e, f, g, z] = h;
    for (let i = 0; i < 80; i++) {
      const s1 = turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n);
      const t1 = z + s1 + ((e & f) ^ (~e & M64 & g)) + K512[i] + w[i];
      const s0 = turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n);
      const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      [z, g, f, e, d, c, b, a] = [g, f, e, (d + t1) & M64, c, b, a, (t1 + t2) & M64];
    }
    [a, b, c, d, e, f, g, z].forEach((value, i) => (h[i] = (h[i] + value) & M64));
  }
  const out = new DataView(new ArrayBuffer(64));
  h.forEach((value, i) => out.setBigUint64(8 * i, value));
  return new Uint8Array(out.buffer);
}

// --- Ed25519, the strict rule: of the 914 CCTV edge vectors exactly one passes ---------------------
// BigInt is not constant-time: fine here, everything is public.

const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;
const mod = (n) => ((n % P) + P) % P;

function power(base, exponent) {
  let out = 1n;
  for (let b = base, e = exponent; e; e >>= 1n, b = (b * b) % P) if (e & 1n) out = (out * b) % P;
  return out;
}

const inverse = (n) => power(mod(n), P - 2n);
const D = mod(-121665n * inverse(121666n));
const ROOT_OF_MINUS_1 = power(2n, (P - 1n) / 4n);
const NEUTRAL = [0n, 1n, 1n, 0n];

const little = (bytes) => BigInt("0x" + (hex(bytes.slice().reverse()) || "0"));

function unpack(bytes) {
  const whole = little(bytes);
  const y = whole & ((1n << 255n) - 1n);
  if (y >= P) return null;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * v ** 3n * power(mod(u * v ** 7n), (P - 5n) / 8n));
  if (mod(v * x * x) !== u) x = mod(x * ROOT_OF_MINUS_1);
  if (mod(v * x * x) !== u) return null;
  const sign = whole >> 255n;
  if (x === 0n && sign) return null;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function times(scalar, point) {
  let out = NEUTRAL;
  for (let n = scalar, p = point; n; n >>= 1n, p = add(p, p)) if (n & 1n) out = add(out, p);
  return out;
}

const isNeutral = ([x, y, z]) => x === 0n && y === z;
const smallOrder = (point) => isNeutral(times(8n, point));
const BASE = unpack(unhex("58" + "66".repeat(31)));
const goodKeys = new Map();

function goodKey(publicKey) {
  const name = hex(publicKey);
  if (!goodKeys.has(name)) {
    const point = unpack(publicKey);
    goodKeys.set(name, point && !smallOrder(point) && isNeutral(times(L, point)) ? point : null);
  }
  return goodKeys.get(name);
}

const verdicts = new Map(); // the same triple is asked again after every tampering

/** Whether sig (64 bytes) by pub (32) over msg is good under the strict rule of record.md. */
export async function verifyEd25519(pub, sig, msg) {
  const name = hex(sha256(concat(pub, sig, msg)));
  if (pub.length !== 32 || sig.length !== 64) return false;
  if (!verdicts.has(name)) verdicts.set(name, await strictly(pub, sig, msg));
  return verdicts.get(name);
}

async function strictly(pub, sig, msg) {
  const key = goodKey(pub);
  const r = unpack(sig.subarray(0, 32));
  if (!key || !r || smallOrder(r) || little(sig.subarray(32)) >= L) return false;
  try {
    const kind = { name: "Ed25519" };
    const held = await crypto.subtle.importKey("raw", pub, kind, false, ["verify"]);
    return await crypto.subtle.verify(kind, held, sig, msg);
  } catch {
    return verifySlowly(key, sig, msg, pub); // no WebCrypto here, or one without Ed25519
  }
}

function verifySlowly([x, y, z, t], sig, msg, pub) {
  const k = little(sha512(concat(sig.subarray(0, 32), pub, msg))) % L;
  const point = add(times(little(sig.subarray(32)), BASE), times(k, [mod(-x), y, z, mod(-t)]));
  const flip = inverse(point[2]);
  const [px, py] = [mod(point[0] * flip), mod(point[1] * flip)];
  return little(sig.subarray(0, 32)) === (py | ((px & 1n) << 255n));
}

// --- restricted canonical JSON -------------------------------------------------------------------

function encode(value, depth = 1) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) refuse("canonical", `number ${value} is no safe integer`);
    return String(value);
  }
  if (typeof value === "string") {
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value)) {
      refuse("canonical", "text with half a character");
    }
    return JSON.stringify(value);
  }
  if (depth > 16) refuse("canonical", "nested deeper than 16");
  if (Array.isArray(value)) return `[${value.map((v) => encode(v, depth + 1)).join(",")}]`;
  const names = Object.keys(value).sort();
  if (names.some((name) => /[^\x00-\x7f]/.test(name))) refuse("canonical", "a key is not ASCII");
  return `{${names.map((n) => `${JSON.stringify(n)}:${encode(value[n], depth + 1)}`).join(",")}}`;
}

function decode(bytes) {
  const written = text(bytes);
  let value;
  try {
    value = JSON.parse(written);
  } catch {
    refuse("canonical", "not JSON");
  }
  if (encode(value) !== written) refuse("canonical", "not in canonical form");
  return value;
}

// --- the shape of statements ----------------------------------------------------------------------

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const PARTY = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})+$`);
const ORIGIN = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})+/log(?:/[1-9][0-9]{0,8})?$`);
const HEX64 = /^[0-9a-f]{64}$/;
const OBJECT_ID =
  /^(?:[a-z0-9][a-z0-9_-]{0,249}--[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|urn:sha256:[0-9a-f]{64})$/;
const MEDIA = "[a-z0-9][a-z0-9!#$&^_.+-]{0,126}";
const OBJECT_TYPE = new RegExp(`^(?:[a-z0-9][a-z0-9_-]{0,249}|${MEDIA}/${MEDIA})$`);
const TLP = ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"];
const ROOT_KINDS = ["directory", "key", "revoke"];
const ORDINARY = ["ack", "act", "compare", "cosign", "say", "withdraw"];

const like = (re) => (v) => typeof v === "string" && re.test(v);
const among = (...list) => (v) => list.includes(v);
const whole = (low, high = Number.MAX_SAFE_INTEGER) => (v) =>
  Number.isSafeInteger(v) && v >= low && v <= high;
const string = (v) => typeof v === "string";
const object = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const list = (check, max = Infinity, min = 0) => (v) =>
  Array.isArray(v) && v.length >= min && v.length <= max && v.every((item) => check(item));
const shape = (required, optional = {}, others = false) => (v) =>
  object(v) &&
  Object.keys(required).every((name) => Object.hasOwn(v, name) && required[name](v[name])) &&
  Object.keys(v).every(
    (name) =>
      Object.hasOwn(required, name) ||
      (Object.hasOwn(optional, name) ? optional[name](v[name]) : others),
  );
const open = (required, optional) => shape(required, optional, true);
const increasing = (keys) => keys.every((key, at) => at === 0 || keys[at - 1] < key);

function realTime(value) {
  const found = like(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/)(value) ? new Date(value) : NaN;
  return !Number.isNaN(+found) && value > "0001" && found.toISOString().startsWith(value.slice(0, 19));
}

const b64of = (size) => (v) => {
  try {
    return unb64(v).length === size;
  } catch {
    return false;
  }
};
const digest = like(HEX64);
const party = like(PARTY);
const keyIdOf = (bytes) => hex(sha256(concat(utf8("tocsin/key/v1\n\x01"), bytes)));
const goodPublic = (v) => b64of(32)(v) && goodKey(unb64(v)) !== null;
const enrolled = (v) => goodPublic(v.public) && keyIdOf(unb64(v.public)) === v.keyid;

const OBJECT = shape({ id: like(OBJECT_ID), sha256: digest, type: like(OBJECT_TYPE) });
const SEEN = shape({ origin: like(ORIGIN), root: b64of(32), size: whole(1) });
const STATEMENT = shape(
  {
    v: among(1), author: party, key: digest, kind: among(...ROOT_KINDS, ...ORDINARY), seq: whole(1),
    prev: like(/^(?:[0-9a-f]{64})?$/), time: realTime, salt: like(/^[0-9a-f]{32}$/), tlp: among(...TLP),
    body: object,
  },
  {
    case: like(/^[!-~]{1,128}$/), to: list(party, 256, 1), objects: list(OBJECT, 1000, 1),
    refs: list(digest, 256, 1), seen: list(SEEN, 8, 1),
  },
);

// The body of each kind; unknown keys are kept and ignored.
const PERSONS = (v) => list((p) => string(p) && p !== "")(v) && increasing(v.map((p) => hex(utf8(p))));
const SAY = open({}, { via: open({ door: string, party }), persons: PERSONS, reason: string });
const CAPACITY = among("author", "co-author", "endorses", "no-objection");
const COSIGN = open({ manifest_sha256: digest }, { capacity: CAPACITY, refuse: (v) => v === !!v });
const KEY = { keyid: digest, public: string };
const ROOTS = open({ threshold: whole(1, 16), keys: list(open(KEY), 16, 1) });
const REGISTRARS = open({ threshold: whole(1, 16), keys: list(open({ party, ...KEY }), 16, 1) });
const NODE = open({}, {
  origin: string, url: string, peer_url: string, key: string, log_vkeys: list(string),
  witness_vkeys: list(string),
});
const PARTY_ENTRY = open(
  {
    id: party, name: (v) => string(v) && v !== "" && [...v].length <= 200, root: ROOTS,
    identity: like(/^identity--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  },
  {
    nodes: list(NODE), hpke: open({ id: string, public: string }), clients: list(party), contact: string,
    kind: string, languages: list(string), hours: string, zone: string, facets: object,
  },
);
const DIRECTORY = open({ version: whole(1), registrars: REGISTRARS, parties: list(PARTY_ENTRY, 4096, 1) });

const keysOk = ({ threshold, keys }) =>
  increasing(keys.map((k) => k.keyid)) && threshold <= keys.length && keys.every(enrolled);

function directoryOk(body) {
  if (!DIRECTORY(body)) return false;
  const nodes = body.parties.flatMap((p) => (p.nodes || []).map((n) => ({ ...n, of: p.id })));
  const origins = nodes.map((n) => n.origin).filter(Boolean);
  const owner = new Map();
  const sole = (id, holder) => (owner.has(id) || owner.set(id, holder)) && owner.get(id) === holder;
  return (
    body.parties.every((p) => p.root.keys.every((k) => sole(k.keyid, p.id))) &&
    body.registrars.keys.every((k) => !owner.has(k.keyid) || owner.get(k.keyid) === k.party) &&
    body.parties.every((p) => keysOk(p.root) && increasing(p.clients || [])) &&
    keysOk(body.registrars) &&
    nodes.every((n) => (!n.key || goodPublic(n.key)) && (!n.origin || n.origin.split("/")[0] === n.of)) &&
    increasing(body.parties.map((p) => p.id)) &&
    increasing(body.parties.map((p) => p.identity).sort()) &&
    increasing(origins.sort())
  );
}

const ENROLMENT = open({ ...KEY, kinds: list(among(...ORDINARY), 6, 1) }, { directory: whole(1) });
const BODIES = {
  say: SAY,
  withdraw: SAY,
  act: object,
  ack: open({ heads: list(open({ author: party, seq: whole(1), head: digest })) }),
  cosign: (v) => COSIGN(v) && (v.refuse === true) !== Object.hasOwn(v, "capacity"),
  compare: open({ step: string }),
  key: (v) => ENROLMENT(v) && enrolled(v) && increasing(v.kinds),
  revoke: open({ keyid: digest, reason: string }, { suspect_since: realTime, directory: whole(1) }),
  directory: directoryOk,
};

function coherent({ id, sha256: digest, type }) {
  if (id.startsWith("urn:")) return id === `urn:sha256:${digest}` && type.includes("/");
  return id.split("--")[0] === type;
}

/** Read a payload, or refuse it with the code "canonical" or "schema". */
export function readStatement(payload) {
  const s = decode(payload);
  const big = object(s) && s.kind === "directory";
  const need = (good, why) => good || refuse("schema", `payload: ${why}`);
  need(STATEMENT(s), "a field is missing, unknown or not of its form");
  need(payload.length <= (big ? 1 << 20 : 65536), "too large");
  need(big || utf8(encode(s.body)).length <= 16384, "body over 16 KiB");
  need((s.seq === 1) === (s.prev === ""), "seq and prev disagree");
  need(increasing(s.refs || []) && increasing(s.to || []), "refs or to not sorted and unique");
  need(increasing((s.objects || []).map((o) => `${o.id} ${o.sha256}`)), "objects not sorted");
  need(increasing((s.seen || []).map((c) => c.origin)), "seen not sorted and unique");
  need((s.objects || []).every(coherent), "an object's id and type disagree");
  need(s.tlp !== "RED" || s.to, "RED names nobody");
  need(!ROOT_KINDS.includes(s.kind) || s.tlp === "CLEAR", `a ${s.kind} is always CLEAR`);
  need(!ROOT_KINDS.includes(s.kind) || !Object.hasOwn(s, "case"), `a ${s.kind} stands in no case`);
  need(!["withdraw", "cosign"].includes(s.kind) || s.refs, "refs is missing");
  need(BODIES[s.kind](s.body), `body of a ${s.kind}`);
  return s;
}

const TYPE = "application/vnd.tocsin.statement+json";
const SIGNATURES = list(shape({ keyid: digest, sig: string }), 16, 1);
const ENVELOPE = shape({ payload: string, payloadType: among(TYPE), signatures: SIGNATURES });

function openEnvelope(raw) {
  const value = decode(raw);
  if (!ENVELOPE(value)) refuse("schema", "not an envelope of a statement");
  const payload = unb64(value.payload, "canonical", "payload");
  const signatures = value.signatures.map((g) => ({ keyid: g.keyid, sig: unb64(g.sig, "canonical", "sig") }));
  const s = readStatement(payload);
  const multiple = ROOT_KINDS.includes(s.kind);
  const good =
    raw.length <= (s.kind === "directory" ? 3 << 19 : 98304) &&
    increasing(signatures.map((g) => g.keyid)) && signatures.every((g) => g.sig.length === 64) &&
    (multiple || signatures.length === 1) && signatures[0].keyid === s.key;
  if (!good) refuse("schema", "envelope and payload disagree on size or signatures");
  const commitment = sha256(concat(utf8("tocsin/commit/v1\n"), raw));
  return {
    raw, s, signatures, id: hex(commitment),
    signed: concat(utf8(`DSSEv1 ${TYPE.length} ${TYPE} ${payload.length} `), payload),
    leaf: sha256(concat(Uint8Array.of(0, 1), commitment)),
  };
}

/** What the log holds of a statement that its author has sealed; made of both, it is nobody else's. */
const sealedId = (author, id) => hex(sha256(concat(utf8(`tocsin/sealed/v1\n${author}\n`), unhex(id))));

/** As what the log may hold an opened envelope: its id, or sealed by its author. Keys are never sealed. */
const formsOf = ({ id, s }) => (ROOT_KINDS.includes(s.kind) ? [id] : [id, sealedId(s.author, id)]);

// --- who may sign what, at which place in the log ---------------------------------------------------

class Ring {
  constructor(rootEnvelope) {
    this.versions = [{ index: -1, body: rootEnvelope.s.body }];
    this.keys = new Map();
    this.revoked = new Set();
    this.floors = new Map(); // party → [index from which it counts, lowest version whose root it takes]
  }

  /** The directory in force for a statement at this index. */
  at(index) {
    return this.versions.filter((v, n) => n === 0 || v.index < index).at(-1).body;
  }

  state({ author, key }, index, time = null) {
    const held = this.keys.get(`${author} ${key}`);
    const listed = this.at(index).parties.some((p) => p.id === author);
    if (!held || index <= held.since || !listed) return "unknown";
    if (held.until !== undefined && index > held.until) return "revoked";
    const doubt = held.until !== undefined && held.suspect;
    return doubt && (time === null || time >= held.suspect) ? "suspect" : "valid";
  }

  /** [public key, signature] pairs that must all verify, or a refusal ("key", "directory"). */
  signers(envelope, index) {
    const { s } = envelope;
    if (s.kind === "directory") return this.registrars(envelope);
    const party = this.at(index).parties.find((p) => p.id === s.author);
    if (!party) refuse("key", `${s.author} is not in the directory at index ${index}`);
    if (ROOT_KINDS.includes(s.kind)) {
      const standing = this.rootVersion(envelope, index);
      const { root: own } = (standing || { party }).party;
      const pairs = known(envelope, own.keys, "key");
      if (pairs.length < own.threshold) refuse("key", `too few root keys of ${party.id}`);
      if (!standing) refuse("key", `${party.id} signs by the root of a directory not in force yet`);
      if (s.kind === "key" && this.versions.some(({ body }) => roots(body).includes(s.body.keyid))) {
        refuse("key", "a root or registrar key is enrolled for everyday signing");
      }
      return pairs;
    }
    const state = this.state(s, index);
    const held = this.keys.get(`${s.author} ${s.key}`);
    const allowed = held && held.kinds[s.kind] !== undefined && held.kinds[s.kind] < index;
    if (state === "unknown" || state === "revoked" || !allowed) {
      refuse("key", `key ${s.key} of ${s.author} may not sign a ${s.kind} at ${index} (${state})`);
    }
    if (roots(this.at(index)).includes(s.key)) refuse("key", `${s.key} is a root key, and signs no ${s.kind}`);
    return [[held.public, envelope.signatures[0].sig]];
  }

  /** The first version, from the author's floor on, whose root these signatures are: an old root
   * counts until its party says something with a newer one, in every log at the same place. The
   * statement itself may name a higher one. */
  rootVersion({ s, signatures }, index) {
    const said = (this.floors.get(s.author) || []).filter(([at]) => at < index).at(-1)?.[1] ?? 0;
    const floor = Math.max(said, s.body.directory ?? 0);
    for (const [n, { index: at, body }] of this.versions.entries()) {
      if (body.version < floor || (n && at >= index)) continue;
      const party = body.parties.find((p) => p.id === s.author);
      const ids = party ? party.root.keys.map((k) => k.keyid) : [];
      const all = party && signatures.every((g) => ids.includes(g.keyid));
      if (all && signatures.length >= party.root.threshold) return { version: body.version, party };
    }
    return null;
  }

  registrars(envelope) {
    const { body, author } = envelope.s;
    const place = this.versions.findIndex((v) => v.body.version === body.version);
    if (place >= 0 && encode(this.versions[place].body) !== encode(body)) {
      refuse("directory", `another version ${body.version}`);
    }
    const before = place > 0 ? this.versions[place - 1].body : this.versions.at(-1).body;
    if (place < 0 && body.version !== before.version + 1) refuse("directory", "version skipped");
    const versions = place === 0 ? [body] : [before, body];
    const holders = versions.flatMap((v) => v.registrars.keys);
    if (!holders.some((k) => k.party === author)) refuse("directory", `${author} is no registrar`);
    for (const { registrars, version } of versions) {
      const mine = registrars.keys.map((k) => k.keyid);
      const count = envelope.signatures.filter((g) => mine.includes(g.keyid)).length;
      if (count < registrars.threshold) refuse("directory", `too few registrars of ${version}`);
    }
    return known(envelope, holders, "directory");
  }

  /** Take in a `directory`, `key` or `revoke` that has been verified, in log order. */
  admit(envelope, index) {
    const { s } = envelope;
    const { keyid } = s.body;
    const name = `${s.author} ${keyid}`;
    const held = this.keys.get(name);
    if (s.kind === "directory") {
      if (s.body.version > this.versions.at(-1).body.version) this.versions.push({ index, body: s.body });
      return;
    }
    const [standing, floors] = [this.rootVersion(envelope, Infinity), this.floors.get(s.author) || []];
    if (standing && standing.version > (floors.at(-1)?.[1] ?? 0)) {
      this.floors.set(s.author, [...floors, [index, standing.version]]);
    }
    if (s.kind === "key" && !this.revoked.has(name)) {
      const kinds = Object.fromEntries(s.body.kinds.map((kind) => [kind, index]));
      const since = held ? held.since : index;
      const all = { ...kinds, ...(held && held.kinds) };
      this.keys.set(name, { public: unb64(s.body.public), kinds: all, since });
    } else if (s.kind === "revoke") {
      this.revoked.add(name); // the earliest counts, and the earliest doubt
      const since = [held?.suspect, s.body.suspect_since].filter(Boolean).sort()[0];
      const until = Math.min(held?.until ?? Infinity, index);
      if (held) this.keys.set(name, { ...held, until, suspect: since });
    }
  }
}

const roots = (body) =>
  [...body.registrars.keys, ...body.parties.flatMap((p) => p.root.keys)].map((k) => k.keyid);

function known({ signatures }, keys, code) {
  const byId = new Map(keys.map((k) => [k.keyid, unb64(k.public)]));
  const stranger = signatures.find((g) => !byId.has(g.keyid));
  if (stranger) refuse(code, `${stranger.keyid} signed and may not`);
  return signatures.map((g) => [byId.get(g.keyid), g.sig]);
}

async function verifyAll(pairs, signed, code = "signature") {
  for (const [pub, sig] of pairs) {
    if (!(await verifyEd25519(pub, sig, signed))) refuse(code, "a signature does not verify");
  }
}

/** The fingerprint that people read to each other. */
export function fingerprint(rootBytes) {
  const bits = Array.from(sha256(concat(utf8("tocsin/root/v1\n"), rootBytes)).subarray(0, 20), (b) =>
    b.toString(2).padStart(8, "0"),
  ).join("");
  const letters = bits.match(/.{5}/g).map((b) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(b, 2)]);
  return letters.join("").match(/.{4}/g).join("-");
}

// --- notes, policy, tree ---------------------------------------------------------------------------

const ED25519 = 1;
const COSIGNATURE = 4;
const MLDSA = 6;

function openVkey(line) {
  const [, name, id, material] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line) || [];
  if (!name) refuse("checkpoint", "not a verifier key");
  const raw = unb64(material, "checkpoint", "verifier key");
  if (hex(sha256(concat(utf8(`${name}\n`), raw)).subarray(0, 4)) !== id) {
    refuse("checkpoint", `verifier key of ${name} has another id`);
  }
  return { name, id, kind: raw[0], public: raw.subarray(1) };
}

/** Those of these verifier keys that are of a kind we know. */
const openAll = (texts) =>
  texts.flatMap((one) => {
    try {
      return [openVkey(one)];
    } catch {
      return [];
    }
  });

function openNote(bytes) {
  const all = text(bytes, "checkpoint");
  const cut = all.lastIndexOf("\n\n");
  const lines = all.slice(cut + 2, -1).split("\n");
  if (cut < 0 || !all.endsWith("\n") || lines.length > 32) refuse("checkpoint", "not a signed note");
  if (/[\x00-\x09\x0b-\x1f]/.test(all)) refuse("checkpoint", "a control character in a note");
  const [origin, size, hash, end] = all.slice(0, cut + 1).split("\n");
  const good = /^(0|[1-9][0-9]{0,15})$/.test(size) && end === "" && all.slice(0, cut).split("\n").length === 3;
  if (!good || !origin || !b64of(32)(hash)) refuse("checkpoint", "not a checkpoint");
  return {
    body: all.slice(0, cut + 1), origin, size: Number(size), root: unb64(hash),
    lines: lines.map((line) => {
      const [, name, rest] = /^— ([^\s+\x85]+) ([A-Za-z0-9+/=]+)$/.exec(line) || [];
      const raw = name ? unb64(rest, "checkpoint", "note line") : refuse("checkpoint", "bad note line");
      if (raw.length < 5) refuse("checkpoint", "a note line without a signature");
      return { name, id: hex(raw.subarray(0, 4)), blob: raw.subarray(4) };
    }),
  };
}

/** What an ML-DSA-44 line covers (C2SP tlog-cosignature): the tree from 0 to the checkpoint's size. */
function subtree(name, time, { origin, size, root: hash }) {
  const short = (words) => concat(Uint8Array.of(utf8(words).length), utf8(words));
  const long = (number) => unhex(number.toString(16).padStart(16, "0"));
  const parts = [short(name), long(time), short(origin), long(0n), long(BigInt(size)), hash];
  return concat(utf8("subtree/v1\n\0"), ...parts);
}

const KINDS = new Map([[ED25519, "ed25519"], [COSIGNATURE, "ed25519 cosignature"], [MLDSA, "ml-dsa-44"]]);
const timeOf = ({ kind }, { blob }) =>
  kind === ED25519 ? 0 : Number(new DataView(blob.slice(0, 8).buffer).getBigUint64(0));

/** Seconds since 1970 as a verdict writes them. */
const instant = (time) =>
  time <= 253402300799 ? `${new Date(time * 1000).toISOString().slice(0, 19)}Z` : `${time} s after 1970`;

/** The earliest time by which the quorum was there; null where it needs no witness, or is not. */
function quorumTime(policy, witnesses) {
  const counted = [];
  if (hasQuorum(policy, counted)) return null;
  for (const { name, at } of [...witnesses].sort((a, b) => a.at - b.at)) {
    counted.push(name);
    if (hasQuorum(policy, counted)) return at;
  }
  return null;
}

/** Whether a note line of a known key is good; null: of a kind that this browser cannot check. */
async function goodLine(key, { blob }, note) {
  if (key.kind === ED25519) return verifyEd25519(key.public, blob, utf8(note.body));
  const time = blob.length > 8 ? new DataView(blob.slice(0, 8).buffer).getBigUint64(0) : 1n << 63n;
  if (time >= 1n << 63n) return false;
  const signature = blob.subarray(8);
  if (key.kind === COSIGNATURE) {
    return verifyEd25519(key.public, signature, utf8(`cosignature/v1\ntime ${time}\n${note.body}`));
  }
  let held;
  try {
    held = await crypto.subtle.importKey("raw-public", key.public, { name: "ML-DSA-44" }, false, ["verify"]);
  } catch {
    return null; // no WebCrypto here, or one without ML-DSA
  }
  return crypto.subtle.verify({ name: "ML-DSA-44" }, held, signature, subtree(key.name, time, note));
}

function openPolicy(policyText) {
  const policy = { logs: [], witnesses: new Map(), groups: new Map(), quorum: null };
  const defined = (name) => policy.witnesses.has(name) || policy.groups.has(name);
  for (const line of policyText.split("\n")) {
    const words = line.trim().split(/[ \t]+/);
    const [verb, a, b, ...more] = words;
    if (verb === "" || verb.startsWith("#")) continue;
    if (verb === "log" && a && !more.length) policy.logs.push(openVkey(a));
    else if (verb === "witness" && b && more.length < 2) policy.witnesses.set(a, openVkey(b));
    else if (verb === "group" && more.length && more.every(defined)) {
      const count = b === "all" ? more.length : b === "any" ? 1 : Number(b);
      if (!(count >= 1 && count <= more.length)) refuse("policy", `no threshold: ${b}`);
      policy.groups.set(a, { count, members: more });
    } else if (verb === "quorum" && a && !b && policy.quorum === null && (a === "none" || defined(a))) {
      policy.quorum = a;
    } else refuse("policy", `line not understood: ${line.slice(0, 60)}`);
  }
  return policy.quorum === null ? refuse("policy", "no quorum line") : policy;
}

function hasQuorum(policy, names) {
  const counted = new Set(names);
  for (const [name, { count, members }] of policy.groups) {
    if (members.filter((member) => counted.has(member)).length >= count) counted.add(name);
  }
  return policy.quorum === "none" || counted.has(policy.quorum);
}

const node = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

/** The root that a leaf and its path lead to (RFC 9162 §2.1.3.2), or null for a wrong length. */
function rootFromPath(leaf, index, size, path) {
  let [place, last, hash] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return null;
    if (place % 2 || place === last) {
      hash = node(sibling, hash);
      while (place % 2 === 0 && place) [place, last] = [place / 2, Math.floor(last / 2)];
    } else hash = node(hash, sibling);
    [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
  }
  return last === 0 && index < size ? hash : null;
}

/** The roots of m and n leaves that a path with its first hash leads to (RFC 9162 §2.1.4.2), or null. */
function rootsFromPath(m, n, hashes) {
  let [place, last] = [m - 1, n - 1];
  if (m < 1 || m >= n || !hashes.length) return null;
  while (place % 2) [place, last] = [(place - 1) / 2, Math.floor(last / 2)];
  let [older, newer] = [hashes[0], hashes[0]];
  for (const sibling of hashes.slice(1)) {
    if (last === 0) return null;
    if (place % 2 || place === last) {
      [older, newer] = [node(sibling, older), node(sibling, newer)];
      while (place % 2 === 0 && place) [place, last] = [place / 2, Math.floor(last / 2)];
    } else newer = node(newer, sibling);
    [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
  }
  return last === 0 ? [older, newer] : null;
}

/** Whether the tree of n leaves only appends to that of m, 1 <= m < n. */
function consistent(m, n, oldRoot, newRoot, path) {
  const power = m > 0 && (BigInt(m) & BigInt(m - 1)) === 0n;
  const found = rootsFromPath(m, n, power ? [oldRoot, ...path] : path);
  return found !== null && same(found[0], oldRoot) && same(found[1], newRoot);
}

// --- fork proofs ------------------------------------------------------------------------------------

const FORK_TYPE = "application/vnd.tocsin.fork-proof+json";
const FORK = shape({
  a: string, b: string, kind: among("fork-proof"), origin: string, proof: list(string), v: among(1),
});

/** What a fork proof shows against one of these log keys, or a refusal. */
async function openFork(bytes, keys) {
  const value = decode(bytes);
  if (!FORK(value) || bytes.length > 4 * 131072 + 8192) refuse("schema", "not a fork proof");
  const [a, b] = [value.a, value.b].map((note) => openNote(utf8(note)));
  const path = value.proof.map((hash) => unb64(hash, "schema", "a hash"));
  if ([a, b].some((note) => note.origin !== value.origin)) refuse("schema", "notes of another log");
  if (a.size < 1 || a.size > b.size || path.length > 64 || path.some((hash) => hash.length !== 32)) {
    refuse("schema", "sizes or path out of order");
  }
  if (a.size === b.size && path.length) refuse("schema", "equal sizes need no path");
  const found = a.size === b.size ? [b.root, b.root] : rootsFromPath(a.size, b.size, path);
  if (!found || !same(found[1], b.root)) refuse("schema", "the path does not lead to the larger root");
  if (same(found[0], a.root)) refuse("schema", "the two are one history");
  for (const note of [a, b]) {
    const answers = [];
    for (const line of note.lines) {
      const key = keys.find((k) => k.name === value.origin && k.name === line.name && k.id === line.id);
      if (key && key.kind !== COSIGNATURE) answers.push(await goodLine(key, line, note));
    }
    if (!answers.includes(true) || answers.includes(false)) refuse("schema", "the log did not sign it");
  }
  return { value, a, b };
}

// For pages that check one proof, note or fork by itself.
export {
  COSIGNATURE, ED25519, FORK, MISSING, Problem, b64, decode, encode, formsOf, goodLine, hasQuorum, hex, instant,
  node, openAll, openEnvelope, openFork, openNote, openPolicy, rootFromPath, rootsFromPath, same, sha256,
  text, timeOf, unb64, unhex, utf8,
};

// --- the file: a ZIP of one exact form --------------------------------------------------------------

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes) {
  let c = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) c = CRC[(c ^ bytes[at]) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** Little-endian numbers, "2:20 4:7" for 20 in two bytes and 7 in four. */
const numbers = (form) =>
  Uint8Array.from(form.trim().split(/\s+/).flatMap((word) => {
    const [size, value] = word.split(":").map(Number);
    return Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) & 255);
  }));

/** The one ZIP that holds these members: stored, sorted, 1980-01-01, no gap and no extra. */
function writeZip(members) {
  const [parts, central] = [[], []];
  let at = 0;
  for (const name of [...members.keys()].sort()) {
    const [content, label] = [members.get(name), utf8(name)];
    const size = content.length;
    const common = `2:20 2:0 2:0 2:0 2:33 4:${crc32(content)} 4:${size} 4:${size} 2:${label.length} 2:0`;
    parts.push(numbers(`4:67324752 ${common}`), label, content);
    central.push(numbers(`4:33639248 2:20 ${common} 2:0 2:0 2:0 4:0 4:${at}`), label);
    at += 30 + label.length + size;
  }
  const [count, list] = [members.size, concat(...central)];
  return concat(...parts, list, numbers(`4:101010256 2:0 2:0 2:${count} 2:${count} 4:${list.length} 4:${at} 2:0`));
}

/** name → content as the central directory lists them; compare with `writeZip` before use. */
function readZip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const members = new Map();
  try {
    const end = bytes.length - 22;
    if (view.getUint32(0) !== 0x504b0304 || view.getUint32(end) !== 0x504b0506) throw RangeError();
    const count = view.getUint16(end + 10, true);
    if (count === 65535) refuse("limit", `too large for a browser: ${MISSING}`);
    for (let n = 0, at = view.getUint32(end + 16, true); n < count; n++) {
      const [size, length] = [view.getUint32(at + 24, true), view.getUint16(at + 28, true)];
      const start = view.getUint32(at + 42, true) + 30 + length;
      const name = text(bytes.subarray(at + 46, at + 46 + length), "framing");
      if (members.has(name) || start + size > bytes.length) throw RangeError();
      members.set(name, bytes.subarray(start, start + size));
      at += 46 + length;
    }
  } catch (wrong) {
    if (wrong instanceof Problem) throw wrong;
    refuse("framing", "not a dossier: no ZIP that lists its members");
  }
  return members;
}

const index = (members, name, logs, count) =>
  utf8(encode({
    v: 1, case: name, logs, statements: count,
    members: Object.fromEntries(
      [...members].filter(([member]) => member !== "INDEX.json").map(([m, b]) => [m, hex(sha256(b))]),
    ),
  }));

// --- the verdict -----------------------------------------------------------------------------------

const FIXED = ["INDEX.json", "README.txt", "directory.jsonl", "proofs.jsonl", "statements.jsonl"];
const READMES = [
  "41cdf1b275abeb8327ae04c7fba886bb6d3775a8a465c9004d8e24a21b483f03",
  "89a279e22ca01d211fccaba060716592a2240c8ea014764dce6e070e36c394cd",
];

const STEPS = [
  ["The file has the one exact form of a dossier", "framing", "limit"],
  ["Its index can be recomputed from the rest", "index"],
  ["Every line is canonical and has its exact shape", "canonical", "schema"],
  ["The root is the one you compared", "unanchored"],
  ["The directory follows from the root", "directory"],
  ["The log signed its checkpoint (Ed25519)", "checkpoint", "log-fork"],
  ["The log's second signature (ML-DSA-44)", "ml-dsa-44"],
  ["Enough witnesses cosigned it", "quorum", "policy"],
  ["Every statement leads to the checkpoint's root", "inclusion"],
  ["Every key was allowed to sign, at its place in the log", "key"],
  ["Every signature verifies under the strict rule", "signature"],
  ["No author's chain has a gap or a fork", "chain-gap", "chain-fork"],
  ["Every object is the one that a statement names", "object"],
  ["No marking was loosened", "marking"],
];

const PROOF = shape({ id: digest, index: whole(0), log: string, path: list(string, 64) });
const HISTORY = shape({ checkpoint: string, path: list(string, 64) });

const KEY_CHAIN = " keys"; // of directory, key and revoke statements: a blank stands in no case id
const LISTED = 1000;

/** Numbers of a chain that no statement shown here has, from `first` to `last`. */
class Gap {
  constructor(first, last, linked, start) {
    // The place before the next statement is known by its `prev`; the rest must lie between.
    const [log, end] = linked || [-1, 0];
    const withheld = linked ? [last] : [];
    Object.assign(this, { first, last: linked ? last - 1 : last, log, end, start, withheld });
  }

  /** Take the lowest of the free places that lie between in that log: one for each number. */
  fill(places, free) {
    if (!this.withheld.length) return;
    for (const [at, id] of places.get(this.log) || []) {
      if (this.last < this.first || at >= this.end) return;
      if (at > this.start && free.delete(id)) this.withheld.push(this.last--);
    }
  }
}

/** One author's statements in one case, or its directory, key and revoke statements. */
class Chain {
  constructor(name, seqs) {
    this.author = name.slice(0, name.indexOf(" "));
    this.name = name.slice(name.indexOf(" ") + 1);
    this.keys = this.name === KEY_CHAIN;
    this.where = this.keys ? `key chain of ${this.author}` : `chain of ${this.author}`;
    if (this.name && !this.keys) this.where += ` in ${this.name}`;
    this.seqs = seqs;
    this.order = [...seqs.keys()].sort((a, b) => a - b);
  }

  findGaps(free, known) {
    this.gaps = [];
    let [expected, before] = [1, ""];
    for (const seq of this.order) {
      const [row] = this.seqs.get(seq);
      if (seq > expected) {
        const named = [row.s.prev, sealedId(this.author, row.s.prev)].find((id) => free.delete(id));
        const linked = named ? [...known.get(named)][0] : null;
        const start = (linked && known.get(before)?.get(linked[0])) ?? -1;
        this.gaps.push(new Gap(expected, seq - 1, linked, start));
      }
      [expected, before] = [seq + 1, row.id];
    }
    return this.gaps;
  }

  judge(say) {
    for (const { first, last } of this.gaps) {
      if (first <= last) say("chain-gap", `neither shown nor withheld: number ${first} to ${last}`);
    }
    for (const seq of this.order) {
      const rows = this.seqs.get(seq);
      const before = this.seqs.get(seq - 1);
      if (twice(rows)) say("chain-fork", `${rows.length} statements with number ${seq}`);
      for (const { s } of rows) {
        if (before && !before.some((other) => other.id === s.prev)) {
          say("chain-fork", `number ${seq} follows ${s.prev}, which is not the number ${seq - 1} shown here`);
        }
      }
    }
  }

  verdict() {
    const last = this.order.at(-1);
    const missing = [];
    for (const gap of this.gaps) {
      for (let n = gap.first; n <= gap.last && missing.length < LISTED; n++) missing.push(n);
    }
    return {
      author: this.author, keys: this.keys, first: this.order[0], last,
      head: this.seqs.get(last).map((row) => row.id).sort()[0],
      withheld: this.gaps.flatMap((gap) => gap.withheld).sort((a, b) => a - b),
      missing, equivocates: this.order.some((seq) => twice(this.seqs.get(seq))),
    };
  }
}

/** How a statement stands by a revocation, both given by log: twin of record/revocations.py. */
function judge(logged, ended, since) {
  const shared = [...logged.keys()].some((log) => ended.has(log));
  const places = [...logged.values()].sort((a, b) => ((a.time ?? "~") < (b.time ?? "~") ? -1 : 1));
  const earliest = places[0] || { log: -1, index: Number.MAX_SAFE_INTEGER, time: null };
  let suspect = false;
  for (const end of ended.size ? ended.values() : [{ log: -2, index: -1, time: null }]) {
    const at = logged.get(end.log) || earliest;
    if (end.log === at.log) {
      if (end.index < at.index) return "revoked";
    } else if (shared && (at.time === null || end.time === null)) continue;
    else if (end.time === null) suspect = true;
    else if (at.time === null || at.time >= end.time) return "revoked";
    suspect ||= Boolean(since) && (at.time === null || at.time >= since);
  }
  return suspect ? "suspect" : "valid";
}

/** Whether two of these were signed for one place. Dropping one of several root signatures makes
 * another id of the same statement, and frames nobody. */
const twice = ([first, ...others]) =>
  others.some((row) => !ROOT_KINDS.includes(row.s.kind) || encode(row.s) !== encode(first.s));

/** One dossier, read and checked; every problem is kept and the rest goes on. */
class Check {
  constructor(bytes, policyText, rootBytes) {
    this.problems = [];
    this.codes = new Map(); // statement id → codes of its problems
    this.facts = {};
    this.good = new Set(); // SHA-256 of the objects that are here
    this.second = []; // what was found of each ML-DSA-44 line of a log
    this.root = rootBytes;
    this.members = readZip(bytes);
    this.policy = policyText === null ? null : openPolicy(policyText);
    if (!same(writeZip(this.members), bytes)) this.say("framing", "file", "a byte of the frame differs");
    this.names();
  }

  say(code, where, detail, id = null) {
    this.problems.push({ code, where, detail });
    if (id === null) return;
    if (!this.codes.has(id)) this.codes.set(id, new Set());
    this.codes.get(id).add(code);
  }

  /** What `job` gives, or undefined and a problem at `where`. */
  async at(where, job, id = null) {
    try {
      return await job();
    } catch (wrong) {
      if (!(wrong instanceof Problem)) throw wrong;
      return this.say(wrong.code, where, wrong.message, id);
    }
  }

  names() {
    this.count = 0;
    while (this.members.has(`logs/${this.count}/checkpoint`)) this.count++;
    const wanted = [...FIXED];
    for (let n = 0; n < Math.max(this.count, 1); n++) {
      wanted.push(`logs/${n}/checkpoint`, `logs/${n}/history.jsonl`);
    }
    for (const name of wanted) if (!this.members.has(name)) this.say("framing", name, "missing");
    for (const name of this.members.keys()) {
      if (!wanted.includes(name) && !/^objects\/[0-9a-f]{64}$/.test(name)) {
        this.say("framing", name, "no dossier has a member of this name");
      }
    }
    const readme = this.members.get("README.txt");
    if (readme && !READMES.includes(hex(sha256(readme)))) this.say("framing", "README.txt", "changed");
    this.facts.framing = `${this.members.size} members`;
  }

  /** [where, line] of a JSON-lines member. */
  lines(name) {
    const bytes = this.members.get(name) || new Uint8Array();
    const found = [];
    let start = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, start)) {
      found.push([`${name}:${found.length + 1}`, bytes.subarray(start, at)]);
      start = at + 1;
    }
    if (start < bytes.length) this.say("framing", name, "the last line has no end");
    if (found.length <= 1e6) return found;
    this.say("limit", name, `${found.length} lines, and a million are taken`);
    return [];
  }

  /** A line with a `path`, decoded. */
  async shaped(where, line, check) {
    return this.at(where, () => {
      const value = decode(line);
      if (!check(value)) refuse("schema", "a field is missing, unknown or wrong");
      const path = value.path.map((hash) => unb64(hash, "canonical", "a path's hash"));
      if (path.some((hash) => hash.length !== 32)) refuse("schema", "a path holds hashes of 32 bytes");
      return { ...value, path };
    });
  }

  async run() {
    this.logs = [];
    for (let n = 0; n < this.count; n++) {
      const where = `logs/${n}/checkpoint`;
      const note = await this.at(where, () => openNote(this.members.get(where)));
      const twice = note && this.logs.some((log) => log.origin === note.origin);
      if (twice) this.say("index", where, `a second checkpoint of ${note.origin}`);
      this.logs.push({ note, origin: !note ? `unreadable log ${n}` : twice ? `second ${note.origin} ${n}` : note.origin, older: [], bounds: [], times: new Map() });
    }
    await this.proofs();
    this.authority = await this.rows("directory.jsonl");
    this.statements = await this.rows("statements.jsonl");
    this.all = [...this.authority, ...this.statements];
    this.index();
    await this.directory();
    for (const [n, log] of this.logs.entries()) if (log.note) await this.checkpoint(n, log);
    await this.paths();
    await this.signatures();
    this.revocations();
    this.withdrawals();
    await this.forks();
    this.chains();
    this.objects();
    this.markings();
    return this.verdict();
  }

  async proofs() {
    this.places = new Map();
    let last = [-1, -1];
    for (const [where, line] of this.lines("proofs.jsonl")) {
      const proof = await this.shaped(where, line, PROOF);
      if (!proof) continue;
      const log = this.logs.findIndex((one) => one.origin === proof.log);
      const listed = this.places.get(proof.id) || [];
      if (log < 0) this.say("index", where, `no log ${proof.log}`);
      else if (log < last[0] || (log === last[0] && proof.index <= last[1])) {
        this.say("index", where, "not in the order of its log");
      } else if (listed.some((other) => other.log === log)) this.say("index", where, "twice");
      else {
        last = [log, proof.index];
        this.places.set(proof.id, [...listed, { ...proof, log, where }]);
      }
    }
    const used = [...this.places.values()].flat().map((p) => p.log);
    for (let n = 0; n < this.count; n++) {
      if (!used.includes(n)) this.say("index", `logs/${n}/checkpoint`, "no proof leads here");
    }
  }

  async rows(name) {
    const found = [];
    let last = [-1, -1];
    for (const [where, line] of this.lines(name)) {
      const row = await this.at(where, () => openEnvelope(line));
      if (!row) continue;
      Object.assign(row, { where, proofs: this.places.get(row.id) || [], log: -1, index: -1 });
      if (ROOT_KINDS.includes(row.s.kind) !== (name === "directory.jsonl")) {
        this.say("index", where, `a ${row.s.kind} does not belong here`);
        continue;
      }
      if (row.proofs.length) {
        const { log, index: place } = row.proofs[0];
        if (log < last[0] || (log === last[0] && place <= last[1])) {
          this.say("index", where, "not in the order of its log, or twice");
          continue;
        }
        last = [log, place];
        Object.assign(row, { log, index: place });
      } else this.say("inclusion", where, `${row.id} has no proof`, row.id);
      found.push(row);
    }
    return found;
  }

  index() {
    this.case = this.statements.length ? this.statements[0].s.case ?? null : null;
    for (const { s, where } of this.statements) {
      if ((s.case ?? null) !== this.case) this.say("index", where, "a statement of another case");
    }
    const origins = this.logs.map((log) => log.origin);
    const wanted = index(this.members, this.case, origins, this.statements.length);
    const held = this.members.get("INDEX.json");
    if (held && !same(held, wanted)) this.say("index", "INDEX.json", "not what the members hold");
    this.facts.index = `${this.statements.length} statements, ${this.authority.length} of the directory`;
    this.facts.canonical = this.facts.index;
  }

  async directory() {
    for (const [n, log] of this.logs.entries()) {
      const mine = this.authority
        .flatMap((row) => row.proofs.filter((p) => p.log === n).map((p) => ({ row, index: p.index })))
        .sort((a, b) => a.index - b.index);
      const first = mine.find(({ row }) => row.s.kind === "directory" && row.s.body.version === 1);
      if (!first) {
        this.say("directory", "directory.jsonl", `version 1 of ${log.origin} is missing`);
        continue;
      }
      const { raw, where } = first.row;
      this.foreign ||= Boolean(this.root) && !same(raw, this.root);
      if (this.foreign) this.say("directory", where, "version 1 is not your root file");
      this.fingerprint = fingerprint(raw);
      const ring = new Ring(first.row);
      await this.at(where, async () => {
        await verifyAll(ring.registrars(first.row), first.row.signed, "directory");
        log.ring = ring;
      });
      if (log.ring) this.version = Math.max(this.version ?? 0, 1);
      for (const { row, index: place } of log.ring ? mine : []) {
        if (row === first.row) continue;
        try {
          await verifyAll(ring.signers(row, place), row.signed, "directory");
          ring.admit(row, place);
        } catch (wrong) {
          if (!(wrong instanceof Problem)) throw wrong;
          if (row.s.kind === "directory") this.say("directory", row.where, wrong.message);
        }
      }
      if (log.ring) this.version = Math.max(this.version, ring.versions.at(-1).body.version);
      this.facts.directory = `version ${ring.versions.at(-1).body.version}, ${ring.versions.at(-1).body.parties.length} parties`;
    }
  }

  /** The keys whose lines may stand on this log's checkpoints. */
  known(log) {
    const nodes = log.ring ? log.ring.versions.at(-1).body.parties.flatMap((p) => p.nodes || []) : [];
    const listed = openAll(nodes.flatMap((n) => [
      ...(n.origin === log.origin ? n.log_vkeys || [] : []), ...(n.witness_vkeys || []),
    ]));
    const { logs, witnesses } = this.policy || { logs: [], witnesses: new Map() };
    return [...listed, ...logs.filter((key) => key.name === log.origin), ...witnesses.values()];
  }

  async point(log, note, where) {
    const keys = this.known(log);
    const good = [];
    const lines = [];
    for (const [n, line] of note.lines.entries()) {
      const key = keys.find((k) => k.name === line.name && k.id === line.id);
      if (!key) this.say("checkpoint", where, `a line by ${line.name} that nobody can check`);
      if (note.lines.findIndex((l) => l.name === line.name && l.id === line.id) !== n) {
        this.say("checkpoint", where, `a second line by ${line.name}`);
      }
      const answer = key ? await goodLine(key, line, note) : null;
      if (key && key.kind === MLDSA && key.name === log.origin) this.second.push(answer);
      if (answer === false) refuse("checkpoint", `the line of ${line.name} does not verify`);
      if (answer) good.push(key);
      if (answer) lines.push([key, line]);
    }
    if (note.origin !== log.origin) refuse("checkpoint", `a checkpoint of ${note.origin}`);
    if (!good.some((k) => k.name === log.origin)) refuse("checkpoint", `${log.origin} did not sign it`);
    const by = (key) => good.some((k) => k.id === key.id && k.name === key.name);
    const named = this.policy && this.policy.logs.some((key) => key.name === log.origin && by(key));
    if (this.policy && !named) this.say("checkpoint", where, `no log of your policy signed it as ${log.origin}`);
    const signatures = good.filter((key) => key.name === log.origin).map((key) => KINDS.get(key.kind));
    const point = { ...note, signatures, witnesses: [], quorum: false, time: null };
    if (!named) return { ...point, quorum: this.policy && false };
    for (const [key, line] of lines) {
      const [name] = [...this.policy.witnesses].find(([, k]) => k.id === key.id && k.name === key.name) || [];
      if (name) point.witnesses.push({ name, at: timeOf(key, line) });
    }
    point.quorum = hasQuorum(this.policy, point.witnesses.map((witness) => witness.name));
    if (point.quorum) point.time = quorumTime(this.policy, point.witnesses);
    return point;
  }

  async checkpoint(n, log) {
    const where = `logs/${n}/checkpoint`;
    log.newest = await this.at(where, () => this.point(log, log.note, where));
    if (log.newest) this.facts.checkpoint = `${log.origin}, ${log.note.size} entries`;
    if (log.newest && log.newest.quorum === false) this.say("quorum", where, "too few witnesses cosigned");
    let last = 0;
    for (const [place, line] of this.lines(`logs/${n}/history.jsonl`)) {
      const value = await this.shaped(place, line, HISTORY);
      const older = value && (await this.at(place, () => openNote(utf8(value.checkpoint))));
      if (!older || !log.newest) continue;
      if (older.size <= last) this.say("index", place, "not in the order of sizes");
      last = older.size;
      await this.at(place, async () => {
        const point = await this.point(log, older, place);
        const { size, root: newest } = log.newest;
        if (!consistent(older.size, size, older.root, newest, value.path)) {
          refuse("checkpoint", `size ${older.size} does not lead to size ${size}`);
        }
        log.older.push(point);
      });
    }
    // From when on which checkpoint was cosigned, and so until when an index was logged.
    let earliest = null;
    for (const point of [...log.older, log.newest].filter((p) => p && p.time !== null).reverse()) {
      earliest = earliest === null ? point.time : Math.min(earliest, point.time);
      log.bounds.unshift([point.size, earliest]);
      log.times.set(`${point.size} ${b64(point.root)}`, point.time);
    }
  }

  notAfter({ log, index: place }) {
    const bound = this.logs[log].bounds.find(([size]) => size > place);
    return bound ? instant(bound[1]) : null;
  }

  async paths() {
    const rows = new Map(this.all.map((row) => [row.id, row]));
    this.withheld = [];
    this.included = new Set();
    for (const [id, proofs] of this.places) {
      const row = rows.get(id);
      const leaf = row ? row.leaf : sha256(concat(Uint8Array.of(0, 1), unhex(id)));
      for (const [n, { log, index: place, path, where }] of proofs.entries()) {
        const head = this.logs[log].newest;
        const hash = head && rootFromPath(leaf, place, head.size, path);
        if (hash && same(hash, head.root)) {
          if (n === 0) this.included.add(id);
        } else if (!head) this.say("inclusion", where, "no checkpoint that holds", id);
        else {
          const found = hash ? hex(hash) : "nothing: its path has the wrong length";
          this.say("inclusion", where, `entry ${place}: leads to ${found}, and the checkpoint has ${hex(head.root)}`, id);
        }
      }
      if (!row) this.withheld.push({ id, index: proofs[0].index, log: proofs[0].log });
    }
    this.facts.inclusion = `${this.included.size} of ${this.places.size}, ${this.withheld.length} of them withheld`;
  }

  async signatures() {
    let count = 0;
    for (const row of this.all) {
      const { s, where } = row;
      const ring = this.logs[Math.max(row.log, 0)]?.ring;
      const place = row.index < 0 ? Infinity : row.index; // without a place: as at the log's end
      if (!ring) {
        this.say("key", where, "without a directory no key is known", row.id);
        continue;
      }
      const after = this.included.has(row.id) ? this.notAfter(row) : null;
      if (!ROOT_KINDS.includes(s.kind)) row.key = ring.state(s, place, after);
      let pairs;
      try {
        pairs = ring.signers(row, place);
      } catch (wrong) {
        if (!(wrong instanceof Problem)) throw wrong;
        if (s.kind === "directory") { // the directory's own step has said it
          this.codes.set(row.id, new Set([...(this.codes.get(row.id) || []), "directory"]));
          continue;
        }
        this.say("key", where, wrong.message, row.id);
        const held = ring.keys.get(`${s.author} ${s.key}`);
        if (!held || ROOT_KINDS.includes(s.kind)) continue;
        pairs = [[held.public, row.signatures[0].sig]]; // whether it did sign is worth knowing
      }
      if (ROOT_KINDS.includes(s.kind)) row.key = "valid";
      row.good = (await this.at(where, () => verifyAll(pairs, row.signed).then(() => true), row.id)) || false;
      count += row.good;
    }
    this.facts.signature = `${count} of ${this.all.length}`;
    const suspect = this.statements.filter((row) => row.key === "suspect").length;
    this.facts.key = suspect ? `${suspect} by a key under suspicion` : "";
  }

  /** A revocation in another log than the statement's: cosigned times decide, cautiously. */
  revocations() {
    const placed = (row) =>
      new Map(row.proofs.map((p) => [p.log, { log: p.log, index: p.index, time: this.notAfter(p) }]));
    for (const revoke of this.authority.filter((row) => row.good && row.s.kind === "revoke")) {
      const { keyid, suspect_since: since } = revoke.s.body;
      const ended = placed(revoke);
      for (const row of this.all) {
        const mine = row.s.author === revoke.s.author && row.s.key === keyid && !ROOT_KINDS.includes(row.s.kind);
        if (!mine || !row.good || !["valid", "suspect"].includes(row.key)) continue;
        const state = judge(placed(row), ended, since);
        if (state === "revoked") {
          this.say("key", row.where, `key ${keyid} of ${row.s.author} is revoked here by ${revoke.id}`, row.id);
        }
        if (state === "revoked" || (state === "suspect" && row.key === "valid")) row.key = state;
      }
    }
  }

  /** Who took back all of what. Only the author may; another's attempt does nothing. */
  withdrawals() {
    const good = new Map(this.all.filter((row) => row.good).map((row) => [row.id, row]));
    const names = ({ objects = [] }) => objects.map((o) => `${o.id} ${o.sha256}`);
    for (const row of good.values()) {
      if (row.s.kind !== "withdraw") continue;
      const part = names(row.s);
      for (const target of row.s.refs.map((ref) => good.get(ref)).filter(Boolean)) {
        const whole = !part.length || names(target.s).every((name) => part.includes(name));
        if (target.s.author === row.s.author && whole) (target.withdrawnBy ||= []).push(row.id);
      }
    }
  }

  /** Fork proofs that somebody has said, and roots that somebody says to have seen. */
  async forks() {
    this.found = [];
    const listed = this.logs.flatMap(({ ring }) => (ring ? ring.versions.at(-1).body.parties : []));
    const texts = listed.flatMap((p) => (p.nodes || []).flatMap((n) => (n.origin && n.log_vkeys) || []));
    const keys = [...openAll(texts), ...(this.policy ? this.policy.logs : [])];
    const good = this.all.filter((row) => row.good);
    for (const { s, id } of good) {
      for (const { type, sha256: digest } of s.objects || []) {
        const data = this.members.get(`objects/${digest}`);
        if (type !== FORK_TYPE || !data || hex(sha256(data)) !== digest) continue;
        try {
          const { value, a, b } = await openFork(data, keys);
          const detail = `a fork proof said by ${s.author}: sizes ${a.size} and ${b.size}`;
          const facts = { sizes: [a.size, b.size], roots: [b64(a.root), b64(b.root)], statement: id, proof: value };
          if (this.logs.some((log) => log.origin === value.origin)) {
            if (this.found.some((one) => one.origin === value.origin && one.detail === detail)) continue;
            this.say("log-fork", value.origin, detail);
          }
          this.found.push({ origin: value.origin, explained: true, detail, ...facts });
        } catch (wrong) {
          if (!(wrong instanceof Problem)) throw wrong;
          const detail = `what ${s.author} calls a fork proof does not hold: ${wrong.message}`;
          this.found.push({ origin: "", explained: false, detail, statement: id });
        }
      }
    }
    const points = this.logs.flatMap((log) => [...log.older, ...(log.newest ? [log.newest] : [])]);
    const roots = new Map(points.map((p) => [`${p.origin} ${p.size}`, b64(p.root)]));
    for (const { s, id } of good) {
      for (const { origin, size, root: seen } of s.seen || []) {
        const held = roots.get(`${origin} ${size}`);
        if (held === undefined || held === seen) continue;
        // One party's word against a signed note: shown, and nobody is framed by it.
        const detail = `${s.author} has seen another root at size ${size}, without the log's signature`;
        const both = [seen, held].sort();
        this.found.push({ origin, explained: false, detail, statement: id, size, roots: both });
      }
    }
  }

  chains() {
    const proven = [...this.places].filter(([id]) => this.included.has(id));
    const known = new Map(proven.map(([id, proofs]) => [id, new Map(proofs.map((p) => [p.log, p.index]))]));
    const free = new Set(this.withheld.map((w) => w.id).filter((id) => known.has(id)));
    for (const { id, s } of free.size ? this.statements : []) {
      // Its author has sealed it in the same log: that place is its own, and explains no other gap.
      const sealed = sealedId(s.author, id);
      if (free.delete(sealed)) known.set(id, new Map([...known.get(sealed), ...(known.get(id) ?? [])]));
    }
    const held = new Map();
    for (const row of this.all.filter((one) => one.good)) {
      const name = `${row.s.author} ${ROOT_KINDS.includes(row.s.kind) ? KEY_CHAIN : row.s.case ?? ""}`;
      if (!held.has(name)) held.set(name, new Map());
      held.get(name).set(row.s.seq, [...(held.get(name).get(row.s.seq) || []), row]);
    }
    // Key statements are CLEAR: nobody withholds one, so no gap of theirs is explained by an id.
    const made = [...held.keys()].sort().map((name) => new Chain(name, held.get(name)));
    const gaps = made.flatMap((chain) => chain.findGaps(chain.keys ? new Set() : free, known));
    const places = new Map(); // log → [index, id] of what is still free, lowest first
    for (const id of free) {
      for (const [log, at] of known.get(id)) places.set(log, [...(places.get(log) || []), [at, id]]);
    }
    for (const listed of places.values()) listed.sort(([a], [b]) => a - b);
    for (const gap of gaps.sort((a, b) => a.log - b.log || a.end - b.end)) gap.fill(places, free);
    for (const chain of made) chain.judge((code, detail) => this.say(code, chain.where, detail));
    this.heads = made.map((chain) => chain.verdict());
    const words = this.heads.map(
      ({ author, keys, last, head }) => `${author}${keys ? " (keys)" : ""} ${last} ${head.slice(0, 16)}…`,
    );
    this.facts["chain-gap"] = `heads, to compare with their authors: ${words.join("; ") || "none"}`;
  }

  objects() {
    const named = new Set(this.statements.flatMap(({ s }) => (s.objects || []).map((o) => o.sha256)));
    let held = 0;
    for (const [name, content] of this.members) {
      if (!/^objects\/[0-9a-f]{64}$/.test(name)) continue;
      const digest = hex(sha256(content));
      if (name !== `objects/${digest}`) this.say("object", name, `its bytes have the SHA-256 ${digest}`);
      else if (!named.has(digest)) this.say("object", name, "no statement names it");
      else held++;
      if (name === `objects/${digest}`) this.good.add(digest);
    }
    this.facts.object = `${held} held, ${named.size - held} withheld`;
  }

  markings() {
    const rank = (s) => TLP.indexOf(s.tlp);
    const digests = (s) => (s.objects || []).map((o) => o.sha256);
    const byId = new Map(this.statements.map((row) => [row.id, row]));
    for (const row of this.all) {
      for (const ref of row.s.refs || []) {
        const target = byId.get(ref);
        if (!target) continue;
        const own = row.s.kind === "say" && row.s.objects && target.s.author === row.s.author;
        const wanted = digests(target.s);
        // One way down: the originator has since said the same objects with a wider marking.
        const again = target.s.kind !== "say" || !wanted.length ? [] : this.statements.filter(
          (other) => other.s.kind === "say" && other.s.author === target.s.author &&
            other.log === row.log && other.index < row.index &&
            wanted.every((digest) => digests(other.s).includes(digest)),
        );
        const floor = Math.min(rank(target.s), ...again.map((other) => rank(other.s)));
        if (!own && rank(row.s) < floor) {
          this.say("marking", row.where, `TLP:${row.s.tlp} refers to TLP:${target.s.tlp} ${ref}`, row.id);
        }
      }
    }
  }

  verdict() {
    const steps = STEPS.map(([title, ...codes], at) => {
      const wrong = this.problems.filter((problem) => codes.includes(problem.code));
      const step = { n: at + 1, title, ok: !wrong.length, detail: this.facts[codes[0]] || "" };
      if (wrong.length) {
        const more = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : "";
        step.detail = `${wrong[0].where}: ${wrong[0].detail}${more}`;
      } else if (codes[0] === "unanchored" && this.foreign) {
        Object.assign(step, { ok: false, detail: `it is not: its fingerprint is ${this.fingerprint}` });
      } else if (codes[0] === "unanchored" && !this.root) {
        Object.assign(step, { ok: null, detail: `only you can: compare ${this.fingerprint || "the fingerprint"} by telephone` });
      } else if (codes[0] === "ml-dsa-44" && !this.second.every((answer) => answer === true)) {
        Object.assign(step, this.second.includes(false) ? { ok: false } : { ok: null, detail: MISSING });
      } else if (codes[0] === "quorum" && !this.policy) {
        Object.assign(step, { ok: null, detail: MISSING });
      }
      return step;
    });
    return {
      ok: !this.problems.length, case: this.case, steps, problems: this.problems, statements: this.listed(),
      chains: this.heads, forks: this.found, withheld: this.withheld, fingerprint: this.fingerprint,
      directory: { version: this.version ?? null, ok: !this.problems.some((p) => p.code === "directory") },
      logs: this.logs.map(({ origin, newest }) => ({
        origin, size: newest ? newest.size : 0, root: newest ? b64(newest.root) : "",
        signatures: newest ? newest.signatures : [], quorum: Boolean(newest && newest.quorum),
        witnesses: newest ? newest.witnesses.map(({ name, at }) => ({ name, time: instant(at) })) : [],
      })),
    };
  }

  /** Every statement as record.md's verdict has it, by (log, index); of a withheld one its place only. */
  listed() {
    const shown = this.all.map((row) => {
      const { id, s, good, key } = row;
      const first = row.proofs[0];
      const seen = (s.seen || []).flatMap(({ origin, size, root: hash }) =>
        this.logs.filter((log) => log.origin === origin).map((log) => log.times.get(`${size} ${hash}`)));
      const times = seen.filter((time) => time !== undefined);
      const held = (s.objects || []).filter((o) => this.good.has(o.sha256)).length;
      return {
        id, kind: s.kind, author: s.author, seq: s.seq, log: first ? this.logs[first.log].origin : "",
        index: first ? first.index : null, signature: Boolean(good), key: key || "unknown",
        ...this.place(id, first), not_before: times.length ? instant(Math.max(...times)) : null,
        withdrawn_by: row.withdrawnBy || [],
        objects: { held, withheld: (s.objects || []).length - held },
        problems: [...(this.codes.get(id) || [])],
      };
    });
    const hidden = this.withheld.map(({ id, index: place, log }) => ({
      id, kind: null, author: null, seq: null, log: this.logs[log].origin, index: place, signature: null,
      key: null, ...this.place(id, { log, index: place }), not_before: null, withdrawn_by: [],
      objects: { held: 0, withheld: 0 }, problems: [...(this.codes.get(id) || [])],
    }));
    const at = (one) => one.index ?? -1;
    const order = (a, b) => (a.log === b.log ? at(a) - at(b) : a.log < b.log ? -1 : 1);
    return [...shown, ...hidden].sort(order);
  }

  place(id, first) {
    const included = this.included.has(id);
    return {
      included, quorum: Boolean(first && this.logs[first.log].newest && this.logs[first.log].newest.quorum),
      not_after: included ? this.notAfter(first) : null,
    };
  }
}

/**
 * Check a dossier's bytes. Trust comes from the reader: the policy's text and the root file's
 * bytes; what is null is said as a step that was not checked (ok: null), never passed over.
 */
export async function verifyDossier(bytes, { policyText = null, rootBytes = null, ...other } = {}) {
  // An option misspelt would be trust that nobody gave.
  if (Object.keys(other).length) throw new TypeError(`unknown option ${Object.keys(other)}`);
  let check;
  try {
    check = new Check(bytes, policyText, rootBytes);
  } catch (wrong) {
    if (!(wrong instanceof Problem)) throw wrong;
    const problem = { code: wrong.code, where: "file", detail: wrong.message };
    const steps = STEPS.map(([title, ...codes], at) => ({
      n: at + 1, title, ok: codes.includes(wrong.code) ? false : null,
      detail: codes.includes(wrong.code) ? wrong.message : "not reached",
    }));
    return { ok: false, case: null, steps, problems: [problem], statements: [], chains: [], withheld: [] };
  }
  return check.run();
}

// --- the demonstration ------------------------------------------------------------------------------

/**
 * A copy in which one bit of one statement is flipped, and everything that needs no key is made to
 * fit again: the frame, the index, the id in the proofs. The given bytes are not touched.
 */
export function tamper(bytes, line = 0) {
  const members = readZip(bytes);
  const rows = text(members.get("statements.jsonl")).split("\n").slice(0, -1);
  const envelope = JSON.parse(rows[line]);
  const payload = text(unb64(envelope.payload));
  const at = payload.search(/"salt":"[0-9a-f]*?[0-9]/) + payload.match(/"salt":"[0-9a-f]*?[0-9]/)[0].length - 1;
  const digit = String.fromCharCode(payload.charCodeAt(at) ^ 1);
  envelope.payload = b64(utf8(payload.slice(0, at) + digit + payload.slice(at + 1)));
  const id = (row) => hex(sha256(concat(utf8("tocsin/commit/v1\n"), utf8(row))));
  const before = id(rows[line]);
  rows[line] = encode(envelope);
  const after = id(rows[line]);
  const proofs = text(members.get("proofs.jsonl")).replaceAll(before, after);
  const place = JSON.parse(proofs.split("\n").find((proof) => proof.includes(after))).index;
  members.set("statements.jsonl", utf8(`${rows.join("\n")}\n`));
  members.set("proofs.jsonl", utf8(proofs));
  const said = JSON.parse(text(members.get("INDEX.json")));
  members.set("INDEX.json", index(members, said.case, said.logs, said.statements));
  return { bytes: writeZip(members), index: place, before, after, byte: at };
}

// --- showing it -------------------------------------------------------------------------------------

const ANSWER = new Map([[true, "holds"], [false, "FAILS"], [null, "not checked here"]]);

/** Write the steps into an element: numbered, in words; nothing of it is parsed as HTML. */
export function showSteps(element, { ok, steps }) {
  const make = (tag, name, words) => {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = words;
    return made;
  };
  const left = steps.filter((step) => step.ok === null).length;
  const failed = steps.filter((step) => step.ok === false).length;
  const words = ok
    ? `Unchanged since it was signed: ${steps.length - left} steps hold, ${left} are left to you.`
    : `Do not rely on this: ${failed} of ${steps.length} steps fail.`;
  const list = make("ol", "steps", "");
  for (const step of steps) {
    const item = make("li", `step ${step.ok === null ? "open" : step.ok ? "holds" : "fails"}`, "");
    item.append(make("span", "number", `${step.n}`), make("span", "title", step.title));
    item.append(make("span", "answer", ANSWER.get(step.ok)));
    if (step.detail) item.append(make("span", "detail", step.detail));
    list.append(item);
  }
  element.replaceChildren(make("p", ok ? "verdict holds" : "verdict fails", words), list);
}

/** In a sheet: check the dossier that rides along, and show it. */
export async function mountSheet(page) {
  const target = page.getElementById("tocsin-check");
  const held = page.getElementById("tocsin-dossier").textContent;
  let dossier = new Uint8Array(); // what is not even base64 is refused as any other non-dossier
  try {
    dossier = unb64(held);
  } catch (wrong) {
    if (!(wrong instanceof Problem)) throw wrong;
  }
  const outcome = await verifyDossier(dossier);
  const note = target.lastElementChild;
  const steps = page.createElement("div");
  showSteps(steps, outcome);
  target.replaceChildren(steps, note);
  target.dataset.ok = String(outcome.ok);
}
