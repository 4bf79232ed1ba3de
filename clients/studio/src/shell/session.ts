/** Stores the token in this tab's session storage, and renews it when it expires. */

import { computed, signal } from "@preact/signals";
import { Auteur } from "auteur-client";

export interface Config {
  live_url: string;
  supabase: { auth_url: string; anon_key: string } | null;
  development_sign_in: boolean;
}

/** A sign-in, as it is stored. */
interface Session {
  token: string;
  refresh: string | null;
}

const SESSION_KEY = "auteur.session";

export const config = signal<Config | null>(null);
const session = signal<Session | null>(read());
/** The token that the API has refused. */
const refused = signal<string | null>(null);

export const isSignedIn = computed(() => session.value !== null);
/** True if the token has expired: the page stays open and asks for a new sign-in. */
export const hasExpired = computed(() => session.value !== null && refused.value === session.value.token);
/** The email address in the token. */
export const email = computed(() => claims(session.value?.token).email ?? "");

const waiting: ((token: string) => void)[] = [];
let lastToken: string | null = null;

/** The client of this page. Requests wait while the sign-in is shown. */
export let client: Auteur;

export async function start(): Promise<void> {
  const answer = await fetch("/studio/config.json");
  if (!answer.ok) throw new Error("The server cannot be reached.");
  config.value = (await answer.json()) as Config;
  client = new Auteur({ url: location.origin, liveUrl: config.value.live_url, token: getToken });
}

/** Return the token; the client calls this first, and after each 401. */
async function getToken(): Promise<string> {
  const now = session.value;
  if (now && now.token !== lastToken) return (lastToken = now.token);
  if (now?.refresh && (await refreshToken(now.refresh))) return (lastToken = session.value!.token);
  refused.value = now?.token ?? "";
  return new Promise((resolve) => waiting.push(resolve));
}

function saveSession(next: Session): void {
  const before = claims(session.value?.token).sub;
  session.value = next;
  sessionStorage.setItem(SESSION_KEY, JSON.stringify(next));
  refused.value = null;
  // Waiting requests of one user must not be sent as another.
  if (before && before !== claims(next.token).sub) return location.reload();
  if (waiting.length) lastToken = next.token;
  for (const resolve of waiting.splice(0)) resolve(next.token);
}

export function signOut(): void {
  sessionStorage.removeItem(SESSION_KEY);
  location.hash = "";
  location.reload();
}

/** Use a pasted access token. */
export function useToken(text: string): void {
  if (!claims(text).sub) throw new Error("This text is not an access token. Paste the whole token.");
  saveSession({ token: text, refresh: null });
}

export async function signInForDevelopment(address: string): Promise<void> {
  const answer = await fetch("/studio/sign-in", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: address }),
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.errors?.[0]?.detail ?? reply.detail);
  saveSession({ token: reply.access_token, refresh: null });
}

export async function signInBySupabase(address: string, password: string): Promise<void> {
  const reply = await supabase("password", { email: address, password });
  saveSession({ token: reply.access_token, refresh: reply.refresh_token });
}

async function refreshToken(refresh: string): Promise<boolean> {
  try {
    const reply = await supabase("refresh_token", { refresh_token: refresh });
    saveSession({ token: reply.access_token, refresh: reply.refresh_token });
    return true;
  } catch {
    return false;
  }
}

async function supabase(grant: string, body: object): Promise<{ access_token: string; refresh_token: string }> {
  const { auth_url, anon_key } = config.value!.supabase!;
  const answer = await fetch(`${auth_url}/token?grant_type=${grant}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", apikey: anon_key },
    body: JSON.stringify(body),
  });
  const reply = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(reply.msg ?? reply.error_description ?? "The sign-in was refused.");
  return reply;
}

function read(): Session | null {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION_KEY) ?? "null");
  } catch {
    return null;
  }
}

function claims(token: string | undefined): { sub?: string; email?: string } {
  try {
    const part = token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(part));
  } catch {
    return {};
  }
}
