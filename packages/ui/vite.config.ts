import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "dist",
    target: "es2022",
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
