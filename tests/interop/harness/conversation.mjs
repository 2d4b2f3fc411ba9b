// Two people in a call, each with a tone of its own.

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
