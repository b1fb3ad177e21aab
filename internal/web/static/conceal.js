// Personal values do not stay on a screen that nobody looks at (120 seconds, with a warning
// 20 seconds before). Without this script the pages work all the same.
(function () {
  "use strict";
  var HIDE = 120000, WARN = 20000;
  var values = Array.prototype.slice.call(document.querySelectorAll("[data-conceal] [data-value]"));
  if (values.length === 0) { return; }

  var kept = null, warnTimer = 0, hideTimer = 0;
  var curtain = document.createElement("div");
  curtain.className = "curtain";
  curtain.hidden = true;
  var text = document.createElement("p");
  text.setAttribute("role", "status");
  var button = document.createElement("button");
  button.type = "button";
  button.className = "button button-small";
  curtain.appendChild(text);
  curtain.appendChild(button);
  document.getElementById("main").appendChild(curtain);

  function wait() {
    clearTimeout(warnTimer);
    clearTimeout(hideTimer);
    curtain.hidden = true;
    text.textContent = "";
    warnTimer = setTimeout(warn, HIDE - WARN);
    hideTimer = setTimeout(hide, HIDE);
  }
  function warn() {
    button.textContent = "表示を続ける";
    curtain.hidden = false;
    text.textContent = "あと20秒で表示を隠します。";
  }
  function hide() {
    kept = values.map(function (element) {
      if (element.tagName === "INPUT") {
        var was = element.value;
        element.value = "";
        return was;
      }
      var nodes = document.createDocumentFragment();
      while (element.firstChild) { nodes.appendChild(element.firstChild); }
      element.textContent = "表示を隠しました";
      return nodes;
    });
    button.textContent = "再表示";
    curtain.hidden = false;
    text.textContent = "操作がなかったため、表示を隠しました。";
  }
  function show() {
    if (kept) {
      values.forEach(function (element, i) {
        if (element.tagName === "INPUT") { element.value = kept[i]; return; }
        element.textContent = "";
        element.appendChild(kept[i]);
      });
      kept = null;
    }
    wait();
  }
  button.addEventListener("click", show);
  ["keydown", "pointerdown", "scroll"].forEach(function (event) {
    document.addEventListener(event, function () { if (!kept) { wait(); } }, { passive: true, capture: true });
  });
  wait();
})();
