// What every form of these pages needs: one answer for each, and none that was meant for another.
"use strict";

(() => {
  const form = document.querySelector("form");
  if (!form) {
    return;
  }
  // A second click or a held key that was meant for the page before must not decide this one.
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

  // A page that the browser kept is of something that may be answered.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      location.reload();
    }
  });
})();
