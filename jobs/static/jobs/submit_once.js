"use strict";

// A double click must not grant, charge or start anything twice.
for (const form of document.querySelectorAll("form[data-submit-once]")) {
  const buttons = form.querySelectorAll("[type=submit]");
  const enable = (enabled) => buttons.forEach((button) => { button.disabled = !enabled; });
  form.addEventListener("submit", () => enable(false));
  window.addEventListener("pageshow", () => enable(true)); // also when coming back to it
}
