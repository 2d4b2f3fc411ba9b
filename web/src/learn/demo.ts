/** The states of the page for looking: `/learn.html?demo=connected`. The handshakes are real; nothing is played. */
import { Exchange } from './exchange.svelte';
import { STEPS } from './steps';
import type { Walk } from './walk.svelte';
import type { Mode } from './words';

export const MARKUP = '<img src=x onerror=alert(1)>';

/** Brings the page into the state named `scene`. An unknown name is the beginning. */
export function stage(scene: string, { walk, exchange }: { walk: Walk; exchange: Exchange }): Mode {
  switch (scene) {
    case 'half':
      void run(walk, STEPS.length - 3);
      return 'page';
    case 'connected':
      void run(walk, STEPS.length).then(() => walk.ada.say(MARKUP));
      return 'page';
    case 'picture':
      walk.media = 'picture';
      void run(walk, STEPS.length);
      return 'page';
    case 'wrong-server':
      walk.servers = { url: 'http://example.com', user: '', password: '', relayOnly: false };
      void walk.next();
      return 'page';
    case 'start':
      return 'paste';
    case 'offered':
      void exchange.makeOffer();
      return 'paste';
    case 'wrong-paste':
      void exchange.makeOffer().then(() => exchange.take(exchange.text));
      return 'paste';
    case 'asked':
      exchange.awaitOffer();
      return 'paste';
    case 'answered':
    case 'talking':
      void meet(exchange, scene === 'talking');
      return 'paste';
    default:
      return 'page';
  }
}

async function run(walk: Walk, steps: number): Promise<void> {
  while (walk.done < steps && (await walk.next()));
}

/** Another browser, in this page. */
async function meet(exchange: Exchange, isToTheEnd: boolean): Promise<void> {
  const other = new Exchange();
  await other.makeOffer();
  exchange.awaitOffer();
  await exchange.take(other.text);
  if (!isToTheEnd) return;
  await other.take(exchange.text);
  while (!exchange.peer.isOpen) await new Promise((resolve) => setTimeout(resolve, 50));
  exchange.peer.say('Do you hear me?');
}
