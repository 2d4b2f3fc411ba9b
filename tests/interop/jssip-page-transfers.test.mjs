// Transfers with a plain page with JsSIP from npm.
import { enterOwnNetwork } from './harness/netns.mjs';
import { plainPageTransfers } from './harness/plain-page-transfers.mjs';

await enterOwnNetwork(import.meta.filename);
plainPageTransfers('jssip');
