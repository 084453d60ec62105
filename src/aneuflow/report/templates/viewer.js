// The interactive wall: a surface colored by one field, its lines, and what lies under the pointer. WebGL 1, no dependencies.
// `root` holds the canvas and the places of controls, color bar and tip; `scene` is what report/viewer.py writes. Gives what a
// page needs to lay its own marks over the wall, null where the browser has no WebGL.
function showWall(root, scene) {
  "use strict";
  const canvas = root.querySelector("canvas");
  const texts = scene.texts;
  const gl = canvas.getContext("webgl", { antialias: true, alpha: false });
  if (!gl || !gl.getExtension("OES_element_index_uint")) {
    showStill();
    return null;
  }

  const points = decode(scene.points), triangles = decode(scene.triangles);
  const pointCount = points.length / 3;
  scene.fields.forEach((field) => { field.values = decode(field.values); field.colors = decode(field.colors); });
  const state = { field: scene.fields[0], low: 0, high: 1, logarithmic: false, centerlines: false, ostium: true };
  const camera = { eye: [0, -1, 0], up: [0, 0, 1], focus: [0, 0, 0], radius: 10 };
  let projected = null, drawRequested = false, marks = { faces: [], lines: [] }, inside = null, drawn = () => {};

  const surfaceProgram = program(
    "attribute vec3 position; attribute vec3 normal; attribute float level; attribute vec4 coat; uniform mat4 matrix; varying vec3 n;" +
      "varying float v; varying vec4 k; void main() { gl_Position = matrix * vec4(position, 1.0); n = normal; v = level; k = coat; }",
    "precision mediump float; uniform sampler2D colors; uniform vec3 eye; uniform vec2 veil; varying vec3 n; varying float v; varying vec4 k;" +
      "void main() { float facing = abs(dot(normalize(n), eye)); vec3 c = texture2D(colors, vec2(clamp(v, 0.002, 0.998), 0.5)).rgb;" +
      "c = c * (1.0 - k.a) + k.rgb; gl_FragColor = vec4(c * (0.55 + 0.45 * facing), mix(veil.y, veil.x, facing)); }");
  // Lines are flat bands that face the eye: WebGL itself draws lines only one pixel wide.
  const lineProgram = program(
    "attribute vec3 start; attribute vec3 end; attribute vec2 corner; uniform mat4 matrix; uniform vec2 size; uniform float width;" +
      "uniform float lift; void main() { vec4 a = matrix * vec4(start, 1.0); vec4 b = matrix * vec4(end, 1.0);" +
      "vec2 along = (b.xy - a.xy) * size; float len = max(length(along), 1e-6); vec2 side = vec2(-along.y, along.x) / len;" +
      "vec4 p = mix(a, b, corner.x); p.xy += (side * corner.y + along / len * (corner.x - 0.5) * 0.6) * width / size;" +
      "p.z -= lift; gl_Position = p; }",
    "precision mediump float; uniform vec4 color; void main() { gl_FragColor = color; }");
  const faceProgram = program(
    "attribute vec3 position; uniform mat4 matrix; void main() { gl_Position = matrix * vec4(position, 1.0); }",
    "precision mediump float; uniform vec4 color; void main() { gl_FragColor = color; }");
  const dotProgram = program(
    "attribute vec3 position; attribute vec3 tint; uniform mat4 matrix; uniform float size; varying vec3 c;" +
      "void main() { gl_Position = matrix * vec4(position, 1.0); gl_PointSize = size; c = tint; }",
    "precision mediump float; uniform vec3 rim; varying vec3 c; void main() { vec2 p = gl_PointCoord - 0.5; float r = 4.0 * dot(p, p);" +
      "if (r > 1.0) discard; gl_FragColor = vec4(mix(c, rim, 0.5 * smoothstep(0.3, 0.9, r)), 1.0); }");
  const buffers = {
    position: buffer(gl.ARRAY_BUFFER, points), normal: buffer(gl.ARRAY_BUFFER, pointNormals()), level: gl.createBuffer(),
    coat: buffer(gl.ARRAY_BUFFER, new Uint8Array(4 * pointCount)), triangles: buffer(gl.ELEMENT_ARRAY_BUFFER, triangles),
  };
  const lines = scene.lines.map((line) => ({ kind: line.kind, ...lineBuffers(decode(line.points)) }));
  const texture = gl.createTexture();

  buildControls();
  listen();
  if (scene.spots.length) document.querySelectorAll("button.show-region").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => show(scene.spots[button.dataset.spot]));
  });
  root.classList.add("ready");
  look(scene.views[0]);
  choose(state.field);
  new ResizeObserver(redraw).observe(canvas);
  // The background follows the page's colors.
  addEventListener("theme", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  redraw();
  return { points, triangles, axes, coat, depths, fill, lookAs, mark, paint, place, touched, decode, whenDrawn: (act) => { drawn = act; redraw(); }, free };

  function decode(array) {
    const bytes = Uint8Array.from(atob(array.data), (letter) => letter.charCodeAt(0));
    return new { f4: Float32Array, u4: Uint32Array, u1: Uint8Array }[array.type](bytes.buffer);
  }

  function showStill() {
    root.querySelector(".viewer-missing").hidden = false;
    const picture = document.querySelector("img.key-picture");
    if (picture) root.append(picture.cloneNode());
    root.classList.add("still");
  }

  // ---- vectors
  function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
  function cross(a, b) { return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]; }
  function unit(a) { const n = Math.hypot(a[0], a[1], a[2]) || 1; return [a[0] / n, a[1] / n, a[2] / n]; }
  function plus(a, b, factor) { return [a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2]]; }
  function turn(a, axis, angle) {
    const c = Math.cos(angle), s = Math.sin(angle), w = cross(axis, a), d = dot(axis, a) * (1 - c);
    return [0, 1, 2].map((i) => a[i] * c + w[i] * s + axis[i] * d);
  }
  function right() { return unit(cross(camera.up, camera.eye)); }

  function pointNormals() {
    const normals = new Float32Array(points.length);
    for (let t = 0; t < triangles.length; t += 3) {
      const [a, b, c] = [3 * triangles[t], 3 * triangles[t + 1], 3 * triangles[t + 2]];
      const u = [0, 1, 2].map((i) => points[b + i] - points[a + i]), v = [0, 1, 2].map((i) => points[c + i] - points[a + i]);
      const n = cross(u, v);
      for (const corner of [a, b, c]) for (let i = 0; i < 3; i++) normals[corner + i] += n[i];
    }
    return normals;
  }

  // ---- drawing
  function program(vertex, fragment) {
    const made = gl.createProgram();
    [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]].forEach(([kind, source]) => {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(made, shader);
    });
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
    return made;
  }

  function buffer(target, values) {
    const made = gl.createBuffer();
    gl.bindBuffer(target, made);
    gl.bufferData(target, values, gl.STATIC_DRAW);
    return made;
  }

  // A line along the path, or with step 6 a piece for each two of its points.
  function lineBuffers(path, step = 3) {
    const start = [], end = [], corner = [], order = [];
    for (let i = 0; i + 5 < path.length; i += step) {
      const first = start.length / 3;
      [[0, -1], [0, 1], [1, -1], [1, 1]].forEach((place) => {
        start.push(path[i], path[i + 1], path[i + 2]);
        end.push(path[i + 3], path[i + 4], path[i + 5]);
        corner.push(place[0], place[1]);
      });
      order.push(first, first + 1, first + 2, first + 2, first + 1, first + 3);
    }
    return {
      start: buffer(gl.ARRAY_BUFFER, new Float32Array(start)), end: buffer(gl.ARRAY_BUFFER, new Float32Array(end)),
      corner: buffer(gl.ARRAY_BUFFER, new Float32Array(corner)),
      order: buffer(gl.ELEMENT_ARRAY_BUFFER, new Uint32Array(order)), count: order.length,
    };
  }

  function feed(made, name, values, size, type = gl.FLOAT) {
    const place = gl.getAttribLocation(made, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, values);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, type, type !== gl.FLOAT, 0, 0);
  }

  function matrix() {
    const r = right(), u = camera.up, e = camera.eye, aspect = canvas.width / canvas.height, depth = 1000;
    const rows = [plus([0, 0, 0], r, 1 / (camera.radius * aspect)), plus([0, 0, 0], u, 1 / camera.radius), plus([0, 0, 0], e, -1 / depth)];
    const shift = rows.map((row) => -dot(row, camera.focus));
    return [rows[0][0], rows[1][0], rows[2][0], 0, rows[0][1], rows[1][1], rows[2][1], 0, rows[0][2], rows[1][2], rows[2][2], 0, ...shift, 1];
  }

  function redraw() {
    projected = null;
    if (drawRequested) return;
    drawRequested = true;
    requestAnimationFrame(() => { drawRequested = false; draw(); });
  }

  function draw() {
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(...background(), 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    if (inside) drawInside(scale);
    else drawWall([1, 1]);
    if (state.ostium) lines.filter((line) => line.kind === "ostium").forEach((line) => drawLine(line, 3 * scale, [0.07, 0.09, 0.15, 1], false));
    if (state.centerlines) lines.filter((line) => line.kind === "centerline").forEach((line) => drawLine(line, 2 * scale, [0.85, 0.2, 0.25, 1], true));
    marks.lines.forEach((line) => drawLine(line, line.width * scale, line.color, line.through));
    marks.faces.forEach(drawFaces);
    showOrientation();
    drawn();
  }

  // veil: how opaque the wall is where it faces the eye and where it is seen from the side.
  function drawWall(veil) {
    gl.useProgram(surfaceProgram);
    feed(surfaceProgram, "position", buffers.position, 3);
    feed(surfaceProgram, "normal", buffers.normal, 3);
    feed(surfaceProgram, "level", buffers.level, 1);
    feed(surfaceProgram, "coat", buffers.coat, 4, gl.UNSIGNED_BYTE);
    gl.uniformMatrix4fv(gl.getUniformLocation(surfaceProgram, "matrix"), false, matrix());
    gl.uniform3fv(gl.getUniformLocation(surfaceProgram, "eye"), camera.eye);
    gl.uniform2fv(gl.getUniformLocation(surfaceProgram, "veil"), veil);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.triangles);
    gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_INT, 0);
  }

  // The far wall as a veil, then what is inside, then the near wall as a veil over it.
  function drawInside(scale) {
    const halves = (side) => {
      gl.enable(gl.CULL_FACE);
      gl.cullFace(side);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
      gl.depthMask(false);
      drawWall([0.08, 0.5]);
      gl.depthMask(true);
      gl.disable(gl.BLEND);
      gl.disable(gl.CULL_FACE);
    };
    halves(gl.FRONT);
    gl.useProgram(dotProgram);
    feed(dotProgram, "position", inside.position, 3);
    feed(dotProgram, "tint", inside.tint, 3);
    gl.uniformMatrix4fv(gl.getUniformLocation(dotProgram, "matrix"), false, matrix());
    gl.uniform1f(gl.getUniformLocation(dotProgram, "size"), inside.size * scale);
    gl.uniform3fv(gl.getUniformLocation(dotProgram, "rim"), background()[0] < 0.5 ? [1, 1, 1] : [0, 0, 0]);
    gl.drawArrays(gl.POINTS, 0, inside.count);
    halves(gl.BACK);
  }

  function background() {
    const parts = (getComputedStyle(canvas).backgroundColor.match(/[\d.]+/g) || []).map(Number);
    return parts.length === 3 ? parts.map((part) => part / 255) : [1, 1, 1];
  }

  function drawFaces(faces) {
    gl.useProgram(faceProgram);
    feed(faceProgram, "position", faces.position, 3);
    gl.uniformMatrix4fv(gl.getUniformLocation(faceProgram, "matrix"), false, matrix());
    gl.uniform4fv(gl.getUniformLocation(faceProgram, "color"), faces.color);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(faces.color[3] === 1);
    gl.drawArrays(gl.TRIANGLES, 0, faces.count);
    gl.depthMask(true);
    gl.disable(gl.BLEND);
  }

  // ---- for a page with marks of its own; places are those of the scene, pixels those of the canvas as laid out
  // faces: { points (triangles one after the other), color }; lines: { points, step, width, color, through }
  function mark(faces, paths) {
    marks.faces.forEach((old) => gl.deleteBuffer(old.position));
    marks.lines.forEach((old) => [old.start, old.end, old.corner, old.order].forEach((one) => gl.deleteBuffer(one)));
    marks = {
      faces: faces.map((one) => ({ ...one, position: buffer(gl.ARRAY_BUFFER, new Float32Array(one.points)), count: one.points.length / 3 })),
      lines: paths.map((one) => ({ ...one, ...lineBuffers(one.points, one.step) })),
    };
    redraw();
  }

  // Dots inside the wall, which is then seen through: points and their colors (0 to 1), three numbers each; null ends that.
  function fill(points, colors, size) {
    if (points && !inside) inside = { position: gl.createBuffer(), tint: gl.createBuffer() };
    if (!points && inside) [inside.position, inside.tint].forEach((old) => gl.deleteBuffer(old));
    if (!points) inside = null;
    else {
      Object.assign(inside, { count: points.length / 3, size });
      [[inside.position, points], [inside.tint, colors]].forEach(([place, values]) => {
        gl.bindBuffer(gl.ARRAY_BUFFER, place);
        gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      });
    }
    redraw();
  }

  // The same look at another wall, in the places of the patient.
  function lookAs(other) {
    Object.assign(camera, { eye: other.eye, up: other.up, radius: other.radius, focus: plus(other.focus, scene.center, -1) });
    redraw();
  }

  function paint(values) {
    state.field.values = values;
    recolor();
  }

  // Colors over the field: for each point red, green, blue and how much they cover, 0 to 255, the first three times the last.
  function coat(colors) {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.coat);
    gl.bufferData(gl.ARRAY_BUFFER, colors, gl.DYNAMIC_DRAW);
    redraw();
  }

  function axes() {
    return { right: right(), up: camera.up, eye: camera.eye, focus: camera.focus, radius: camera.radius, mmPerPixel: (2 * camera.radius) / Math.max(1, canvas.clientHeight) };
  }

  function place(point) {
    const { right: r, up, mmPerPixel } = axes(), p = plus(point, camera.focus, -1);
    return [canvas.clientWidth / 2 + dot(p, r) / mmPerPixel, canvas.clientHeight / 2 - dot(p, up) / mmPerPixel];
  }

  function under(x, y) {
    const { mmPerPixel } = axes();
    return crossings((x - canvas.clientWidth / 2) * mmPerPixel, (canvas.clientHeight / 2 - y) * mmPerPixel).sort((a, b) => b.depth - a.depth);
  }

  // How far toward the eye from the focus the wall lies under a pixel, the nearest to the eye first.
  function depths(x, y) {
    return under(x, y).map(({ depth }) => depth);
  }

  // The triangle under a pixel that is nearest to the eye, and how far from its first corner toward the others; or null.
  function touched(x, y) {
    return under(x, y)[0] || null;
  }

  function free() {
    const lose = gl.getExtension("WEBGL_lose_context");
    if (lose) lose.loseContext();
  }

  function drawLine(line, width, color, through) {
    gl.useProgram(lineProgram);
    feed(lineProgram, "start", line.start, 3);
    feed(lineProgram, "end", line.end, 3);
    feed(lineProgram, "corner", line.corner, 2);
    gl.uniformMatrix4fv(gl.getUniformLocation(lineProgram, "matrix"), false, matrix());
    gl.uniform2f(gl.getUniformLocation(lineProgram, "size"), canvas.width, canvas.height);
    gl.uniform1f(gl.getUniformLocation(lineProgram, "width"), width);
    gl.uniform1f(gl.getUniformLocation(lineProgram, "lift"), 0.0004);
    gl.uniform4fv(gl.getUniformLocation(lineProgram, "color"), color);
    if (through) gl.disable(gl.DEPTH_TEST);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, line.order);
    gl.drawElements(gl.TRIANGLES, line.count, gl.UNSIGNED_INT, 0);
    gl.enable(gl.DEPTH_TEST);
  }

  // ---- colors
  function level(value) {
    const { low, high, logarithmic } = state;
    if (!logarithmic) return (value - low) / (high - low);
    return value > 0 ? Math.log(value / low) / Math.log(high / low) : 0;
  }

  function recolor() {
    const levels = new Float32Array(pointCount);
    for (let i = 0; i < pointCount; i++) {
      const at = level(state.field.values[i]);
      levels[i] = at >= 0 ? Math.min(at, 1) : at < 0 ? 0 : 1;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.level);
    gl.bufferData(gl.ARRAY_BUFFER, levels, gl.DYNAMIC_DRAW);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, state.field.colors);
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, wrap, gl.CLAMP_TO_EDGE);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.LINEAR);
    showColorBar();
    redraw();
  }

  function choose(field) {
    Object.assign(state, { field, low: field.range[0], high: field.range[1], logarithmic: field.logarithmic });
    recolor();
  }

  function show(spot) {
    const index = scene.fields.findIndex((field) => field.name === spot.field);
    root.querySelector(".controls select").value = index;
    choose(scene.fields[index]);
    look(spot);
    root.scrollIntoView({ behavior: "smooth", block: "center" });
  }

  function setRange(low, high) {
    const lowest = state.logarithmic ? Number.MIN_VALUE : -Infinity;
    if (Number.isFinite(low) && Number.isFinite(high) && high > low && low >= lowest) Object.assign(state, { low, high });
    recolor();
  }

  function setLogarithmic(wanted) {
    state.logarithmic = wanted;
    if (wanted && state.low <= 0) state.low = state.high / 1000;
    recolor();
  }

  function number(value) {
    if (!Number.isFinite(value)) return "\u2013";
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  }

  function element(name, options, ...children) {
    const made = Object.assign(document.createElement(name), options);
    made.append(...children);
    return made;
  }

  function showColorBar() {
    const { field, low, high, logarithmic } = state, bar = root.querySelector(".color-bar");
    const ranges = root.querySelectorAll(".range");
    ranges.forEach((part) => { part.hidden = Boolean(field.categories); });
    if (field.categories) {
      const swatches = field.categories.map((label, index) => {
        const at = index ? 3 * 255 : 0;
        const swatch = element("i", { className: "swatch" });
        swatch.style.background = `rgb(${field.colors.slice(at, at + 3).join(",")})`;
        return element("span", { className: "category" }, swatch, label);
      });
      bar.replaceChildren(...swatches);
      return;
    }
    const stops = [];
    for (let i = 0; i < 256; i += 15) stops.push(`rgb(${field.colors.slice(3 * i, 3 * i + 3).join(",")})`);
    const band = element("div", { className: "band" });
    band.style.background = `linear-gradient(to right, ${stops.join(",")})`;
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((at) =>
      element("span", {}, number(logarithmic ? low * Math.pow(high / low, at) : low + at * (high - low))));
    bar.replaceChildren(element("div", { className: "bar-title" }, field.label + (field.unit ? ` (${field.unit})` : "")), band,
      element("div", { className: "ticks" }, ...ticks));
    root.querySelector("[name=low]").value = number(low);
    root.querySelector("[name=high]").value = number(high);
    root.querySelector("[name=logarithmic]").checked = logarithmic;
  }

  function showOrientation() {
    const places = { ".at-right": right(), ".at-left": right().map((x) => -x), ".at-top": camera.up, ".at-bottom": camera.up.map((x) => -x) };
    for (const [place, direction] of Object.entries(places)) {
      const parts = direction.map((x, i) => [Math.abs(x), (x > 0 ? "LPS" : "RAI")[i]]).sort((a, b) => b[0] - a[0]);
      root.querySelector(place).textContent = parts.filter((part, i) => i === 0 || part[0] > 0.4).slice(0, 2).map((part) => part[1]).join("");
    }
  }

  // ---- camera
  function look(view) {
    Object.assign(camera, { eye: unit(view.eye), focus: [...view.focus] });
    camera.up = unit(plus(view.up, camera.eye, -dot(view.up, camera.eye)));
    const aspect = canvas.clientWidth / Math.max(1, canvas.clientHeight);
    camera.radius = view.radius / Math.min(1, aspect);
    redraw();
  }

  function rotate(dx, dy) {
    const side = right();
    camera.eye = unit(turn(turn(camera.eye, camera.up, -dx), side, -dy));
    camera.up = turn(camera.up, side, -dy);
    camera.up = unit(plus(camera.up, camera.eye, -dot(camera.up, camera.eye)));
    redraw();
  }

  function pan(dx, dy) {
    const step = (2 * camera.radius) / canvas.clientHeight;
    camera.focus = plus(plus(camera.focus, right(), -dx * step), camera.up, dy * step);
    redraw();
  }

  function zoom(factor) {
    camera.radius = Math.min(500, Math.max(0.2, camera.radius * factor));
    redraw();
  }

  // ---- what lies under the pointer
  function project() {
    if (projected) return projected;
    const r = right();
    projected = new Float32Array(points.length);
    for (let i = 0; i < points.length; i += 3) {
      const p = [points[i] - camera.focus[0], points[i + 1] - camera.focus[1], points[i + 2] - camera.focus[2]];
      projected[i] = dot(p, r);
      projected[i + 1] = dot(p, camera.up);
      projected[i + 2] = dot(p, camera.eye);
    }
    return projected;
  }

  // The points of the wall under a place of the picture, mm from its middle: how deep, and the field there.
  function crossings(x, y) {
    const p = project(), f = state.field.values, found = [];
    for (let t = 0; t < triangles.length; t += 3) {
      const a = 3 * triangles[t], b = 3 * triangles[t + 1], c = 3 * triangles[t + 2];
      const bx = p[b] - p[a], by = p[b + 1] - p[a + 1], cx = p[c] - p[a], cy = p[c + 1] - p[a + 1];
      const area = bx * cy - by * cx;
      if (area === 0) continue;
      const u = ((x - p[a]) * cy - (y - p[a + 1]) * cx) / area, v = (bx * (y - p[a + 1]) - by * (x - p[a])) / area;
      if (u < 0 || v < 0 || u + v > 1) continue;
      const depth = p[a + 2] + u * (p[b + 2] - p[a + 2]) + v * (p[c + 2] - p[a + 2]);
      found.push({ depth, value: (1 - u - v) * f[a / 3] + u * f[b / 3] + v * f[c / 3], triangle: t / 3, u, v });
    }
    return found;
  }

  function pick(x, y) {
    const found = crossings(x, y);
    return found.length ? found.reduce((near, one) => (one.depth > near.depth ? one : near)).value : null;
  }

  function probe(event) {
    const tip = root.querySelector(".tip"), box = canvas.getBoundingClientRect();
    const step = (2 * camera.radius) / box.height, left = event.clientX - box.left, top = event.clientY - box.top;
    const value = pick((left - box.width / 2) * step, (box.height / 2 - top) * step);
    tip.hidden = value === null;
    if (value === null) return;
    const { field } = state;
    tip.textContent = field.categories ? field.categories[Math.round(value)] : `${number(value)} ${field.unit}`;
    tip.style.transform = `translate(${Math.min(left + 14, box.width - 90)}px, ${Math.max(4, top - 30)}px)`;
  }

  // ---- controls
  function buildControls() {
    const fields = element("select", { ariaLabel: texts.field });
    scene.fields.forEach((field, index) => fields.append(element("option", { value: index }, field.label)));
    fields.addEventListener("change", () => choose(scene.fields[fields.value]));
    const views = element("select", { ariaLabel: texts.view });
    scene.views.forEach((view, index) => views.append(element("option", { value: index }, view.label)));
    views.addEventListener("change", () => look(scene.views[views.value]));
    const reset = element("button", { type: "button" }, texts.reset);
    reset.addEventListener("click", () => { views.value = 0; look(scene.views[0]); choose(state.field); });
    const bounds = ["low", "high"].map((name) => element("input", { name, type: "text", inputMode: "decimal", ariaLabel: texts[name] }));
    bounds.forEach((input) => input.addEventListener("change", () => setRange(...bounds.map((bound) => parseFloat(bound.value.replace(",", "."))))));
    const range = element("span", { className: "range" }, texts.range + " ", bounds[0], " \u2013 ", bounds[1]);
    const logarithmic = checkbox("logarithmic", texts.logarithmic, false, setLogarithmic);
    logarithmic.classList.add("range");
    const parts = [fields, views, reset, range, logarithmic];
    if (lines.some((line) => line.kind === "ostium")) parts.push(checkbox("ostium", texts.ostium, true, (on) => { state.ostium = on; redraw(); }));
    if (lines.some((line) => line.kind === "centerline")) parts.push(checkbox("centerlines", texts.centerlines, false, (on) => { state.centerlines = on; redraw(); }));
    root.querySelector(".controls").append(...parts);
  }

  function checkbox(name, label, checked, act) {
    const box = element("input", { type: "checkbox", name, checked });
    box.addEventListener("change", () => act(box.checked));
    return element("label", {}, box, " " + label);
  }

  function listen() {
    const held = new Map();
    const hold = (event, button) =>
      held.set(event.pointerId, { pointerId: event.pointerId, clientX: event.clientX, clientY: event.clientY, button });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => { canvas.focus(); canvas.setPointerCapture(event.pointerId); hold(event, event.button); });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => held.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => { root.querySelector(".tip").hidden = true; });
    canvas.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) return probe(event);
      const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
      if (held.size === 2) {
        const other = [...held.values()].find((pointer) => pointer.pointerId !== event.pointerId);
        const reach = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY) || 1;
        zoom(reach(before) / reach(event));
        pan(dx / 2, dy / 2);
      } else if (event.shiftKey || before.button > 0) pan(dx, dy);
      else rotate(dx * 0.008, dy * 0.008);
      hold(event, before.button);
    });
    // Only a canvas that was chosen takes the wheel: else a reader who scrolls the page would get stuck here.
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas) return;
      event.preventDefault();
      zoom(Math.exp(event.deltaY * 0.0012));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key in arrows) {
        const [dx, dy] = arrows[event.key];
        if (event.shiftKey) pan(-20 * dx, -20 * dy);
        else rotate(0.1 * dx, 0.1 * dy);
      } else if (event.key === "+" || event.key === "=") zoom(0.87);
      else if (event.key === "-") zoom(1.15);
      else if (event.key === "r" || event.key === "0") look(scene.views[0]);
      else if (scene.views[Number(event.key) - 1]) look(scene.views[Number(event.key) - 1]);
      else return;
      event.preventDefault();
    });
  }
}
