// Optional: tells the pages which time zone the browser is in. Without it everything works by choosing one.
(() => {
  "use strict";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  // A form that nobody filled in yet: propose the browser's zone.
  for (const select of document.querySelectorAll("select[data-detect-zone]")) {
    if ([...select.options].some((option) => option.value === zone)) select.value = zone;
  }
  // Times shown in another zone: offer them in the browser's.
  for (const hint of document.querySelectorAll("[data-zone-hint]")) {
    if (hint.dataset.zoneHint === zone) continue;
    const address = new URL(window.location.href);
    address.searchParams.set("timezone", zone);
    const link = hint.querySelector("a");
    link.href = address.pathname + address.search;
    link.textContent = link.textContent.replace("{zone}", zone.replaceAll("_", " "));
    hint.hidden = false;
  }
})();
