"use strict";
// Gantt charts that share a span of time. Data: see chart_of in charts.py. An address that ends in
// #t=1.5,3.2 opens the page at those seconds.

const ROW = 9, GUTTER = 34, AXIS = 22, MIN_SPAN_US = 20, LABEL_WIDTH = 46;

function unpack(data) {
  const rows = data.rows.map((row) => {
    const bars = [];
    for (let i = 0, end = 0; i < row.length; i += 3) {
      const start = end + row[i];
      end = start + row[i + 1];
      bars.push({ start, end, query: row[i + 2] });
    }
    return bars;
  });
  return { ...data, rows };
}

function firstAfter(bars, time) {
  let low = 0, high = bars.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bars[middle].end <= time) low = middle + 1; else high = middle;
  }
  return low;
}

function seconds(us, span) {
  const digits = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(span / 1e6))));
  return (us / 1e6).toFixed(digits) + " s";
}

function tickStep(span) {
  const rough = span / 8, power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((step) => step * power >= rough);
}

class Chart {
  constructor(figure) {
    this.canvas = figure.querySelector("canvas");
    this.output = figure.querySelector("output");
    this.data = unpack(JSON.parse(figure.querySelector("script").textContent));
    this.query = -1;
    this.selection = null;
    this.height = this.data.rows.length * ROW + AXIS;
    this.canvas.style.height = this.height + "px";
  }

  plotWidth() { return Math.max(1, this.canvas.clientWidth - GUTTER); }

  timeAt(x) {
    return this.from + (x - GUTTER) / this.plotWidth() * (this.to - this.from);
  }

  show(from, to) {
    [this.from, this.to] = [from, to];
    this.canvas.dataset.from = Math.round(from);
    this.canvas.dataset.to = Math.round(to);
    this.say("");
    this.draw();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1, width = this.canvas.clientWidth;
    this.canvas.width = width * ratio;
    this.canvas.height = this.height * ratio;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "11px system-ui, sans-serif";
    const scale = this.plotWidth() / (this.to - this.from);
    const x = (time) => GUTTER + (time - this.from) * scale;
    context.save();
    context.beginPath();
    context.rect(GUTTER, 0, this.plotWidth(), this.height - AXIS);
    context.clip();
    context.fillStyle = "#e6e6e6";
    for (const [row, start, end] of this.data.away) {
      context.fillRect(x(start), row * ROW, (end - start) * scale, ROW - 1);
    }
    this.data.rows.forEach((bars, row) => this.drawRow(context, bars, row * ROW, x));
    this.drawLabels(context, x);
    if (this.selection) {
      const [one, other] = this.selection;
      context.fillStyle = "rgba(0, 114, 178, .18)";
      context.fillRect(Math.min(one, other), 0, Math.abs(other - one), this.height);
    }
    context.restore();
    this.drawAxes(context, x);
  }

  drawRow(context, bars, top, x) {
    for (let i = firstAfter(bars, this.from); i < bars.length && bars[i].start < this.to; i++) {
      const { start, end, query } = bars[i], left = x(start);
      context.globalAlpha = this.query < 0 || this.query === query ? 1 : 0.2;
      context.fillStyle = this.data.queries[query][2];
      context.fillRect(left, top, Math.max(x(end) - left, 0.4), ROW - 1);
    }
    context.globalAlpha = 1;
  }

