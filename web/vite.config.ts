import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

/**
 * The build that `crates/server/build.rs` runs. Everything it needs is under `dependencies`, so that
 * `npm ci --omit=dev` is enough to build. The same sources give the same bytes in any folder.
 */
export default defineConfig({
  plugins: [
    svelte({
      configFile: false,
      // By content, since the default takes the file's path and would tie the output to the folder.
      compilerOptions: { cssHash: ({ hash, css }) => `s-${hash(css)}` },
    }),
  ],
  build: {
    outDir: process.env.RINGBACK_WEB_OUT ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy has neither inline scripts nor data: scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The phone; the page of rooms, which the server serves at /r/NAME; and the page to learn from, at /learn.
    rollupOptions: { input: ['index.html', 'room.html', 'learn.html'] },
  },
  server: {
    // `npm run dev` beside a running Ringback with its default listeners.
    proxy: {
      '/ws': { target: 'ws://127.0.0.1:8080', ws: true },
      '/rooms/ws': { target: 'ws://127.0.0.1:8080', ws: true },
      // As another origin's page it would be refused.
      '/api': {
        target: 'http://127.0.0.1:8080',
        headers: { origin: 'http://127.0.0.1:8080' },
        changeOrigin: true,
      },
    },
  },
});
