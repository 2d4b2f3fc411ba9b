import { mount } from 'svelte';

import App from './App.svelte';
import './app.css';
import { IceServers, askForIceServers } from './lib/ice-servers';
import { jssipAgent } from './lib/jssip';
import { openMicrophone } from './lib/microphone';
import { Phone } from './lib/phone';
import { Sound } from './lib/sound';
import type { Surroundings } from './lib/surroundings';

async function surroundings(): Promise<Surroundings> {
  // Not in the production bundle: the condition is known when it is built.
  if (import.meta.env.MODE !== 'production') {
    const scene = new URLSearchParams(location.search).get('demo');
    if (scene !== null) return (await import('./demo/scenes')).stage(scene);
  }
  return {
    phone: new Phone(
      jssipAgent,
      () => openMicrophone(navigator.mediaDevices),
      new IceServers(askForIceServers, storage('sessionStorage')),
    ),
    sound: new Sound(),
    place: location,
    isSecure: isSecureContext,
    hasWebRtc: 'RTCPeerConnection' in window,
    storage: storage('localStorage'),
    locks: navigator.locks as LockManager | undefined,
  };
}

/** The getter itself throws when the user forbids storage. */
function storage(which: 'localStorage' | 'sessionStorage'): Storage | undefined {
  try {
    return window[which];
  } catch {
    return undefined;
  }
}

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
mount(App, { target, props: { surroundings: await surroundings() } });
