"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);

  // -- Words and numbers

  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const percent = (share, digits = 1) => (share * 100).toFixed(digits) + " %";
  const count = (number) => Math.round(number).toLocaleString("en-US");
  const short = (number) => {
    for (const [size, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
      if (number >= size) return (number / size).toPrecision(3) + " " + letter;
    }
    return count(number);
  };
  const figure = (number) => (number >= 1000 ? count(number) : number.toPrecision(number < 1 ? 3 : 4));
  const duration = (seconds) => {
    if (seconds < 60) return seconds.toFixed(seconds < 10 ? 1 : 0) + " s";
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return minutes + " min " + Math.round(seconds % 60) + " s";
    return Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
  };
  // "1:05", "2:03:20".
  const clock = (seconds) => {
    const two = (number) => String(Math.floor(number)).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    return (hours ? hours + ":" + two((seconds % 3600) / 60) : Math.floor(seconds / 60)) + ":" + two(seconds % 60);
  };
  const hide = (id) => { $(id).hidden = true; };

  const pruned = data.blocks.filter((block) => block.linears);
  const linearNames = pruned.length ? pruned[0].linears.map((linear) => linear.name) : [];

  // -- Text

  function header() {
    const title = data.display_name || data.job;
    document.title = title + " – besa";
    $("title").textContent = title;
    $("subtitle").textContent = [data.display_name ? data.job : "", data.model.architecture,
      short(data.model.parameters) + " parameters", data.method.name].filter(Boolean).join(" · ");
    const kinds = { succeeded: "good", failed: "bad", cancelled: "bad" };
    $("state").textContent = data.state;
    $("state").classList.add(kinds[data.state] || "busy");
  }

  function figures() {
    const add = (name, value, more) => {
      const card = element("div", undefined, "figure");
      card.append(element("div", name, "name"), element("div", value, "value"), element("div", more, "more"));
      $("figures").append(card);
    };
    if (pruned.length) {
      add("Sparsity", percent(data.sparsity.reached, 2), "asked for " + percent(data.sparsity.asked, 2));
      add("Weights removed", short(data.sparsity.zeros), "of " + short(data.sparsity.weights) + " in the blocks");
    } else {
      add("Sparsity asked", percent(data.sparsity.asked, 1), "no block is finished yet");
    }
    for (const text of data.evaluations.slice(0, 2)) {
      if (!text.dense) continue;
      if (text.pruned) {
        add("Perplexity, " + text.name, figure(text.pruned.perplexity),
          figure(text.dense.perplexity) + " before · × " + (text.pruned.perplexity / text.dense.perplexity).toFixed(3));
      } else {
        add("Perplexity, " + text.name, figure(text.dense.perplexity), "before pruning");
      }
    }
    const total = data.blocks.length;
    if (pruned.length < total) {
      add("Blocks", pruned.length + " of " + total, data.eta_seconds ? "about " + duration(data.eta_seconds) + " to go" : data.state);
    } else {
      add("Blocks", count(total), count(linearNames.length * total) + " linears");
    }
    if (data.seconds) add("Took", duration(data.seconds), data.workers.length + (data.workers.length === 1 ? " worker" : " workers"));
  }

  function notice() {
    const lines = [];
    if (data.error) lines.push(["Failed: " + data.error.message, true]);
    else if (data.running) lines.push(["The job is still running: this shows how far it has come.", false]);
    if (data.pending_reason) lines.push(["Waiting: " + data.pending_reason, false]);
    for (const block of pruned) {
      for (const warning of block.warnings || []) lines.push(["Block " + block.block + ": " + warning, false]);
    }
    if (!lines.length) return;
    const box = $("notice");
    box.hidden = false;
    if (data.error) box.classList.add("bad");
    for (const [line] of lines.slice(0, 12)) box.append(element("div", line));
    if (lines.length > 12) box.append(element("div", "and " + (lines.length - 12) + " more", "muted"));
  }

  function row(table, cells, tag = "td") {
    const line = element("tr");
    for (const cell of cells) {
      const [text, className] = Array.isArray(cell) ? cell : [cell, ""];
      line.append(text instanceof Node ? wrapped(tag, text) : element(tag, text, className));
    }
    table.append(line);
  }
  function wrapped(tag, node) {
    const cell = element(tag);
    cell.append(node);
    return cell;
  }
  function bar(share) {
    const outer = element("div", undefined, "bar");
    const inner = element("i");
    inner.style.width = Math.max(1, Math.min(100, share * 100)) + "%";
    outer.append(inner);
    return outer;
  }

  function perplexity() {
    const measured = data.evaluations.filter((text) => text.dense || text.pruned);
    if (!measured.length) return hide("perplexity-section");
    const most = Math.max(...measured.map((text) => Math.max(text.dense ? text.dense.perplexity : 0, text.pruned ? text.pruned.perplexity : 0)));
    const table = $("perplexity");
    row(table, ["text", "", ["perplexity", "number"], "", ["ratio", "number"], ["KL, nats a token", "number"], ["tokens", "number"]], "th");
    for (const text of measured) {
      const ratio = text.dense && text.pruned ? "× " + (text.pruned.perplexity / text.dense.perplexity).toFixed(4) : "";
      const gate = text.max_perplexity || text.max_ratio
        ? " (gate: " + [text.max_perplexity ? "≤ " + text.max_perplexity : "", text.max_ratio ? "≤ × " + text.max_ratio : ""].filter(Boolean).join(", ") + ")" : "";
      if (text.dense) row(table, [text.name, "dense", [text.dense.perplexity.toFixed(4), "number"], bar(text.dense.perplexity / most), "", "", [count(text.dense.tokens), "number"]]);
      if (text.pruned) {
        row(table, [text.dense ? "" : text.name, "pruned" + gate, [text.pruned.perplexity.toFixed(4), "number strong"], bar(text.pruned.perplexity / most),
          [ratio, "number"], [text.pruned.kl === undefined ? "" : text.pruned.kl.toFixed(4), "number"], [count(text.pruned.tokens), "number"]]);
      }
    }
  }

  function load() {
    $("load").textContent =
      "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n" +
      "folder = " + JSON.stringify(data.output_uri) + "\n" +
      "model = AutoModelForCausalLM.from_pretrained(folder, dtype=\"auto\")\n" +
      "tokenizer = AutoTokenizer.from_pretrained(folder)";
    $("load-note").textContent = (data.state === "succeeded" ? "" : "Once the job has succeeded. ") +
      "Original names and dtypes, exact zeros, no quantization_config: whatever loads the dense model loads this one" +
      (data.output_uri.startsWith("s3://") ? ", after copying it from the bucket. " : ". ") +
      "besa_manifest.json beside it has the hash of every file.";
  }

  function facts(id, entries) {
    for (const [name, value] of entries) {
      if (value === "" || value === undefined || value === null) continue;
      const line = element("tr");
      line.append(element("th", name), element("td", value));
      $(id).append(line);
    }
  }

  function trouble() {
    if (!data.failures.length) return;
    $("trouble-section").hidden = false;
    const table = $("trouble");
    row(table, ["task", "attempt", "worker", "outcome", "what happened"], "th");
    for (const failure of data.failures.slice(0, 50)) {
      row(table, [failure.task, failure.attempt, failure.worker, failure.outcome, failure.message]);
    }
  }

  // -- Charts

  const charts = [];
  let colors;
  function palette() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue("--" + name).trim();
    const dark = document.documentElement.dataset.theme === "dark";
    return {
      dark, ink: get("ink"), soft: get("soft"), line: get("line"), card: get("card"), accent: get("accent"), warm: get("warm"),
      // Less than the target, the target, more.
      diverging: dark ? ["#4aa3c7", "#2b5a70", "#24282d", "#7a4a2a", "#ee9a55"] : ["#14607d", "#8fc1d4", "#f3f2ee", "#eab68c", "#b4521a"],
      sequential: dark ? ["#1f2429", "#23506a", "#3f93b5", "#a5dcec", "#f4fbff"] : ["#f6f6f3", "#bcdbe6", "#5ba6c2", "#1f6f8b", "#0b3547"],
      depth: dark ? ["#5fb6d6", "#8f8fe0", "#e08fb4", "#f0b070"] : ["#1a7f9e", "#5a5cc2", "#b5407c", "#d07a1c"],
      list: dark ? ["#6cb8d4", "#e79a5e", "#8fce9b", "#c49be0", "#e0c76a", "#ef8fa0", "#8aa4f0", "#a9b0b8"]
        : ["#1f6f8b", "#c2682a", "#3f8f5a", "#7d55a8", "#a98a1d", "#b84a62", "#4863c0", "#7b828a"],
    };
  }
  const mix = (stops, at) => {
    const place = Math.max(0, Math.min(1, at)) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(place));
    const part = (hex, index) => parseInt(hex.slice(1 + 2 * index, 3 + 2 * index), 16);
    return "rgb(" + [0, 1, 2].map((i) => Math.round(part(stops[low], i) + (part(stops[low + 1], i) - part(stops[low], i)) * (place - low))).join(",") + ")";
  };
  const narrow = () => window.innerWidth < 720;

  function draw(id, height, makeOption) {
    const box = $(id);
    charts.push(() => {
      box.style.height = (typeof height === "function" ? height() : height) + "px";
      const chart = echarts.getInstanceByDom(box) || echarts.init(box, null, { renderer: "svg" });
      chart.resize();
      chart.setOption(makeOption(), { notMerge: true });
    });
  }
  const base = () => ({
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colors.soft, fontSize: 12 },
    tooltip: {
      confine: true, backgroundColor: colors.card, borderColor: colors.line, textStyle: { color: colors.ink, fontSize: 12.5 },
      extraCssText: "box-shadow:0 4px 18px rgb(0 0 0/18%);border-radius:8px",
    },
  });
  const axis = (extra) => Object.assign({
    axisLine: { lineStyle: { color: colors.line } }, axisTick: { show: false }, axisLabel: { color: colors.soft },
    splitLine: { lineStyle: { color: colors.line } }, nameTextStyle: { color: colors.soft },
  }, extra);
  const safe = (text) => { const box = element("i", text); return box.innerHTML; };

  function sparsityChart() {
    if (!pruned.length) return hide("sparsity-section");
    const target = data.sparsity.asked;
    const cells = [];
    let spread = 0;
    for (const block of pruned) {
      block.linears.forEach((linear, index) => {
        cells.push([block.block, linearNames.length - 1 - index, linear.sparsity]);
        spread = Math.max(spread, Math.abs(linear.sparsity - target));
      });
    }
    const reach = Math.max(.01, Math.ceil(spread * 100) / 100);
    $("sparsity-note").textContent = "Share of zeros in each linear of each block. " + (spread > .002
      ? "The method spreads " + percent(target, 0) + " unevenly: it takes more where the output suffers less."
      : "Every linear has its " + percent(target, 0) + ".");
    draw("sparsity", () => 40 + 30 * linearNames.length + 64, () => Object.assign(base(), {
      grid: { left: 78, right: 8, top: 6, bottom: 84 },
      xAxis: axis({ type: "category", data: data.blocks.map((block) => block.block), name: "block", nameLocation: "middle", nameGap: 26, splitLine: { show: false } }),
      yAxis: axis({ type: "category", data: [...linearNames].reverse(), splitLine: { show: false }, axisLine: { show: false } }),
      visualMap: {
        min: target - reach, max: target + reach, calculable: false, orient: "horizontal", left: "center", bottom: 0, itemWidth: 12, itemHeight: 160,
        inRange: { color: colors.diverging }, text: [percent(target + reach, 0), percent(Math.max(0, target - reach), 0)], textStyle: { color: colors.soft },
      },
      tooltip: Object.assign(base().tooltip, {
        formatter: (item) => "block " + item.value[0] + " · " + safe(linearNames[linearNames.length - 1 - item.value[1]]) + "<br><b>" + percent(item.value[2], 2) + "</b> zeros",
      }),
      series: [{ type: "heatmap", data: cells.map((value) => ({ value, label: { color: Math.abs(value[2] - target) > .6 * reach ? (colors.dark ? "#101214" : "#ffffff") : colors.ink } })), itemStyle: { borderColor: colors.card, borderWidth: data.blocks.length > 60 ? .5 : 1.5, borderRadius: 2 }, emphasis: { itemStyle: { borderColor: colors.ink } },
        label: { show: data.blocks.length <= 12 && !narrow(), formatter: (item) => (item.value[2] * 100).toFixed(1), fontSize: 11 } }],
    }));
  }

  function rowsChart() {
    const known = pruned.filter((block) => block.linears.some((linear) => linear.rates));
    if (!known.length) return hide("rows-section");
    const select = $("rows-block");
    select.append(new Option("all", "all"));
    for (const block of known) select.append(new Option(String(block.block), String(block.block)));
    const counts = () => linearNames.map((_, index) => {
      const sum = new Array(100).fill(0);
      for (const block of known) {
        if (select.value !== "all" && String(block.block) !== select.value) continue;
        (block.linears[index].rates || []).forEach((rows, bin) => { sum[bin] += rows; });
      }
      return sum;
    });
    draw("rows", () => 40 + 30 * linearNames.length + 64, () => {
      const all = counts();
      let low = 99, high = 0, most = 0;
      const cells = [];
      all.forEach((bins, index) => {
        const total = bins.reduce((a, b) => a + b, 0) || 1;
        bins.forEach((rows, bin) => {
          if (!rows) return;
          low = Math.min(low, bin); high = Math.max(high, bin);
          most = Math.max(most, rows / total);
          cells.push([bin, linearNames.length - 1 - index, rows / total, rows]);
        });
      });
      low = Math.max(0, low - 2); high = Math.min(99, high + 2);
      return Object.assign(base(), {
        grid: { left: 78, right: 8, top: 6, bottom: 84 },
        xAxis: axis({ type: "category", data: Array.from({ length: high - low + 1 }, (_, i) => low + i), name: "share of the row removed, %", nameLocation: "middle", nameGap: 26, splitLine: { show: false } }),
        yAxis: axis({ type: "category", data: [...linearNames].reverse(), splitLine: { show: false }, axisLine: { show: false } }),
        visualMap: { min: 0, max: most, dimension: 2, calculable: false, orient: "horizontal", left: "center", bottom: 0, itemWidth: 12, itemHeight: 160,
          inRange: { color: colors.sequential }, text: [percent(most, 0) + " of the rows", "0"], textStyle: { color: colors.soft } },
        tooltip: Object.assign(base().tooltip, {
          formatter: (item) => safe(linearNames[linearNames.length - 1 - item.value[1]]) + "<br><b>" + count(item.value[3]) + "</b> rows (" + percent(item.value[2]) + ") lose " + (low + item.value[0]) + " to " + (low + item.value[0] + 1) + " %",
        }),
        series: [{ type: "heatmap", data: cells.map(([bin, y, share, rows]) => [bin - low, y, share, rows]), emphasis: { itemStyle: { borderColor: colors.ink } } }],
      });
    });
    select.addEventListener("change", render);
  }

  function lossCharts() {
    const learned = pruned.filter((block) => block.loss && block.loss.length > 1);
    if (!pruned.length) return hide("loss-section");
    const depth = (block) => mix(colors.depth, data.blocks.length < 2 ? 0 : block.block / (data.blocks.length - 1));
    if (learned.length) {
      const least = Math.min(...learned.flatMap((block) => block.loss.map((point) => point[1]).filter((loss) => loss > 0)));
      const lowest = Number((least * .9).toPrecision(1));
      draw("loss", 320, () => Object.assign(base(), {
        title: { text: "by step", textStyle: { color: colors.soft, fontSize: 13, fontWeight: 500 } },
        grid: { left: 58, right: 14, top: 34, bottom: 42 },
        xAxis: axis({ type: "value", min: 0, max: "dataMax", name: "step", nameLocation: "middle", nameGap: 26, splitLine: { show: false }, axisLabel: { color: colors.soft, showMaxLabel: false } }),
        yAxis: axis({ type: "log", min: lowest, axisLabel: { color: colors.soft, formatter: (value) => Number(value.toPrecision(2)).toString() } }),
        tooltip: Object.assign(base().tooltip, { trigger: "item", formatter: (item) => safe(item.seriesName) + ", step " + item.value[0] + "<br><b>" + item.value[1].toPrecision(4) + "</b>" }),
        series: learned.map((block) => ({
          name: "block " + block.block, type: "line", showSymbol: false, lineStyle: { width: learned.length > 40 ? 1 : 1.6, opacity: .85, color: depth(block) }, itemStyle: { color: depth(block) },
          emphasis: { focus: "series", lineStyle: { width: 3, opacity: 1 } }, triggerLineEvent: true,
          data: block.loss.filter((point) => point[1] > 0),
        })),
      }));
    } else {
      hide("loss");
      $("final-loss").parentElement.style.gridTemplateColumns = "minmax(0,1fr)";
    }
    draw("final-loss", 320, () => Object.assign(base(), {
      title: { text: "of the finished masks, by block", textStyle: { color: colors.soft, fontSize: 13, fontWeight: 500 } },
      grid: { left: 58, right: 14, top: 34, bottom: 42 },
      xAxis: axis({ type: "category", data: pruned.map((block) => block.block), name: "block", nameLocation: "middle", nameGap: 26, splitLine: { show: false } }),
      yAxis: axis({ type: "value", axisLabel: { color: colors.soft, formatter: (value) => Number(value.toPrecision(3)).toString() } }),
      tooltip: Object.assign(base().tooltip, { trigger: "axis", axisPointer: { type: "shadow", shadowStyle: { opacity: .12 } }, formatter: ([item]) => "block " + item.name + "<br><b>" + Number(item.value).toPrecision(4) + "</b>" }),
      series: [{ type: "bar", barMaxWidth: 46, data: pruned.map((block) => ({ value: block.final_loss, itemStyle: { color: depth(block), borderRadius: [3, 3, 0, 0] } })) }],
    }));
  }

  function timeCharts() {
    const stages = [...data.stages].sort((a, b) => a.seconds - b.seconds);
    const attempts = data.attempts.filter((attempt) => attempt.end > attempt.begin);
    if (!stages.length && !attempts.length) return hide("time-section");
    const total = stages.reduce((sum, stage) => sum + stage.seconds, 0);
    $("time-note").textContent = "Seconds of work by stage, " + duration(total) + " in all workers; and who did what when.";
    draw("stages", () => Math.max(180, 34 + 26 * stages.length + 20), () => Object.assign(base(), {
      grid: { left: 92, right: 78, top: 8, bottom: 8 },
      xAxis: axis({ type: "value", show: false }),
      yAxis: axis({ type: "category", data: stages.map((stage) => stage.stage), axisLine: { show: false } }),
      tooltip: Object.assign(base().tooltip, { formatter: (item) => safe(item.name) + "<br><b>" + duration(item.value) + "</b> (" + percent(total ? item.value / total : 0) + ")" }),
      series: [{ type: "bar", barMaxWidth: 18, itemStyle: { color: colors.accent, borderRadius: [0, 3, 3, 0] }, data: stages.map((stage) => stage.seconds),
        label: { show: true, position: "right", color: colors.soft, formatter: (item) => duration(item.value) } }],
    }));
    const workers = [...data.workers].reverse();
    const kinds = [...new Set(attempts.map((attempt) => attempt.kind))];
    const color = (attempt) => (attempt.ok ? colors.list[kinds.indexOf(attempt.kind) % colors.list.length] : colors.dark ? "#ef8178" : "#b3372f");
    draw("timeline", () => Math.max(180, 78 + 34 * workers.length), () => Object.assign(base(), {
      grid: { left: narrow() ? 70 : 92, right: 18, top: 36, bottom: 24 },
      legend: { type: "scroll", top: 0, left: 0, itemGap: 14, itemWidth: 11, itemHeight: 11, textStyle: { color: colors.soft, fontSize: 11.5 }, data: kinds, selectedMode: false },
      xAxis: axis({ type: "value", min: 0, max: "dataMax", axisLabel: { color: colors.soft, formatter: clock, hideOverlap: true, showMaxLabel: false } }),
      yAxis: axis({ type: "category", data: workers, axisLine: { show: false }, axisLabel: { color: colors.soft, width: narrow() ? 60 : 82, overflow: "truncate" } }),
      tooltip: Object.assign(base().tooltip, { formatter: (item) => { const attempt = item.data && item.data.attempt; return attempt ? safe(attempt.task) + (attempt.ok ? "" : ", " + safe(attempt.outcome)) + "<br>" + safe(attempt.worker) + "<br><b>" + duration(attempt.end - attempt.begin) + "</b>" : ""; } }),
      series: kinds.map((kind, index) => ({
        name: kind, type: "custom", itemStyle: { color: colors.list[index % colors.list.length] }, encode: { x: [1, 2], y: 0 },
        data: attempts.filter((attempt) => attempt.kind === kind).map((attempt) => ({ value: [workers.indexOf(attempt.worker), attempt.begin, attempt.end], attempt })),
        renderItem: (params, api) => {
          const begin = api.coord([api.value(1), api.value(0)]), end = api.coord([api.value(2), api.value(0)]);
          const size = Math.min(20, api.size([0, 1])[1] * .62);
          const attempt = attempts.filter((one) => one.kind === kind)[params.dataIndex];
          return { type: "rect", shape: { x: begin[0], y: begin[1] - size / 2, width: Math.max(1.5, end[0] - begin[0] - 1), height: size, r: 2 }, style: { fill: color(attempt) } };
        },
      })),
    }));
  }

  // -- Together

  function render() {
    colors = palette();
    for (const chart of charts) chart();
  }
  const preference = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = new URLSearchParams(location.hash.slice(1)).get("theme");
  const applyTheme = () => { document.documentElement.dataset.theme = chosen || (preference.matches ? "dark" : "light"); };
  $("theme").addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    applyTheme();
    render();
  });
  preference.addEventListener("change", () => { applyTheme(); render(); });
  window.addEventListener("resize", render);

  applyTheme();
  header(); figures(); notice(); perplexity(); load(); trouble();
  facts("options", data.options);
  facts("versions", data.versions);
  $("footer").textContent = "besa " + data.besa_version + " · " + data.job + " · written " + data.written;
  sparsityChart(); rowsChart(); lossCharts(); timeCharts();
  render();
  document.documentElement.dataset.ready = "true";
})();
