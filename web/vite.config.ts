import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

const WALL = "../src/aneuflow/report/templates/viewer.js";

// The report carries its viewer as a plain script; here the same file is a module.
const wallAsModule: Plugin = {
  name: "wall-as-module",
  transform: (code, id) => (id.endsWith("report/templates/viewer.js") ? `${code}\nexport { showWall };` : undefined),
};

// What was built is committed; the mark says from which sources, and a test compares.
const mark: Plugin = {
  name: "mark",
  generateBundle() {
    const sources = readdirSync("src", { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = [...sources.map((entry) => `${entry.parentPath}/${entry.name}`), "index.html", "package-lock.json", "vite.config.ts", WALL];
    const hash = createHash("sha256");
    for (const path of paths.sort()) hash.update(readFileSync(path));
    this.emitFile({ type: "asset", fileName: "sources.sha256", source: `${hash.digest("hex")}\n` });
  },
};

export default defineConfig({
  // The page also lies in the secret folder of `aneuflow edit`.
  base: "./",
  plugins: [wallAsModule, mark],
  // NiiVue can read Zarr, whose decoders are larger than all the rest; no case has any.
  resolve: { alias: { zarrita: new URL("src/no-zarr.ts", import.meta.url).pathname } },
  build: {
    outDir: "../src/aneuflow/service/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8470" } },
});
