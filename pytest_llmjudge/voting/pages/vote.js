// Keys for the buttons; the page works without them.
"use strict";

(() => {
  const form = document.querySelector("form");
  if (!form) {
    return;
  }
  // A second click or a held key that was meant for the ballot before must not decide this one.
  const PAUSE = 300;
  let isArmed = false;
  let isSent = false;
  setTimeout(() => {
    isArmed = true;
    document.documentElement.dataset.ready = "";
  }, PAUSE);
  document.documentElement.dataset.keys = "";

  form.addEventListener("submit", (event) => {
    if (!isArmed || isSent) {
      event.preventDefault();
    } else {
      isSent = true;
    }
  });

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

  // A page that the browser kept is of a ballot that may be voted on.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      location.reload();
    }
  });
})();
