import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "dist",
    target: "es2022",
    // Colours are written with light-dark(), which follows the chosen scheme only when it is left as it is.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    sourcemap: false,
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: {
      "/api": process.env.BELFRY_DEV_SERVER ?? "http://127.0.0.1:3000",
      "/-": process.env.BELFRY_DEV_SERVER ?? "http://127.0.0.1:3000",
    },
  },
});
