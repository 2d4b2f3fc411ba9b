import type { Place } from './account';
import type { Phone } from './phone';
import type { Sound } from './sound';

/** What the page finds in its browser. */
export interface Surroundings {
  readonly phone: Phone;
  readonly sound: Sound;
  readonly place: Place;
  /** Whether the browser trusts the page with a microphone. */
  readonly isSecure: boolean;
  readonly hasWebRtc: boolean;
  /** Undefined when the user forbids storage. */
  readonly storage: Storage | undefined;
  /** Undefined in insecure pages. */
  readonly locks: LockManager | undefined;
}
