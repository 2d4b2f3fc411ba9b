import { mount } from 'svelte';

import LearnPage from './components/LearnPage.svelte';
import { Exchange } from './exchange.svelte';
import '../app.css';
import './learn.css';
import { Walk } from './walk.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('learn.html has no #app');

const walk = new Walk();
const exchange = new Exchange();
addEventListener('pagehide', () => {
  walk.close();
  exchange.close();
});
const page = {
  walk,
  exchange,
  hasWebRtc: ['RTCPeerConnection', 'CompressionStream'].every((name) => name in globalThis),
};

// Not in the production bundle: the condition is known when it is built.
const scene = import.meta.env.MODE === 'production' ? null : new URLSearchParams(location.search).get('demo');
if (scene === null) mount(LearnPage, { target, props: page });
else mount(LearnPage, { target, props: { ...page, mode: (await import('./demo')).stage(scene, page) } });
