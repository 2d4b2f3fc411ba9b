import { mount } from 'svelte';

import RoomPage from './components/RoomPage.svelte';
import '../app.css';
import type { Room } from './room.svelte';

async function open(): Promise<Room> {
  // Not in the production bundle: the condition is known when it is built.
  if (import.meta.env.MODE !== 'production') {
    const scene = new URLSearchParams(location.search).get('demo');
    if (scene !== null) return (await import('./demo')).stage(scene);
  }
  const { Room } = await import('./room.svelte');
  const room = new Room({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/rooms/ws`,
    devices: navigator.mediaDevices as MediaDevices | undefined,
    session: session(),
  });
  addEventListener('pagehide', () => room.stop());
  // A page that the browser has kept has left the room: loaded anew it comes back into it.
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) location.reload();
  });
  return room;
}

/** The getter itself throws when the user forbids storage. */
function session(): Storage | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined;
  }
}

const target = document.getElementById('app');
if (target === null) throw new Error('room.html has no #app');
mount(RoomPage, { target, props: { room: await open(), link: location } });
