// Who is signed in. The cookie is read by no script; what a page knows is a token that it sends
// along, so that no other page can act with the cookie.
import { api, problemOf, Problem, send, type Schemas } from './client';

type State = 'unknown' | 'in' | 'out';
const KNOWN = 'weft-signed-in'; // that there may be a cookie; who it is for, the server says

class Session {
  state = $state<State>('unknown');
  name = $state('');
  tenant = $state('');
  /** Why one has to sign in again; empty at first. */
  reason = $state<'' | 'over' | 'left'>('');
  token = '';
  #changing = false; // the password: with it the cookie and the token
  #refused = false;
  #actions = $state<ReadonlySet<string>>(new Set());

  /** Whether the policy allows this person an action, as far as it is about no one thing. */
  may(action: string): boolean {
    return this.#actions.has(action);
  }

  /** Take up the session of the cookie, if there is one. */
  async resume(): Promise<void> {
    if (localStorage.getItem(KNOWN) === null) {
      this.state = 'out';
      return;
    }
    try {
      const response = await fetch('/api/v1/sessions/browser', { cache: 'no-store' });
      if (!response.ok) {
        if (response.status >= 500 || response.status === 429) throw await problemOf(response);
        this.#leave('over');
        return;
      }
      await this.#enter((await response.json()) as Schemas['BrowserSession']);
    } catch {
      // The server does not answer yet, or says nothing of the session: the page stays as it is, and tries again.
      setTimeout(() => void this.resume(), 2000);
    }
  }

  /** Sign in; raise a `Problem` that says why not. */
  async signIn(name: string, password: string): Promise<void> {
    const response = await fetch('/api/v1/sessions/browser', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name, password }),
      cache: 'no-store',
    });
    if (!response.ok) throw await problemOf(response);
    const opened = (await response.json()) as Schemas['BrowserSession'];
    const kept = await fetch('/api/v1/sessions/browser', { cache: 'no-store' });
    if (!kept.ok) {
      throw new Problem(0, 'no_cookie', 'This browser did not keep the cookie that signs in.', 'Allow cookies for this address, or open Weft over HTTPS.');
    }
    await this.#enter(opened);
  }

  /** End the session, here and on the server; raise a `Problem` where it goes on there. */
  async signOut(): Promise<void> {
    try {
      await send('/api/v1/sessions/current', { method: 'DELETE' });
    } catch (error) {
      if (!(error instanceof Problem && error.status === 401)) throw error; // 401: it is over already
    }
    this.#leave('left');
  }

  /** Change the password and go on with a new cookie and token; return how many sessions ended. */
  async changePassword(old: string, fresh: string): Promise<number> {
    this.#changing = true;
    this.#refused = false;
    try {
      const done = await api.post('/sessions/password', { body: { old, new: fresh } });
      this.token = done.token ?? '';
      return done.sessions_ended;
    } finally {
      this.#changing = false;
      if (this.#refused) void this.resume();
    }
  }

  /** The server no longer knows the session. */
  lost(): void {
    // What was on its way with the old cookie while the password changed says nothing of the new one.
    if (this.#changing) this.#refused = true;
    else if (this.state === 'in') this.#leave('over');
  }

  #leave(reason: 'over' | 'left'): void {
    this.token = '';
    localStorage.removeItem(KNOWN);
    this.#actions = new Set();
    this.reason = reason;
    this.state = 'out';
  }

  async #enter(opened: Schemas['BrowserSession']): Promise<void> {
    this.token = opened.token;
    localStorage.setItem(KNOWN, 'yes');
    this.name = opened.name;
    this.tenant = opened.tenant;
    const response = await fetch('/api/v1/whoami', { cache: 'no-store' });
    if (!response.ok) throw await problemOf(response);
    const who = (await response.json()) as Schemas['WhoAmI'];
    this.#actions = new Set(who.actions);
    this.reason = '';
    this.state = 'in';
  }
}

export const session = new Session();
