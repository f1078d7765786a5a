"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = id => document.getElementById(id);
  const total = Math.max(data.total_ns, 1e-3);
  const LABEL = 104, ROW = 24, GAP = 5, AXIS = 22;
  const view = { from: 0, to: total };
  let found = "", kept = null, hovered = null;

  const timeText = ns => ns < 999.5 ? `${+ns.toPrecision(3)} ns` : ns < 999950 ? `${+(ns / 1e3).toPrecision(4)} µs` : `${+(ns / 1e6).toPrecision(4)} ms`;
  const bytesText = n => n < 1024 ? `${n} B` : n < 1048576 ? `${+(n / 1024).toPrecision(3)} KiB` : `${+(n / 1048576).toPrecision(3)} MiB`;
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const HUES = [205, 168, 286, 34, 338, 96, 248, 14, 190, 60, 312, 130];
  // Triggers, table loads and weight loads are quiet; the other names take a hue each, the most common first.
  const weight = data.names.map(() => 0);
  for (const lane of data.lanes) for (const b of lane.blocks) weight[b[2]] += b[1] - b[0];
  const quiet = name => /trigger$|^table load$|^weights of/.test(name);
  const order = data.names.map((_, i) => i).filter(i => !quiet(data.names[i])).sort((a, b) => weight[b] - weight[a]);
  const hue = new Map(order.map((name, i) => [name, HUES[i % HUES.length]]));
  const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const colour = (name, faint) => {
    const alpha = faint ? 0.18 : 1;
    if (!hue.has(name)) return `hsla(220, 8%, ${dark() ? 52 : 62}%, ${alpha})`;
    return `hsla(${hue.get(name)}, 52%, ${dark() ? 56 : 52}%, ${alpha})`;
  };

  function prepare(canvas, height) {
    const width = canvas.parentElement.clientWidth, ratio = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    pen.textBaseline = "middle";
    return [pen, width];
  }
  const scale = width => (width - LABEL - 8) / (view.to - view.from);
  const toX = (ns, width) => LABEL + (ns - view.from) * scale(width);
  const toTime = (x, width) => view.from + (x - LABEL) / scale(width);

  function axis(pen, width, top, bottom) {
    const wanted = (view.to - view.from) / Math.max(2, Math.floor((width - LABEL) / 120));
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= wanted);
    pen.strokeStyle = css("--line"); pen.fillStyle = css("--soft"); pen.textAlign = "center"; pen.lineWidth = 1;
    for (let t = Math.ceil(view.from / step) * step; t <= view.to + 1e-9; t += step) {
      const x = Math.round(toX(t, width)) + 0.5;
      pen.beginPath(); pen.moveTo(x, top); pen.lineTo(x, bottom); pen.stroke();
      const text = t === 0 ? "0" : timeText(t);
      const half = pen.measureText(text).width / 2;
      pen.fillText(text, Math.min(Math.max(x, LABEL + half), width - half - 2), bottom + 10);
    }
  }

  const matches = block => found === "" || data.names[block[2]].toLowerCase().includes(found)
    || data.places[block[3]].toLowerCase().includes(found) || data.details[block[7]].toLowerCase().includes(found);

  const lanes = get("lanes");
  function drawLanes() {
    const height = data.lanes.length * (ROW + GAP) + AXIS;
    const [pen, width] = prepare(lanes, height);
    const bottom = height - AXIS;
    data.lanes.forEach((lane, i) => {
      const y = i * (ROW + GAP);
      pen.fillStyle = css("--empty"); pen.fillRect(LABEL, y, width - LABEL - 8, ROW);
    });
    axis(pen, width, 0, bottom);
    pen.save();
    data.lanes.forEach((lane, i) => {
      const y = i * (ROW + GAP);
      pen.fillStyle = css("--ink"); pen.textAlign = "right"; pen.fillText(lane.name, LABEL - 8, y + ROW / 2);
      pen.save(); pen.beginPath(); pen.rect(LABEL, y, width - LABEL - 8, ROW); pen.clip();
      pen.textAlign = "left";
      const stall = `hsla(0, 70%, ${dark() ? 60 : 50}%, .75)`;
      let until = -1;
      for (const b of lane.blocks) {
        if (b[1] < view.from || b[0] - b[6] > view.to) continue;
        const x = toX(b[0], width), w = Math.max(toX(b[1], width) - x, 0.7);
        if (b[5] && b[6] * scale(width) > 3) {
          const s = toX(b[0] - b[6], width);
          pen.fillStyle = stall; pen.fillRect(s, y + ROW - 3, x - s, 3);
        }
        if (x + w < until) continue;   // nothing of it would show
        until = w < 1 ? Math.floor(x) + 1 : -1;
        pen.fillStyle = colour(b[2], !matches(b));
        pen.fillRect(x, y, w > 3 ? w - 0.6 : w, ROW - 4);
        if (w > 46) {
          pen.fillStyle = dark() ? "#0d1014" : "#ffffff";
          const name = data.names[b[2]], left = Math.max(x, LABEL) + 4, room = x + w - left - 4;
          if (room > 30) pen.fillText(clip(pen, name, room), left, y + (ROW - 4) / 2);
        }
        if (b === kept || b === hovered) {
          pen.strokeStyle = css("--ink"); pen.lineWidth = 1.5; pen.strokeRect(x + .5, y + .5, Math.max(w - 1.5, 1), ROW - 5);
        }
      }
      pen.restore();
    });
    pen.restore();
    get("range").textContent = `${timeText(view.from)} to ${timeText(view.to)}`
      + (data.merged ? `; ${data.rows.toLocaleString("en")} events, close ones drawn together` : "");
  }
  function clip(pen, text, room) {
    if (pen.measureText(text).width <= room) return text;
    let n = text.length;
    while (n > 1 && pen.measureText(text.slice(0, n) + "…").width > room) n--;
    return n > 2 ? text.slice(0, n) + "…" : "";
  }

  const maps = data.memory.filter(m => m.tensors.length).map(memory => {
    const box = document.createElement("div");
    box.className = "map";
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = `${memory.space.toUpperCase()}: the lowest ${bytesText(memory.extent_bytes)} of ${bytesText(memory.capacity_bytes)} per partition`
      + (memory.left_out ? `; the ${memory.left_out.toLocaleString("en")} smallest tensors are left out` : "");
    const plot = document.createElement("div");
    plot.className = "plot";
    const canvas = document.createElement("canvas");
    plot.append(canvas); box.append(note, plot); get("maps").append(box);
    return { memory, canvas, height: memory.space === "psum" ? 110 : 190 };
  });
  if (!maps.length) get("memory").hidden = true;
  const tensorHue = name => { let h = 7; for (const c of name.split("  ")[0]) h = (h * 31 + c.charCodeAt(0)) % 360; return h; };
  function drawMap({ memory, canvas, height }) {
    const [pen, width] = prepare(canvas, height + AXIS);
    const high = memory.extent_bytes || 1;
    pen.fillStyle = css("--empty"); pen.fillRect(LABEL, 0, width - LABEL - 8, height);
    axis(pen, width, 0, height);
    pen.fillStyle = css("--soft"); pen.textAlign = "right";
    pen.fillText(bytesText(high), LABEL - 8, 8); pen.fillText("0", LABEL - 8, height - 6);
    pen.save(); pen.beginPath(); pen.rect(LABEL, 0, width - LABEL - 8, height); pen.clip(); pen.textAlign = "left";
    for (const t of memory.tensors) {
      if (t[1] < view.from || t[0] > view.to) continue;
      const x = toX(t[0], width), w = Math.max(toX(t[1], width) - x, 0.7);
      const y = height - t[3] / high * height, h = Math.max((t[3] - t[2]) / high * height, 0.7);
      const name = memory.names[t[4]];
      const faint = found !== "" && !name.toLowerCase().includes(found);
      pen.fillStyle = `hsla(${tensorHue(name)}, 45%, ${dark() ? 55 : 58}%, ${faint ? .15 : .8})`;
      pen.fillRect(x, y, w, h);
      if (w > 4 && h > 4) { pen.strokeStyle = css("--panel"); pen.lineWidth = 1; pen.strokeRect(x + .5, y + .5, w - 1, h - 1); }
      if (w > 40 && h > 12) {
        pen.fillStyle = dark() ? "#0d1014" : "#14171c";
        const left = Math.max(x, LABEL) + 4;
        pen.fillText(clip(pen, name.split("  ")[0], x + w - left - 4), left, y + h / 2);
      }
    }
    pen.restore();
  }

  let waiting = false;
  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawLanes(); maps.forEach(drawMap); });
  }

  function zoom(factor, at) {
    const length = Math.min(total, Math.max(total * 1e-6, 1, (view.to - view.from) * factor));
    const share = (at - view.from) / (view.to - view.from);
    let from = at - share * length;
    from = Math.max(0, Math.min(from, total - length));
    view.from = from; view.to = from + length;
    draw();
  }
  function move(ns) {
    const length = view.to - view.from;
    view.from = Math.max(0, Math.min(view.from + ns, total - length));
    view.to = view.from + length;
    draw();
  }
  const middle = () => (view.from + view.to) / 2;

  function blockAt(event) {
    const box = lanes.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const lane = data.lanes[Math.floor(y / (ROW + GAP))];
    if (!lane || x < LABEL) return null;
    const width = box.width, time = toTime(x, width), near = 3 / scale(width);
    let best = null, distance = Infinity;
    let low = 0, high = lane.blocks.length;
    while (low < high) { const mid = (low + high) >> 1; if (lane.blocks[mid][0] < time + near) low = mid + 1; else high = mid; }
    for (let i = low - 1; i >= Math.max(0, low - 40); i--) {
      const b = lane.blocks[i], d = Math.max(b[0] - time, time - b[1], 0);
      if (d < distance && d <= near) { best = b; distance = d; if (!d) break; }
    }
    if (!best && low < lane.blocks.length) {
      const b = lane.blocks[low];
      if (b[5] && time >= b[0] - b[6]) best = b;
    }
    return best;
  }
  function describe(b) {
    const lines = [[data.names[b[2]] + (b[4] > 1 ? ` and others, ${b[4].toLocaleString("en")} events` : ""), true]];
    lines.push([`${timeText(b[1] - b[0])}, from ${timeText(b[0])} to ${timeText(b[1])}`]);
    if (b[5]) lines.push([`after waiting ${timeText(b[6])} (${data.causes[b[5]]})`]);
    if (data.places[b[3]]) lines.push([data.places[b[3]]]);
    return lines;
  }
  const tip = get("tip");
  function showTip(event, lines) {
    tip.replaceChildren(...lines.map(([text, strong]) => { const e = document.createElement(strong ? "b" : "div"); e.textContent = text; return e; }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - box.width - 8)}px`;
    tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18}px`;
  }
  function detail(b) {
    get("detail").textContent = b ? describe(b).map(l => l[0]).join("\n") + "\n" + data.details[b[7]] : "Point at a block to see what it is.";
  }

  function navigate(canvas, hover) {
    let drag = null;
    canvas.addEventListener("wheel", event => {
      event.preventDefault();
      const width = canvas.getBoundingClientRect().width;
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / scale(width));
      else zoom(Math.exp(event.deltaY * 0.0015), Math.max(view.from, toTime(event.offsetX, width)));
    }, { passive: false });
    canvas.addEventListener("pointerdown", event => { drag = { x: event.clientX, moved: 0 }; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", event => {
      if (drag) {
        const step = event.clientX - drag.x;
        drag.x = event.clientX; drag.moved += Math.abs(step);
        if (drag.moved > 3) { tip.hidden = true; move(-step / scale(canvas.getBoundingClientRect().width)); }
      } else hover(event);
    });
    canvas.addEventListener("pointerup", event => {
      if (drag && drag.moved <= 3 && canvas === lanes) { kept = blockAt(event); detail(kept); draw(); }
      drag = null;
    });
    canvas.addEventListener("pointerleave", () => { tip.hidden = true; if (hovered) { hovered = null; draw(); } });
    canvas.addEventListener("dblclick", () => { view.from = 0; view.to = total; draw(); });
  }
  navigate(lanes, event => {
    const b = blockAt(event);
    if (b !== hovered) { hovered = b; draw(); }
    if (b) { showTip(event, describe(b)); if (!kept) detail(b); } else tip.hidden = true;
  });
  for (const map of maps) navigate(map.canvas, event => {
    const box = map.canvas.getBoundingClientRect(), time = toTime(event.clientX - box.left, box.width);
    const byte = (1 - (event.clientY - box.top) / map.height) * map.memory.extent_bytes;
    const t = map.memory.tensors.findLast ? map.memory.tensors.findLast(t => t[0] <= time && time <= t[1] && t[2] <= byte && byte < t[3])
      : map.memory.tensors.find(t => t[0] <= time && time <= t[1] && t[2] <= byte && byte < t[3]);
    if (!t) { tip.hidden = true; return; }
    const [name, shape, place] = map.memory.names[t[4]].split("  ");
    showTip(event, [[name, true], [`${shape}, bytes ${t[2].toLocaleString("en")} to ${t[3].toLocaleString("en")} of each partition`],
      [`held from ${timeText(t[0])} to ${timeText(t[1])}`], [place]].filter(l => l[0]));
  });
  document.addEventListener("keydown", event => {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const length = view.to - view.from;
    if (event.key === "+" || event.key === "=") zoom(0.6, middle());
    else if (event.key === "-") zoom(1 / 0.6, middle());
    else if (event.key === "0") { view.from = 0; view.to = total; draw(); }
    else if (event.key === "ArrowLeft") move(-length / 6);
    else if (event.key === "ArrowRight") move(length / 6);
    else if (event.key === "Escape") { kept = null; detail(null); draw(); }
    else return;
    event.preventDefault();
  });
  get("in").onclick = () => zoom(0.6, middle());
  get("out").onclick = () => zoom(1 / 0.6, middle());
  get("all").onclick = () => { view.from = 0; view.to = total; draw(); };
  get("search").oninput = event => { found = event.target.value.trim().toLowerCase(); draw(); };
  get("theme").onclick = () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; legend(); draw(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { legend(); draw(); });
  function legend() {
    get("legend").replaceChildren(...order.filter(i => weight[i] > 0).slice(0, 12).map(i => {
      const e = document.createElement("span"), dot = document.createElement("i");
      dot.style.background = colour(i);
      e.append(dot, data.names[i]);
      return e;
    }), (() => { const e = document.createElement("span"), dot = document.createElement("i"); dot.style.background = `hsla(0, 70%, 55%, .75)`; dot.style.height = "3px"; e.append(dot, "waiting"); return e; })());
  }
  window.addEventListener("resize", draw);
  legend();
  drawLanes();
  maps.forEach(drawMap);
  document.documentElement.dataset.ready = "1";
})();
