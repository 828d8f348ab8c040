// Keys, slider and marks for the score; without them the score is typed.
"use strict";

(() => {
  const form = document.querySelector("form");
  if (!form) {
    return;
  }
  const STEP = 5;
  const MIDDLE = 50;
  const score = document.getElementById("score");
  const slider = document.getElementById("slider");
  const said = document.getElementById("said");
  const note = document.getElementById("note");
  const ARROWS = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP };

  const show = () => {
    const isGiven = score.value !== "" && score.checkValidity();
    document.documentElement.toggleAttribute("data-scored", isGiven);
    slider.value = isGiven ? score.value : MIDDLE;
    slider.setAttribute("aria-valuetext", isGiven ? `${score.value} of 100` : "no score yet");
    for (const mark of form.querySelectorAll("[data-score]")) {
      mark.classList.toggle("chosen", isGiven && mark.dataset.score === score.value);
    }
  };

  const say = (text, isProblem) => {
    said.textContent = text;
    said.classList.toggle("unseen", !isProblem);
  };

  const give = (value) => {
    score.value = Math.min(100, Math.max(0, value));
    say(`Score ${score.value}`, false);
    show();
  };

  const actions = new Map();
  for (const element of form.querySelectorAll("[data-key]")) {
    actions.set(element.dataset.key, () => element.click());
  }
  for (const mark of form.querySelectorAll("[data-score]")) {
    mark.addEventListener("click", () => give(Number(mark.dataset.score)));
  }
  actions.set("n", () => note.focus());

  score.addEventListener("input", show);
  // The browser would move the focus into the field, where the next key is a digit and no ten.
  score.addEventListener("invalid", (event) => {
    event.preventDefault();
    const isMissing = score.validity.valueMissing;
    say(isMissing ? "Give a score first." : "A score is a whole number from 0 to 100.", true);
  });
  slider.addEventListener("input", () => give(Number(slider.value)));

  const isTyped = (key) => key.length === 1 || ["ArrowLeft", "ArrowRight", "Enter"].includes(key);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const { key, target } = event;
    if (target === note) {
      if (key === "Escape") {
        note.blur();
        event.preventDefault();
      }
      return;
    }
    // In the field for the score, digits are digits and Enter is the browser's.
    if (target === score && isTyped(key)) {
      return;
    }
    // Enter on a link or a button that has the focus is for that one.
    if (key === "Enter" && target.matches("a, button")) {
      return;
    }
    // With Shift, arrows select text.
    if (key in ARROWS && !event.shiftKey) {
      event.preventDefault();
      give(score.value === "" ? MIDDLE : Number(score.value) + ARROWS[key]);
    } else if (!event.repeat) {
      const action = actions.get(key.length === 1 ? key.toLowerCase() : key);
      if (action !== undefined) {
        event.preventDefault();
        action();
      }
    }
  });

  show();
})();
