// Builds the pages: node build.mjs NAME=FOLDER ... -> dist/NAME for each page, and dist/shared for what they share.
//
// Every file but index.html, sw.js, icon and manifest has the hash of its content in its name, so that browsers may keep
// it for ever. A page's package.json may name files of packages to copy: {"shared": {"ort": ["package/file", ...]}}.

import {createHash} from 'node:crypto';
import {cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {basename, dirname, extname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = process.env.PORTRAITNET_DIST ? resolve(process.env.PORTRAITNET_DIST) : join(HERE, 'dist');
const MODULES = join(HERE, 'node_modules');
const LITERT = ['litert_wasm_internal', 'litert_wasm_compat_internal', 'litert_wasm_threaded_internal'];
const COPIED = new Set(['.svg', '.webmanifest', '.png']);

const hashOf = (...contents) => {
  const hash = createHash('sha256');
  for (const content of contents) hash.update(content);
  return hash.digest('hex').slice(0, 10);
};

/** Copy files into a folder of `shared` whose name has their hash; gives the folder's name. */
function copyShared(out, name, files) {
  const folder = `${name}-${hashOf(...files.map((file) => readFileSync(file)))}`;
  mkdirSync(join(out, folder), {recursive: true});
  for (const file of files) cpSync(file, join(out, folder, basename(file)));
  return folder;
}

const common = {
  bundle: true, minify: true, write: true, legalComments: 'none', logLevel: 'warning', target: ['es2022', 'safari16.4'],
  loader: {'.glsl': 'text', '.jpg': 'file', '.svg': 'file'}, nodePaths: [MODULES], metafile: true,
  assetNames: '[name]-[hash]',
};

const outputsOf = (result, ending) => Object.keys(result.metafile.outputs).filter((name) => name.endsWith(ending));

async function buildShared(out) {
  const files = LITERT.flatMap((name) => ['.js', '.wasm'].map((end) => join(MODULES, '@litertjs/core/wasm', name + end)));
  const litert = copyShared(out, 'litert', files);
  const sizes = Object.fromEntries(files.map((file) => [basename(file), statSync(file).size]));
  const worker = await build({
    ...common, entryPoints: [join(HERE, 'engine/worker.js')], outdir: out, format: 'iife', entryNames: '[name]-[hash]',
  });
  const names = {
    __WORKER__: JSON.stringify(basename(outputsOf(worker, '.js')[0])),
    __LITERT__: JSON.stringify(`${litert}/`),
    __SIZES__: JSON.stringify(sizes),
  };
  await build({
    ...common, entryPoints: [join(HERE, 'engine/index.js')], outfile: join(out, 'engine.js'), format: 'esm',
    define: {...names, __BASE__: '"./"'},
  });
  return names;
}

async function buildPage(name, folder, out, names) {
  mkdirSync(out, {recursive: true});
  const settings = existsSync(join(folder, 'package.json')) ? JSON.parse(readFileSync(join(folder, 'package.json'))) : {};
  const defines = {...names, __BASE__: '"./shared/"'};
  for (const [short, files] of Object.entries(settings.shared ?? {})) {
    const shared = copyShared(join(out, '../shared'), short, files.map((file) => join(folder, 'node_modules', file)));
    defines[`__${short.toUpperCase()}__`] = JSON.stringify(`shared/${shared}/`);
  }
  let index = readFileSync(join(folder, 'index.html'), 'utf8');
  const entries = [...index.matchAll(/(?:src|href)="([\w-]+\.(?:js|css))"/g)].map((match) => match[1]);
  const built = await build({
    ...common, entryPoints: entries.map((entry) => join(folder, entry)), outdir: out, format: 'esm',
    entryNames: '[name]-[hash]', define: defines, alias: {'portraitnet-web': join(HERE, 'engine/index.js')},
  });
  for (const entry of entries) {
    const stem = basename(entry, extname(entry));
    const hashed = Object.keys(built.metafile.outputs).map((path) => basename(path))
      .find((path) => path.startsWith(`${stem}-`) && path.endsWith(extname(entry)));
    index = index.replace(`"${entry}"`, `"${hashed}"`);
  }
  writeFileSync(join(out, 'index.html'), index);
  for (const file of readdirSync(folder)) if (COPIED.has(extname(file))) cpSync(join(folder, file), join(out, file));
  if (!existsSync(join(folder, 'sw.js'))) return;
  // The worker's own text changes with any file, which is what makes browsers replace what they keep.
  const shared = [names.__WORKER__, ...LITERT.map((file) => JSON.stringify(`${JSON.parse(names.__LITERT__)}${file}.js`))];
  const kept = [...readdirSync(out), ...shared.map((file) => `shared/${JSON.parse(file)}`)].sort();
  const version = hashOf(...kept.map((file) => file + readFileSync(join(out, file.startsWith('shared/') ? '..' : '', file))));
  const text = readFileSync(join(folder, 'sw.js'), 'utf8');
  writeFileSync(join(out, 'sw.js'), text
    .replace("'__VERSION__'", JSON.stringify(version))
    .replace("'__FILES__'", JSON.stringify(['', ...kept.filter((file) => file !== 'index.html')])));
}

const pages = process.argv.slice(2).map((argument) => argument.split('='));
const fresh = `${OUT}.new`;
rmSync(fresh, {recursive: true, force: true});
mkdirSync(join(fresh, 'shared'), {recursive: true});
const names = await buildShared(join(fresh, 'shared'));
for (const [name, folder] of pages) await buildPage(name, resolve(folder), join(fresh, name), names);
rmSync(OUT, {recursive: true, force: true}); // replaced at once: a server that reads it finds the old or the new
renameSync(fresh, OUT);
