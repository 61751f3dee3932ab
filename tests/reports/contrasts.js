// Text is judged against the colour that it stands on: of the nearest element that has one, or of the page.
// Text of a plot that is written on a fill names the fill's role, and is judged against that.
() => {
  const parse = text => {
    const found = text.match(/rgba?\(([^)]+)\)/);
    if (!found) throw new Error("not a colour: " + text);
    const parts = found[1].split(/[ ,/]+/).map(Number);
    return {rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1};
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((m, n) => n - m);
    return (x + 0.05) / (y + 0.05);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.alpha === 1) return colour.rgb;
    }
    return [255, 255, 255];
  };
  const probe = document.createElement("span");
  document.body.append(probe);
  const ofRole = role => { probe.style.color = `var(--${role})`; return parse(getComputedStyle(probe).color).rgb; };
  const worst = new Map();
  const note = (what, value) => { if (!(worst.get(what) <= value)) worst.set(what, value); };
  for (const details of document.querySelectorAll("details")) details.open = true;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["TITLE", "DESC", "STYLE"].includes(element.tagName.toUpperCase())) continue;
    const style = getComputedStyle(element);
    if (element.closest("svg")) {
      const role = element.getAttribute("style").match(/fill: var\(--on-([a-z-]+)\)/);
      const lane = element.previousElementSibling?.tagName === "g" && /var\(--page\)/.test(element.getAttribute("style"));
      const fill = role ? ofRole(role[1]) : lane ? ofRole("series") : behind(element);
      note(`svg ${role ? role[1] : style.fill}`, ratio(parse(style.fill).rgb, fill));
    } else {
      note(`${element.tagName} ${element.className}`, ratio(parse(style.color).rgb, behind(element)));
    }
  }
  probe.remove();
  return [...worst.entries()];
}
