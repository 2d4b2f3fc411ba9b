// A plain page with SIP.js from npm.
import { enterOwnNetwork } from './harness/netns.mjs';
import { plainPageCalls } from './harness/plain-page-calls.mjs';

await enterOwnNetwork(import.meta.filename);
plainPageCalls('sipjs');
