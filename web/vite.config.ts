import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defaultClientConditions, defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a server: a real one, or `npm run mock`. */
const server = process.env['HUNTCORE_URL'] ?? 'http://127.0.0.1:7070';

export default defineConfig({
  // Relative, so that the console works under any path it is embedded at.
  base: './',
  plugins: [svelte()],
  // The client beside the console is taken as its sources: nothing else has to be built first.
  resolve: { conditions: ['huntcore-source', ...defaultClientConditions] },
  ssr: { resolve: { conditions: ['huntcore-source', ...defaultServerConditions] } },
  build: {
    target: 'es2022',
    // Everything stays a file of its own: the server may forbid inline data.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
  },
  server: {
    // The client lies beside the console.
    fs: { allow: ['..'] },
    proxy: {
      '/v1': { target: server, ws: true },
      '/healthz': server,
    },
  },
  test: {
    include: ['tests/unit/**/*.test.ts'],
    environment: 'node',
  },
});
