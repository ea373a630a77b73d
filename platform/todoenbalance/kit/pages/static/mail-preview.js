// Optional: shows a mail while it is typed. Without it the button "Preview" does the same.
(() => {
  "use strict";
  const form = document.getElementById("mail-form");
  const button = form?.querySelector("[data-preview]");
  if (!button) return;
  const PAUSE_MS = 700;
  let timer = 0;
  const show = () => {
    // A new frame each time, so that going back in the browser leaves the page and not just a preview.
    const frame = document.querySelector("iframe[name=mail-preview]");
    const fresh = frame.cloneNode();
    fresh.removeAttribute("src");
    frame.replaceWith(fresh);
    form.requestSubmit(button);
  };
  form.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(show, PAUSE_MS);
  });
  // What came back with errors is shown as it was typed, not as it was saved.
  if (form.querySelector(".has-error")) show();
  for (const view of document.querySelectorAll("input[name=view]")) view.addEventListener("change", show);
})();
