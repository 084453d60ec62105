import { defineConfig } from "vite";

const WALL = "report/templates/viewer.js";

// The report carries its viewer as a plain script; here the same file is a module.
const wallAsModule = {
  name: "wall-as-module",
  transform: (code: string, id: string) => (id.endsWith(WALL) ? `${code}\nexport { showWall };` : undefined),
};

export default defineConfig({
  plugins: [wallAsModule],
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
