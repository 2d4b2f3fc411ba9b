// A machine that stands still for a moment, as a shared one does: nobody speaks meanwhile, and what is heard tells nothing
// of who was to be heard.

const TICK_MS = 20;
/** A telephone's own buffer bridges less than this. */
const NOTICED_MS = 250;
/** How often one listens again. */
const PATIENCE = 3;

let lastTick = performance.now();
let lastStandstill = -Infinity;

setInterval(tick, TICK_MS).unref();

function tick() {
  const now = performance.now();
  if (now - lastTick > NOTICED_MS) lastStandstill = now;
  lastTick = now;
}

/**
 * What `listen` hears; listens again if the machine stood still meanwhile.
 *
 * @param {() => Promise<import('./tones.mjs').Sound>} listen
 */
export async function undisturbed(listen) {
  for (let again = 0; ; again += 1) {
    const begun = performance.now();
    const heard = await listen();
    tick();
    if (lastStandstill < begun || again === PATIENCE) return heard;
  }
}
