"use strict";
// The server renders; this asks for what is new, puts it in place, and lets the clocks go on.
(() => {
  const live = document.getElementById("live");
  const connection = document.getElementById("connection");
  const connectionText = document.getElementById("connection-text");
  const announce = document.getElementById("announce");
  const SILENT = 40000, STALE = 6000, HIDDEN = 60000;
  let source, offset = Date.parse(live.dataset.at) - Date.now();
  let heard = Date.now(), lost = null, delay = 1000, again = null, bedtime = null, asleep = false;

  const now = () => Date.now() + offset;
  const duration = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return s < 600 && s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
    const both = (large, word, small, other) => small ? `${large} ${word} ${small} ${other}` : `${large} ${word}`;
    if (s < 86400) return both(Math.floor(s / 3600), "h", Math.floor(s % 3600 / 60), "min");
    return both(Math.floor(s / 86400), "d", Math.floor(s % 86400 / 3600), "h");
  };
  const clock = (at) => {
    const today = new Date(now()), time = { hour: "2-digit", minute: "2-digit" };
    if (today.toDateString() === at.toDateString()) return at.toLocaleTimeString([], time);
    const year = today.getFullYear() === at.getFullYear() ? {} : { year: "numeric" };
    return at.toLocaleString([], { ...year, day: "numeric", month: "short", ...time });
  };
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  const tick = () => {
    for (const element of live.querySelectorAll("time")) {
      const at = Date.parse(element.dateTime), seconds = (now() - at) / 1000;
      if ("since" in element.dataset) put(element, `for ${duration(seconds)}`);
      else if ("ago" in element.dataset) put(element, `${duration(seconds)} ago`);
      else if ("until" in element.dataset) put(element, seconds < 0 ? `in ${duration(-seconds)}` : "any moment");
      else if ("clock" in element.dataset) put(element, clock(new Date(at)));
    }
    for (const bar of live.querySelectorAll("progress[data-start]")) {
      const start = Date.parse(bar.dataset.start), end = Date.parse(bar.dataset.end);
      bar.value = Math.min(99, Math.max(0, 100 * (now() - start) / Math.max(end - start, 1)));
    }
    if (!asleep && Date.now() - heard > SILENT) { lose(); connect(); }
    show();
  };

  const show = () => {
    let state = "live", text = "live";
    if (lost !== null) {
      const at = new Date(heard).toLocaleTimeString();
      state = Date.now() - lost > STALE ? "stale" : "reconnecting";
      text = state === "stale" ? `stale since ${at}, reconnecting` : "reconnecting";
    } else if (!source || source.readyState !== EventSource.OPEN) {
      state = "reconnecting"; text = "connecting";
    }
    connection.dataset.state = state;
    document.body.dataset.connection = state;
    put(connectionText, text);
  };

  // Patches the page instead of replacing it: focus, scrolling and selection stay.
  const morph = (old, fresh) => {
    const other = old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName;
    if (other || (old.dataset && old.dataset.key !== fresh.dataset.key)) { old.replaceWith(fresh); return; }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    children(old, fresh);
  };
  const children = (old, fresh) => {
    const wanted = [...fresh.childNodes];
    wanted.forEach((node, i) => {
      const there = old.childNodes[i];
      if (there) morph(there, node); else old.append(node);
    });
    while (old.childNodes.length > wanted.length) old.lastChild.remove();
  };

  // What is worth an interruption: a device that changed its state, a job of one's own that ended.
  const states = () => new Map([
    ...[...live.querySelectorAll("[data-device]")].map((e) => [`${e.dataset.device} is`, e.dataset.state]),
    ...[...live.querySelectorAll("[data-whose=own]")].map((e) => [`job ${e.dataset.job} is`, e.dataset.state]),
  ]);
  const tell = (before, after) => {
    const news = [...after].filter(([what, state]) => before.has(what) && before.get(what) !== state);
    if (news.length) announce.textContent = news.map(([what, state]) => `${what} ${state}`).join("; ");
  };

  const lose = () => {
    if (lost === null) lost = Date.now();
    if (source) source.close();
    source = null;
  };
  const connect = () => {
    clearTimeout(again);
    heard = Math.max(heard, Date.now() - SILENT / 2);
    source = new EventSource("live/events?form=page");
    source.addEventListener("snapshot", (event) => {
      const { at, html } = JSON.parse(event.data);
      const fresh = document.createElement("template");
      fresh.innerHTML = html;
      const before = states();
      heard = Date.now(); lost = null; delay = 1000;
      offset = Date.parse(at) - heard;
      live.dataset.at = at;
      children(live, fresh.content);
      tell(before, states());
      tick();
    });
    source.addEventListener("alive", () => { heard = Date.now(); lost = null; });
    source.onerror = () => {
      lose();
      clearTimeout(again);
      again = setTimeout(connect, delay * (0.75 + Math.random() / 2));
      delay = Math.min(delay * 2, 30000);
      show();
    };
  };

  const logout = document.getElementById("logout");
  if (logout) logout.addEventListener("submit", async (event) => {
    event.preventDefault();
    await fetch(logout.action, { method: "POST", redirect: "manual" }).catch(() => null);
    location.reload();
  });
  // A browser has few connections to one server: a tab that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(bedtime);
    if (document.hidden) {
      bedtime = setTimeout(() => { asleep = true; clearTimeout(again); lose(); }, HIDDEN);
    } else if (asleep || lost !== null) {
      asleep = false; delay = 1000;
      lose();
      connect();
    }
  });
  connect();
  tick();
  setInterval(tick, 1000);
})();