  drawLabels(context, x) { // each query once, on its longest bar
    const longest = new Map();
    this.data.rows.forEach((bars, row) => {
      for (let i = firstAfter(bars, this.from); i < bars.length && bars[i].start < this.to; i++) {
        const left = x(Math.max(bars[i].start, this.from));
        const width = x(Math.min(bars[i].end, this.to)) - left;
        const known = longest.get(bars[i].query);
        if (width >= LABEL_WIDTH && (!known || width > known.width)) {
          longest.set(bars[i].query, { left, width, row });
        }
      }
    });
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [query, { left, width, row }] of longest) {
      const [id, plan] = this.data.queries[query], text = `${plan} #${id}`;
      const wide = context.measureText(text).width + 6;
      if (wide > width) continue;
      const middle = left + width / 2, y = Math.max(row * ROW + ROW / 2, 7);
      context.fillStyle = "rgba(255, 255, 255, .85)";
      context.fillRect(middle - wide / 2, y - 7, wide, 14);
      context.fillStyle = "#1f2430";
      context.fillText(text, middle, y);
    }
  }

  drawAxes(context, x) {
    const bottom = this.height - AXIS, span = this.to - this.from, step = tickStep(span);
    context.fillStyle = context.strokeStyle = "#5d6675";
    context.textBaseline = "middle";
    context.textAlign = "right";
    const every = this.data.rows.length > 16 ? 8 : 1;
    for (let row = 0; row < this.data.rows.length; row += every) {
      context.fillText(row, GUTTER - 6, Math.max(row * ROW + ROW / 2, 6));
    }
    context.beginPath();
    context.moveTo(GUTTER, bottom + 0.5);
    context.lineTo(GUTTER + this.plotWidth(), bottom + 0.5);
    for (let time = Math.ceil(this.from / step) * step; time <= this.to; time += step) {
      context.moveTo(x(time), bottom);
      context.lineTo(x(time), bottom + 4);
      const isLast = x(time) > GUTTER + this.plotWidth() - 20;
      context.textAlign = isLast ? "right" : "center";
      context.fillText(seconds(time, step * 100), x(time), bottom + 13);
    }
    context.stroke();
  }

  point(x, y) { // what is under the pointer
    const row = Math.floor(y / ROW), time = this.timeAt(x), bars = this.data.rows[row] || [];
    const bar = x < GUTTER ? undefined : bars[firstAfter(bars, time)];
    const isOn = bar !== undefined && bar.start <= time;
    const before = this.query;
    this.query = isOn ? bar.query : -1;
    if (this.query !== before) this.draw();
    if (!isOn) return this.say("");
    const [id, plan, , arrival, latency] = this.data.queries[bar.query];
    this.say(`${plan} #${id} on executor ${row}, ${seconds(bar.start, 1e4)} to ` +
      `${seconds(bar.end, 1e4)}; it arrived at ${seconds(arrival, 1e4)} and took ` +
      `${seconds(latency, 1e4)}`);
  }

  say(text) {
    const span = this.to - this.from;
    this.output.textContent = text ||
      `${seconds(this.from, span)} to ${seconds(this.to, span)} of ` +
      `${seconds(this.end, this.end)}`;
  }
}

class Group {
  constructor(element) {
    this.charts = [...element.querySelectorAll("figure.gantt")].map((each) => new Chart(each));
    this.end = Math.max(...this.charts.map((chart) => chart.data.end_us));
    for (const chart of this.charts) {
      chart.end = this.end;
      this.listen(chart);
    }
    for (const button of element.querySelectorAll("button")) {
      button.onclick = () => this.zoom(Number(button.dataset.zoom));
    }
    window.addEventListener("resize", () => this.charts.forEach((chart) => chart.draw()));
    window.addEventListener("hashchange", () => this.showAddress());
    this.showAddress();
  }

  showAddress() {
    const found = /^#t=([\d.]+),([\d.]+)$/.exec(location.hash);
    this.show(found ? found[1] * 1e6 : 0, found ? found[2] * 1e6 : this.end);
  }

  show(from, to) {
    const span = Math.min(Math.max(to - from, MIN_SPAN_US), this.end);
    this.from = Math.min(Math.max(from, 0), this.end - span);
    this.to = this.from + span;
    for (const chart of this.charts) chart.show(this.from, this.to);
  }

  zoom(factor, around = (this.from + this.to) / 2) {
    if (factor === Infinity) return this.show(0, this.end);
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  move(share) {
    const step = share * (this.to - this.from);
    this.show(this.from + step, this.to + step);
  }

  listen(chart) {
    const canvas = chart.canvas;
    const keys = {
      ArrowLeft: () => this.move(-0.2), ArrowRight: () => this.move(0.2),
      "+": () => this.zoom(0.5), "-": () => this.zoom(2), Escape: () => this.zoom(Infinity),
    };
    canvas.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || !(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    };
    canvas.addEventListener("wheel", (event) => {
      const isZoom = event.ctrlKey || event.metaKey || document.activeElement === canvas;
      if (!isZoom) return; // the page scrolls
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        this.move(event.deltaX / chart.plotWidth());
      } else {
        this.zoom(Math.exp(event.deltaY / 400), chart.timeAt(event.offsetX));
      }
    }, { passive: false });
    canvas.onpointerdown = (event) => {
      chart.selection = [event.offsetX, event.offsetX];
      canvas.setPointerCapture(event.pointerId);
    };
    canvas.onpointermove = (event) => {
      if (!chart.selection) return chart.point(event.offsetX, event.offsetY);
      chart.selection[1] = event.offsetX;
      chart.draw();
    };
    canvas.onpointerup = () => {
      const ends = chart.selection && chart.selection.map((x) => chart.timeAt(x));
      const width = chart.selection ? Math.abs(chart.selection[1] - chart.selection[0]) : 0;
      chart.selection = null;
      if (width > 4) this.show(Math.min(...ends), Math.max(...ends)); else chart.draw();
    };
    canvas.onpointercancel = () => { chart.selection = null; chart.draw(); };
    canvas.onpointerleave = () => { chart.query = -1; chart.say(""); chart.draw(); };
    canvas.ondblclick = () => this.zoom(Infinity);
  }
}

for (const element of document.querySelectorAll(".gantt-group")) new Group(element);
