// A plain page with JsSIP from npm and a SIP phone hold each other, the SIP phone first.
import { enterOwnNetwork } from './harness/netns.mjs';
import { mutualHoldScenarios } from './harness/plain-page-holds.mjs';

await enterOwnNetwork(import.meta.filename);
mutualHoldScenarios('jssip', 'phone');
