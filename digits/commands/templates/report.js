for (const script of document.querySelectorAll("script[data-plot]")) {
  const place = document.getElementById(script.dataset.plot);
  const actions = {export: true, source: false, compiled: false, editor: false};
  vegaEmbed(place, JSON.parse(script.textContent), {renderer: "svg", actions})
    .catch(error => { place.textContent = String(error); });
}
