// Keys for the buttons; the page works without them.
"use strict";

(() => {
  const form = document.querySelector("form");
  if (!form) {
    return;
  }
  const buttons = new Map();
  for (const button of form.querySelectorAll("button")) {
    for (const key of button.dataset.keys.split(" ")) {
      buttons.set(key, button);
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const isLetter = event.key.length === 1;
    // Who selects text, or has, reads or copies it; with Shift, arrows select.
    if ((event.shiftKey && !isLetter) || !document.getSelection().isCollapsed) {
      return;
    }
    const key = isLetter ? event.key.toLowerCase() : event.key;
    const details = document.querySelector("details");
    if (key === "r" && details !== null) {
      details.open = !details.open;
    } else if (buttons.has(key)) {
      event.preventDefault();
      buttons.get(key).click();
    }
  });
})();
