// The page is whole without this. What it adds: copying, keys, news, swapping, dropping, checking.
import { keys } from "./keys.js";
import { copying } from "./copy.js";
import { news } from "./news.js";

document.documentElement.classList.add("js");

const page = document.body.dataset.page;
const signedIn = document.getElementById("keys") !== null;

copying(document);
if (signedIn) {
  keys(document, page);
  news(document.body.dataset.after);
}
if (document.querySelector("[data-drop]")) import("./drop.js").then((m) => m.dropping(document));
if (document.getElementById("swap")) import("./swap.js").then((m) => m.swapping(document));
if (document.getElementById("source")) import("./drafts.js").then((m) => m.drafting(document));
if (document.querySelector("#verify, #fork")) import("./logpage.js").then((m) => m.checking(document));
