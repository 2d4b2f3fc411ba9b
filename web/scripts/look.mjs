// Looks at the page as a user would: builds it with its demo scenes, serves it under the policy of the server,
// takes a picture of each scene in light and dark, wide and narrow, and runs axe-core on each.
// Fails on a serious accessibility violation, a blocked resource or an error on the console.
//
//   npm run look [-- FOLDER [SCENE]]        pictures go to FOLDER, default test-results/look; SCENE is how the names of
//                                           those begin that are taken, as `room`
import { createServer } from 'node:http';
import { readFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { build } from 'vite';

const POLICY =
  "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self'; script-src 'self'; img-src 'self' data: ; " +
  "media-src 'self' blob: ; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const SCENES = [
  'sign-in wrong-password insecure connecting waiting registered calling ringing incoming active held to-be-held muted',
  'hung-up busy no-codec no-microphone lost markup',
  'detour no-detour no-way relayed',
].flatMap((line) => line.split(' '));
const ROOM_SCENES =
  'entry pin account waiting over alone mesh chat people invite knock lost screen stream'.split(' ');
const LEARN_SCENES = 'page connected picture wrong-server offered wrong-paste talking'.split(' ');
const VIEWS = [
  { name: 'wide-light', colorScheme: 'light', viewport: { width: 1200, height: 760 } },
  { name: 'wide-dark', colorScheme: 'dark', viewport: { width: 1200, height: 760 } },
  { name: 'phone-light', colorScheme: 'light', viewport: { width: 390, height: 844 } },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
  { name: 'narrow', colorScheme: 'light', viewport: { width: 360, height: 640 } },
];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const pictures = process.argv[2] ?? 'test-results/look';
const only = process.argv[3] ?? '';
const dist = join(tmpdir(), `ringback-look-${process.pid}`);
await mkdir(pictures, { recursive: true });
await build({ mode: 'demo', logLevel: 'warn', build: { outDir: dist, emptyOutDir: true } });

const server = createServer(async (request, response) => {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  const file = path === '/' ? '/index.html' : path;
  try {
    if (file.includes('..')) throw new Error('outside');
    const body = await readFile(join(dist, file));
    response
      .writeHead(200, { 'content-type': TYPES[extname(file)], 'content-security-policy': POLICY })
      .end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--no-first-run',
    '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream',
    '--autoplay-policy=no-user-gesture-required',
  ],
});
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const complaints = [];

for (const { name, ...options } of VIEWS) {
  const context = await browser.newContext(options);
  const pages = [
    ...SCENES.map((scene) => ({ scene, path: `/?demo=${scene}` })),
    ...ROOM_SCENES.map((scene) => ({ scene: `room-${scene}`, path: `/room.html?demo=${scene}` })),
    ...LEARN_SCENES.map((scene) => ({ scene: `learn-${scene}`, path: `/learn.html?demo=${scene}` })),
  ];
  for (const { scene, path } of pages.filter(({ scene }) => scene.startsWith(only))) {
    const page = await context.newPage();
    const where = `${name} ${scene}`;
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(`${where}: console: ${message.text()}`);
    });
    page.on('pageerror', (error) => complaints.push(`${where}: ${error.message}`));
    page.on('request', (request) => {
      if (!request.url().startsWith(origin)) complaints.push(`${where}: loads ${request.url()}`);
    });
    await page.goto(`${origin}${path}`);
    await page.waitForTimeout(300);
    if (scene === 'active' && name.startsWith('phone')) await page.getByTestId('keypad-toggle').click();
    // What is open beside the tiles.
    const tab = { chat: 'chat', people: 'people', invite: 'invite' }[scene.replace('room-', '')];
    if (tab !== undefined) await page.getByTestId(`tab-${tab}`).click();
    // A handshake takes its time, and its page is longer than a window.
    const isLearning = scene.startsWith('learn');
    await page.waitForTimeout(isLearning ? 2500 : 150);
    await page.screenshot({ path: join(pictures, `${name}-${scene}.png`), fullPage: isLearning });
    // Evaluated by the debugger, which the page's policy does not bind.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    for (const { id, impact, nodes } of violations) {
      const found = `${where}: axe ${impact} ${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`;
      if (impact === 'serious' || impact === 'critical') complaints.push(found);
      else console.log(found);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    if (wide) complaints.push(`${where}: scrolls sideways`);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('button, input')]
        .filter((element) => element.checkVisibility() && !element.closest('.visually-hidden, .check'))
        // Lines of a description are text to be read, as close as lines are; a finger gets more room.
        .filter((element) => element.dataset.testid !== 'sdp-line')
        .filter((element) => element.getBoundingClientRect().height < 44)
        .map((element) => element.dataset.testid),
    );
    if (small.length > 0) complaints.push(`${where}: under 44 px: ${small.join(' ')}`);
    await page.close();
  }
  await context.close();
}
await browser.close();
server.close();
console.log(`pictures are in ${pictures}`);
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length > 0 ? 1 : 0;
