import { defineConfig } from "vite";

export default defineConfig({
  base: "/graphql-assets/",
  oxc: { jsx: { runtime: "automatic" } },
  resolve: { dedupe: ["graphql", "react", "react-dom", "monaco-editor"] },
  worker: { format: "es" },
  build: {
    outDir: "static",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    chunkSizeWarningLimit: 5000, // Monaco is one big chunk
    rolldownOptions: {
      onwarn(warning, warn) {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning); // "use client" in React libraries
      },
    },
  },
});
