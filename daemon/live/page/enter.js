"use strict";
// The code is behind the # of the link, so that no server, log or proxy on the way has seen it.
(() => {
  const said = document.getElementById("said");
  const form = document.getElementById("enter");
  const enter = async (token) => {
    said.textContent = "Logging in …";
    try {
      const reply = await fetch(form.action, {
        method: "POST", redirect: "manual", credentials: "same-origin",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ token }),
      });
      if (reply.type === "opaqueredirect" || reply.ok) {
        if (form.dataset.home) location.replace(form.dataset.home); else location.reload();
        return;
      }
      const body = await reply.json().catch(() => ({}));
      said.textContent = `That did not work: ${body.detail || reply.status}`;
    } catch {
      said.textContent = "The daemon does not answer; try again.";
    }
  };
  const token = location.hash.slice(1);
  if (token) {
    history.replaceState(null, "", location.pathname);
    form.hidden = true;
    enter(token).then(() => { form.hidden = false; });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    enter(form.elements.token.value.trim().replace(/^.*#/, ""));
  });
})();
