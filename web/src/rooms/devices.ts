import { close } from '../lib/microphone';

/** The devices that a person can choose from. */
export interface Choice {
  readonly microphones: readonly MediaDeviceInfo[];
  readonly cameras: readonly MediaDeviceInfo[];
}

export async function choice(devices: MediaDevices | undefined): Promise<Choice> {
  const all = devices === undefined ? [] : await devices.enumerateDevices();
  // Before the user has allowed anything, devices are there without an id.
  const named = all.filter(({ deviceId }) => deviceId !== '');
  return {
    microphones: named.filter(({ kind }) => kind === 'audioinput'),
    cameras: named.filter(({ kind }) => kind === 'videoinput'),
  };
}

/** Opens one track, of the device that is chosen or of any. */
export async function openTrack(
  devices: MediaDevices | undefined,
  kind: 'audio' | 'video',
  deviceId: string,
): Promise<MediaStreamTrack> {
  if (devices === undefined) throw new DOMException('the page is not secure', 'SecurityError');
  const device = deviceId === '' ? {} : { deviceId: { exact: deviceId } };
  const stream = await devices.getUserMedia(
    kind === 'audio'
      ? { audio: { ...device, echoCancellation: true, noiseSuppression: true, autoGainControl: true } }
      : { video: { ...device, width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { max: 30 } } },
  );
  const track = (kind === 'audio' ? stream.getAudioTracks() : stream.getVideoTracks())[0];
  if (track === undefined) {
    close(stream);
    throw new DOMException('nothing was opened', 'NotFoundError');
  }
  return track;
}

/** What to do about a device that cannot be opened. */
export function deviceWords(kind: 'audio' | 'video' | 'screen', error: unknown): string | null {
  const device = { audio: 'microphone', video: 'camera', screen: 'screen' }[kind];
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
      // Who closes the chooser of screens has changed their mind.
      return kind === 'screen'
        ? null
        : `The browser keeps the ${device} from this page. Allow it in the address bar.`;
    case 'SecurityError':
      return `Browsers give a page its ${device} over https:// or on localhost only.`;
    case 'NotFoundError':
    case 'OverconstrainedError':
      return `There is no ${device}. Plug one in, or choose another one.`;
    default:
      return `The ${device} cannot be opened; another program may have it.`;
  }
}
