// Bundles src/ into dist/: assets named by a hash of their content, and the page that loads them.

import { build } from "esbuild";
import { readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";

const ASSETS = "dist/assets";

await rm("dist", { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: ["src/main.tsx", "src/styles.css"],
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  outdir: ASSETS,
  bundle: true,
  minify: true,
  metafile: true,
  format: "esm",
  target: ["es2022", "safari16.4", "firefox115", "chrome110"],
  jsx: "automatic",
  jsxImportSource: "preact",
  alias: { "auteur-client": "../typescript/src/index.ts" },
  loader: { ".svg": "file", ".woff2": "file", ".mp4": "file" },
  publicPath: "/static/studio",
  logLevel: "warning",
});

const built = Object.keys(metafile.outputs).map((path) => basename(path));
const named = (name, end) => built.find((file) => file.startsWith(`${name}-`) && file.endsWith(end));
const page = (await readFile("src/index.html", "utf8"))
  .replace("main.js", `/static/studio/${named("main", ".js")}`)
  .replace("styles.css", `/static/studio/${named("styles", ".css")}`);
await writeFile("dist/index.html", page);
