// Both sides of a call hold it, in every order, and both are heard again.
import { assertAnswered, recordOf } from './cdr.mjs';
import { assertSilence } from './conversation.mjs';
import { scenario } from './evidence.mjs';
import { pageAndPhones } from './page-and-phones.mjs';

/** What is first to hold is the page of `library`, or the SIP phone. Run in a network of its own. */
export function mutualHoldScenarios(library, first) {
  const house = pageAndPhones([library]);
  const [last] = ['page', 'phone'].filter((side) => side !== first);
  const holds = [first, last];
  const who = { page: 'the page', phone: 'the SIP phone' }[first];

  for (const [name, resumes] of [
    [`${who} holds first and resumes first`, [first, last]],
    [`${who} holds first and resumes last`, [last, first]],
  ]) {
    scenario(`both hold: ${name}`, async () => {
      const page = await house.openAlice(library);
      const phone = await house.startBob();
      const ear = house.earOf(phone);
      const sides = {
        page: {
          hold: () => page.hold().then(() => page.call('held-local')),
          resume: () => page.resume().then(() => page.call('active')),
        },
        phone,
      };
      const cdr = await recordOf(house.server, async () => {
        await house.talk(page, phone);
        await house.bothHear(page, phone);
        for (const side of holds) await sides[side].hold();
        // What JsSIP hears is its own to say: it answers a re-INVITE with sendrecv although it holds.
        const silent = library === 'jssip' ? [ear] : [page, ear];
        await assertSilence(...silent);
        await sides[resumes[0]].resume();
        await assertSilence(...(resumes[0] === 'page' ? [page, ear] : silent));
        await sides[resumes[1]].resume();
        await house.bothHear(page, phone);
        await page.hangUp();
        await phone.closed();
      });
      assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller', talked: 8_000 });
    });
  }
}
