// What a screen reader needs, and what must not be there.
() => {
  const found = [];
  const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
  for (const id of new Set(ids)) if (ids.filter(other => other === id).length > 1) found.push(`id ${id} twice`);
  for (const name of ["main", "header", "footer"])
    if (document.querySelectorAll(`body > ${name}`).length !== 1) found.push(`not one ${name}`);
  if (!document.documentElement.lang) found.push("no lang");
  if (!document.title.trim()) found.push("no title");
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  let level = 0;
  for (const heading of document.querySelectorAll("h1,h2,h3,h4,h5,h6")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) found.push(`${heading.tagName} after H${level}: ${heading.textContent}`);
    level = next;
  }
  for (const header of document.querySelectorAll("th")) {
    if (!header.scope) found.push(`th without scope: ${header.textContent}`);
    if (!header.textContent.trim()) found.push("empty th");
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent.trim()) found.push("table without caption");
    const region = table.closest("[role=region]");
    if (!region || region.tabIndex !== 0) found.push(`table that cannot be scrolled by keys: ${table.caption?.textContent}`);
  }
  const labels = [...document.querySelectorAll("[role=region]")].map(region => region.getAttribute("aria-label"));
  for (const label of new Set(labels)) {
    if (!label) found.push("region without label");
    if (labels.filter(other => other === label).length > 1) found.push(`label twice: ${label}`);
  }
  for (const svg of document.querySelectorAll("svg")) {
    if (svg.getAttribute("role") !== "img") found.push("svg without role");
    for (const id of (svg.getAttribute("aria-labelledby") ?? "").split(" "))
      if (!document.getElementById(id)?.textContent.trim()) found.push(`svg without text: ${id}`);
    for (const use of svg.querySelectorAll("use"))
      if (!document.getElementById(use.getAttribute("href").slice(1))) found.push("use of nothing");
  }
  for (const link of document.querySelectorAll("a[href]"))
    if (!link.hash || !document.getElementById(link.hash.slice(1))) found.push(`link to nowhere: ${link.href}`);
  if (document.querySelector("script, img, link, iframe, object, form, [src], [onclick]")) found.push("not inert");
  return found;
}
