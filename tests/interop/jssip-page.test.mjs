// A plain page with JsSIP from npm.
import { enterOwnNetwork } from './harness/netns.mjs';
import { plainPageCalls } from './harness/plain-page-calls.mjs';

await enterOwnNetwork(import.meta.filename);
plainPageCalls('jssip');
