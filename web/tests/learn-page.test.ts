import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';

import Description from '../src/learn/components/Description.svelte';
import LearnPage from '../src/learn/components/LearnPage.svelte';
import { Exchange } from '../src/learn/exchange.svelte';
import { STEPS } from '../src/learn/steps';
import { Walk } from '../src/learn/walk.svelte';
import { ANSWER, OFFER } from './learn-setting';

const at = (id: string): HTMLElement => screen.getByTestId(id);

function open(hasWebRtc = true): { walk: Walk; exchange: Exchange } {
  const page = { walk: new Walk(), exchange: new Exchange() };
  render(LearnPage, { ...page, hasWebRtc });
  return page;
}

// The first page that is shown brings everything with it, which takes a busy machine its time.
vi.setConfig({ testTimeout: 20_000 });
afterEach(() => vi.unstubAllGlobals());

describe('the page to learn from', () => {
  it('begins with both sides, and has another way', async () => {
    open();
    expect(at('learn').dataset['mode']).toBe('page');
    expect(screen.getAllByTestId('peer').map(({ dataset }) => dataset['name'])).toEqual(['Ada', 'Grace']);
    expect(at('next').textContent.trim()).toBe(`Next: ${STEPS[0]?.title ?? ''}`);
    await fireEvent.click(at('mode-paste'));
    expect(screen.getAllByTestId('peer').map(({ dataset }) => dataset['name'])).toEqual(['This browser']);
    expect(at('mode-paste').getAttribute('aria-pressed')).toBe('true');
  });

  it('says that a browser without WebRTC is none to learn with', () => {
    open(false);
    expect(at('no-webrtc').textContent).toContain('no WebRTC');
    expect(screen.queryByTestId('next')).toBeNull();
  });

  it('says what is wrong with a pasted text, as text, and keeps it to be mended', async () => {
    open();
    await fireEvent.click(at('mode-paste'));
    await fireEvent.click(at('have-offer'));
    const paste = async (text: string): Promise<string> => {
      await fireEvent.input(at('paste'), { target: { value: text } });
      await fireEvent.click(at('take'));
      await vi.waitFor(() => expect(at('take').hasAttribute('disabled')).toBe(false));
      return at('error').textContent;
    };
    expect(await paste('')).toContain('There is nothing in the field');
    expect(await paste('<img src=x>')).toContain('This is no offer');
    expect(await paste(ANSWER)).toContain('This is an answer, and what is due here is an offer');
    expect((at('paste') as HTMLTextAreaElement).value).toContain('v=0');
    expect(document.querySelector('img')).toBeNull();
  });

  it('refuses settings that make no sense before anything is made', async () => {
    const made = vi.fn();
    vi.stubGlobal('RTCPeerConnection', made);
    const { walk } = open();
    await fireEvent.input(at('server-url'), { target: { value: 'example.com' } });
    await fireEvent.click(at('next'));
    await vi.waitFor(() =>
      expect(at('error').textContent).toContain('is not the URL of a STUN or TURN server'),
    );
    expect(walk.done).toBe(0);
    expect(made).not.toHaveBeenCalled();
  });

  it('starts over while a step is under way, and that step counts for nothing', async () => {
    class Connection {
      signalingState = 'stable';
      iceGatheringState = 'new';
      iceConnectionState = 'new';
      connectionState = 'new';
      sctp = null;
      static answer: (description: object) => void;
      createDataChannel = () => ({ readyState: 'connecting', label: 'chat' });
      createOffer = () => new Promise<object>((resolve) => (Connection.answer = resolve));
      getStats = () => Promise.resolve(new Map());
      getSenders = () => [];
      close = () => undefined;
    }
    vi.stubGlobal('RTCPeerConnection', Connection);
    const { walk } = open();
    expect(await walk.next()).toBe(true);
    const step = walk.next();
    expect(walk.isBusy).toBe(true);
    walk.restart();
    Connection.answer({ sdp: OFFER });
    expect(await step).toBe(false);
    expect([walk.done, walk.isBusy]).toEqual([0, false]);
    walk.close();
  });
});

describe('a description', () => {
  const show = (sdp: string | null) =>
    render(Description, { name: 'Offer', says: 'Made by Ada.', testid: 'offer', sdp });

  it('explains a line when it is pressed, and all at once', async () => {
    show(OFFER);
    const lines = screen.getAllByTestId('sdp-line');
    expect(lines).toHaveLength(OFFER.trim().split('\r\n').length);
    const setup = lines.find(({ textContent }) => textContent === 'a=setup:actpass');
    if (setup === undefined) throw new Error('no such line');
    await fireEvent.click(setup);
    expect(setup.getAttribute('aria-expanded')).toBe('true');
    expect(document.getElementById(setup.getAttribute('aria-controls') ?? '')?.textContent).toContain(
      'Who begins the DTLS handshake',
    );
    await fireEvent.click(setup);
    expect(screen.queryByTestId('explained')).toBeNull();
    await fireEvent.click(at('explain-all'));
    expect(screen.getAllByTestId('explained')).toHaveLength(lines.length);
  });

  it('is one stop of the Tab key, and is walked through by the arrow keys', async () => {
    show(OFFER);
    const lines = screen.getAllByTestId('sdp-line');
    const stops = (): string[] =>
      lines.filter(({ tabIndex }) => tabIndex === 0).map(({ textContent }) => textContent);
    expect(stops()).toEqual(['v=0']);
    lines[0]?.focus();
    const press = async (key: string): Promise<void> => {
      const { activeElement } = document;
      if (activeElement !== null) await fireEvent.keyDown(activeElement, { key });
      await tick();
    };
    await press('ArrowDown');
    expect(document.activeElement).toBe(lines[1]);
    expect(stops()).toHaveLength(1);
    await press('End');
    expect(document.activeElement).toBe(lines.at(-1));
    await press('ArrowDown');
    expect(document.activeElement).toBe(lines.at(-1));
    await press('Home');
    expect(document.activeElement).toBe(lines[0]);
  });

  it('shows markup as text', () => {
    show('v=0\r\na=x:<img src=x onerror=alert(1)>\r\n');
    expect(within(at('offer')).getByText('a=x:<img src=x onerror=alert(1)>')).toBeTruthy();
    expect(document.querySelector('img')).toBeNull();
  });
});
