// A plain page with the SimpleUser of SIP.js from npm.
import { enterOwnNetwork } from './harness/netns.mjs';
import { plainPageScenarios } from './harness/plain-page-calls.mjs';

await enterOwnNetwork(import.meta.filename);
plainPageScenarios('sipjs');
