import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const api = 'http://127.0.0.1:8080';

export default defineConfig({
  // The binary serves the page under /ui/; the API is at the root of the same origin.
  base: '/ui/',
  plugins: [react()],
  build: {
    // The Content-Security-Policy allows no inline script and no data: font, so everything is a file of its own.
    assetsInlineLimit: 0,
    // React, Mantine and TanStack in one file: served from the same machine, and then from the cache.
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        // Libraries change rarely: a new version of the page leaves them in the browser's cache.
        manualChunks: (id) => (id.includes('node_modules') ? 'libraries' : undefined),
      },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ['/tickets', '/events', '/users', '/notifications', '/dead-letters', '/inbox', '/auth'].map((path) => [path, api]),
    ),
  },
});
