/** Why there is no microphone, in one machine word; `words.ts` has the sentence for each. */
export type MicrophoneProblem =
  'insecure-page' | 'microphone-refused' | 'microphone-missing' | 'microphone-busy' | 'microphone-failed';

/** Opens the microphone, or throws `NoMicrophone`. */
export type OpenMicrophone = () => Promise<MediaStream>;

export class NoMicrophone extends Error {
  override readonly name = 'NoMicrophone';
  constructor(
    readonly problem: MicrophoneProblem,
    options?: ErrorOptions,
  ) {
    super(problem, options);
  }
}

/**
 * Asks the browser for the microphone.
 *
 * `devices` is undefined in a page that the browser does not trust: plain http off loopback
 * ([Media Capture §10.1](https://www.w3.org/TR/mediacapture-streams/#mediadevices)).
 */
export async function openMicrophone(devices: MediaDevices | undefined): Promise<MediaStream> {
  if (devices === undefined) throw new NoMicrophone('insecure-page');
  try {
    return await devices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      video: false,
    });
  } catch (error) {
    throw new NoMicrophone(problemOf(error), { cause: error });
  }
}

export function close(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function problemOf(error: unknown): MicrophoneProblem {
  switch (error instanceof Error || error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'microphone-refused';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'microphone-missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'microphone-busy';
    default:
      return 'microphone-failed';
  }
}
