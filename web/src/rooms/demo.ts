/** The states of the page without a server, for `npm run dev` and for looking: `/room.html?demo=mesh`. */
import type { Path } from './path';
import { Room } from './room.svelte';
import type { Person } from './room.svelte';

/** A room in the state named `scene`. An unknown name is the form. */
export function stage(scene: string): Room {
  const room = new Room({ url: 'ws://localhost:1/', devices: undefined, session: undefined });
  const devices = ['Built-in', 'USB'].map((label) => ({ deviceId: label, label }) as MediaDeviceInfo);
  room.devices = { microphones: devices, cameras: devices };
  if (scene === 'pin')
    room.trouble = { code: 'pin_needed', says: 'This room has a PIN; ask its host for it.' };
  if (scene === 'account') {
    room.trouble = { code: 'sign_in_needed', says: 'Sign in with an account of this server to make a room.' };
  }
  if (scene === 'waiting') room.stage = { at: 'waiting' };
  if (scene === 'over') room.stage = { at: 'over', says: 'The host has ended the room.' };
  if (!['alone', 'mesh', 'chat', 'people', 'invite', 'knock', 'lost', 'screen', 'stream'].includes(scene))
    return room;
  room.stage = { at: 'inside' };
  [room.room, room.name, room.isHost] = ['k3vqa-h2mxt-7bnpc-rw4ed', 'Ada', true];
  if (scene === 'alone') return room;
  const away = scene === 'lost';
  room.people = [
    person(2, 'Grace Hopper', { kind: 'direct' }, { stream: picture(160) }),
    person(3, 'Bob Okonkwo', { kind: 'stun' }, { microphone: false, away }),
    person(4, '<img src=x onerror=alert(1)>', { kind: 'relay', by: 'tls' }, { stream: picture(300) }),
    person(
      5,
      'Eve',
      away ? { kind: 'lost' } : { kind: 'connecting' },
      scene === 'screen' ? { screen: picture(40) } : {},
    ),
  ];
  room.rules = { locked: true, knock: scene === 'knock', pin: true };
  if (scene === 'stream') {
    room.broadcast = { id: 1, name: 'Main stage', stream: picture(100), path: { kind: 'direct' } };
    room.streamKey = { publish: 'k'.repeat(26), view: 'v'.repeat(26), whip: '/whip', whep: '/whep' };
  }
  if (scene === 'lost') room.retryAt = Date.now() + 4000;
  if (scene === 'knock') room.knocks = [{ id: 1, name: 'Mallory <b>' }];
  const line = (key: number, text: string, isOurs = false) => ({ key, from: 'Grace Hopper', isOurs, text });
  room.lines = [
    line(1, 'Hello!'),
    line(2, 'Do you see my slides?', true),
    line(3, '<b>Yes</b>, very well.\nThank you.'),
  ];
  room.transfers = [
    { key: '2-in-1', id: 1, name: 'plan.pdf', size: 3_100_000, isOurs: false, state: 'offered', bytes: 0 },
    {
      key: '3-out-1',
      id: 1,
      name: 'talk.ogg',
      size: 31_000_000,
      isOurs: true,
      state: 'running',
      bytes: 12_000_000,
    },
    {
      ...{
        key: '4-out-2',
        id: 2,
        name: 'film.mkv',
        size: 2_000_000_000,
        isOurs: true,
        state: 'stopped',
        bytes: 0,
      },
      says: 'Files of at most 100 MiB can be sent in a room.',
    },
  ];
  room.unread = 3;
  return room;
}

function person(id: number, name: string, path: Path, more: Partial<Person>): Person {
  const stream = more.stream ?? null;
  const nothing = { host: false, away: false, screen: null, microphone: true };
  return { id, name, path, ...nothing, stream, camera: stream !== null, ...more };
}

/** A moving picture. */
function picture(hue: number): MediaStream {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [640, 360];
  const context = canvas.getContext('2d');
  const draw = (): void => {
    if (context === null) return;
    context.fillStyle = `hsl(${String(hue)} 40% 45%)`;
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = `hsl(${String(hue)} 40% 75%)`;
    context.fillRect(240 + 60 * Math.sin(Date.now() / 700), 90, 160, 180);
  };
  draw();
  setInterval(draw, 100);
  return canvas.captureStream(10);
}
