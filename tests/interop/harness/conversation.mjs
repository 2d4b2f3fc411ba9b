// Two people in a call, each with a tone of its own.
import { assertAnswered, recordOf } from './cdr.mjs';
import { TONES } from './tones.mjs';

/**
 * Fails unless each hears the other's tone and not its own. Each side is what listens and the tone it speaks with.
 *
 * @param {[{listen: () => Promise<import('./tones.mjs').Sound>}, number]} one
 * @param {[{listen: () => Promise<import('./tones.mjs').Sound>}, number]} other
 */
export async function assertHearEachOther([one, toneOfOne], [other, toneOfOther]) {
  const [atOne, atOther] = await Promise.all([one.listen(), other.listen()]);
  atOne.assertOnly(toneOfOther);
  atOther.assertOnly(toneOfOne);
}

/** Fails if either hears a tone. */
export async function assertSilence(...ears) {
  for (const sound of await Promise.all(ears.map((ear) => ear.listen()))) sound.assertNone();
}

/**
 * Alice calls Bob, whose telephone answers by itself; each hears the other, Bob hangs up, and the record says so.
 *
 * @param {object} server that keeps the record
 * @param {import('./baresip.mjs').Baresip} alice who speaks with the first tone
 * @param {import('./baresip.mjs').Baresip} bob who speaks with the second
 * @param {() => Promise<void>} [meanwhile] what else holds once they are connected
 */
export async function assertPhonesTalk(server, alice, bob, meanwhile = async () => {}) {
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await Promise.all([alice.established(), bob.established()]);
    await meanwhile();
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bob.hangUp();
    await alice.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
}

/**
 * Alice in a browser calls Bob, who picks up his telephone; each hears the other, and Bob hangs up. The record of the call.
 *
 * @param {object} server that keeps the record
 * @param {object} alice the phone of a page, which speaks with the first tone
 * @param {import('./baresip.mjs').Baresip} bob who speaks with the second
 * @param {() => Promise<void>} [meanwhile] what else happens once they hear each other
 * @param {() => Promise<void>} [connected] what is waited for before they listen
 */
export function pageCallsPhone(server, alice, bob, meanwhile, connected) {
  return recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await talk(alice, bob, meanwhile, connected);
  });
}

/** The same the other way round: Bob calls, and hangs up. */
export function phoneCallsPage(server, alice, bob, meanwhile, connected) {
  return recordOf(server, async () => {
    await bob.dial('alice');
    await alice.call('incoming');
    await alice.accept();
    await talk(alice, bob, meanwhile, connected);
  });
}

async function talk(alice, bob, meanwhile = async () => {}, connected = async () => {}) {
  await alice.call('active');
  await bob.established();
  await connected();
  await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
  await meanwhile();
  await bob.hangUp();
  await alice.ended('far-hung-up');
}

/** Fails unless each of these hears the tones of the others, and not its own. */
export async function assertAllHear(...people) {
  const sounds = await Promise.all(people.map(([phone]) => phone.listen()));
  sounds.forEach((sound, own) => {
    people.forEach(([, tone], other) => (own === other ? sound.assertLacks(tone) : sound.assertHas(tone)));
  });
}
