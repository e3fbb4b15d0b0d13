// What enters the log while the page is open. One tab holds the stream under a lock and tells the
// others, since a browser opens few connections to one origin; without locks: ask now and then.

const POLL = 20000;

export function news(after) {
  let last = Number(after ?? -1);
  let waiting = 0;
  const box = document.getElementById("news");
  const channel = "BroadcastChannel" in self ? new BroadcastChannel("tocsin-news") : null;

  // Counts are announced, never each line; the list itself comes with the next load.
  function tell(count, upTo) {
    if (upTo <= last) return;
    last = upTo;
    waiting += count;
    box.textContent = `${waiting} new ${waiting === 1 ? "statement" : "statements"}. `;
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Show";
    link.addEventListener("click", (event) => {
      event.preventDefault();
      location.reload();
    });
    box.append(link);
    box.hidden = false;
  }

  if (channel) channel.addEventListener("message", ({ data }) => tell(data.count, data.last));

  if (channel && navigator.locks) {
    navigator.locks.request("tocsin-news", () => stream());
  } else {
    setInterval(poll, POLL);
  }

  // Held until the stream is closed for good; then another tab takes the lock.
  function stream() {
    return new Promise((release) => {
      const source = new EventSource(`/live?after=${last}`);
      source.addEventListener("news", (event) => {
        const batch = JSON.parse(event.data);
        const upTo = Number(event.lastEventId);
        channel.postMessage({ count: batch.count, last: upTo });
        tell(batch.count, upTo);
      });
      source.addEventListener("reload", (event) => tell(1000, Number(event.lastEventId)));
      source.addEventListener("error", () => {
        if (source.readyState === EventSource.CLOSED) {
          setInterval(poll, POLL);
          release();
        }
      });
      addEventListener("pagehide", () => {
        source.close();
        release();
      });
    });
  }

  async function poll() {
    if (document.hidden) return;
    try {
      const answer = await fetch(`/live.json?after=${last}`);
      if (!answer.ok) return;
      const batch = await answer.json();
      if (batch.count > 0) tell(batch.count, batch.after);
    } catch {
      // The node is away; the next turn asks again.
    }
  }
}
