// Texts of plots that are cut or lie on each other.
() => {
  const found = [];
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    texts.forEach(([name, box], index) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1 || box.top < frame.top - 1)
        found.push(`${svg.querySelector("title").textContent}: "${name}" is cut`);
      for (const [other, there] of texts.slice(index + 1)) {
        const wide = Math.min(box.right, there.right) - Math.max(box.left, there.left);
        const high = Math.min(box.bottom, there.bottom) - Math.max(box.top, there.top);
        if (wide > 1 && high > 3) found.push(`${svg.querySelector("title").textContent}: "${name}" on "${other}"`);
      }
    });
  }
  return found;
}
