// Small comforts; every page works without them.
"use strict";

document.documentElement.classList.add("js");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS there is no clipboard object; the selection still can be copied.
      const code = button.parentElement.querySelector("code, pre");
      if (!code) return;
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
      getSelection().removeAllRanges();
    }
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
    return;
  }
  // A click elsewhere, or on one of its links, closes an open menu.
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    const search = document.getElementById("top-search");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});

for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

for (const input of document.querySelectorAll("input[data-filter]")) {
  input.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase();
    for (const item of document.querySelectorAll(input.dataset.filter)) {
      item.hidden = !item.textContent.toLowerCase().includes(words);
    }
  });
}

// #L3-L7 marks a range; shift and click on a second number makes one.
const range = () => {
  const found = /^#L(\d+)-L?(\d+)$/.exec(location.hash);
  for (const row of document.querySelectorAll("tr.marked")) row.classList.remove("marked");
  if (!found) return;
  const [from, to] = [Number(found[1]), Number(found[2])].sort((a, b) => a - b);
  for (let line = from; line <= to && line < from + 5000; line += 1) {
    document.getElementById(`L${line}`)?.classList.add("marked");
  }
  document.getElementById(`L${from}`)?.scrollIntoView({ block: "center" });
};
addEventListener("hashchange", range);
range();

document.addEventListener("click", (event) => {
  const link = event.target.closest("td.number a");
  const start = /^#L(\d+)/.exec(location.hash);
  if (!link || !event.shiftKey || !start) return;
  event.preventDefault();
  location.hash = `#L${start[1]}-L${link.hash.slice(2)}`;
});

// Files dropped anywhere on an upload page land in its form.
const drop = document.querySelector("[data-drop]");
if (drop) {
  const over = (event, inside) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.toggle("over", inside);
  };
  addEventListener("dragover", (event) => over(event, true));
  addEventListener("dragleave", (event) => over(event, false));
  addEventListener("drop", (event) => {
    over(event, false);
    if (event.dataTransfer?.files.length) drop.querySelector("input[type=file]").files = event.dataTransfer.files;
  });
}
