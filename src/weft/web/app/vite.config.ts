// The build: files with names that change with their content, each compressed beforehand, and
// nothing that the content security policy would stop (no inline script, style or data: asset).
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';
import { world } from './tools/world.ts';

const WORTH_BYTES = 512; // below it a header costs more than compression saves

function compressed(): Plugin {
  let folder = '';
  return {
    name: 'compressed',
    apply: 'build',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      if (!existsSync(join(folder, 'assets'))) return; // the build failed, and says why
      for (const directory of [folder, join(folder, 'assets')]) {
        for (const entry of readdirSync(directory, { withFileTypes: true })) {
          if (!entry.isFile() || !/\.(html|js|mjs|css|svg|json|pbf)$/.test(entry.name)) continue;
          const file = join(directory, entry.name);
          const content = readFileSync(file);
          if (content.length < WORTH_BYTES) continue;
          writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
          writeFileSync(
            `${file}.br`,
            brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
          );
        }
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), world(), compressed()],
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200, // the map is large, and loaded only when it is asked for
  },
  server: {
    proxy: { '/api': process.env['WEFT_URL'] ?? 'http://127.0.0.1:8080', '/web': process.env['WEFT_URL'] ?? 'http://127.0.0.1:8080' },
  },
});
