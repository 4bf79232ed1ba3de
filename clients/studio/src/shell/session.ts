/** Who is signed in: a token in this tab's own storage, and how to get another when it ends. */

import { computed, signal } from "@preact/signals";
import { Auteur } from "auteur-client";

export interface Config {
  live_url: string;
  supabase: { auth_url: string; anon_key: string } | null;
  development_sign_in: boolean;
}

/** What is kept of a sign-in. */
interface Kept {
  token: string;
  refresh: string | null;
}

const KEPT = "auteur.session";

export const config = signal<Config | null>(null);
const kept = signal<Kept | null>(read());
/** The token that the API has refused. */
const refused = signal<string | null>(null);

export const isSignedIn = computed(() => kept.value !== null);
/** Somebody was signed in and is no longer: what is open stays, and they are asked to sign in. */
export const hasExpired = computed(() => kept.value !== null && refused.value === kept.value.token);
/** The address in the token. */
export const email = computed(() => claims(kept.value?.token).email ?? "");

const waiting: ((token: string) => void)[] = [];
let given: string | null = null;

/** The client of this page. Requests made while the sign-in is shown go out after it. */
export let client: Auteur;

export async function start(): Promise<void> {
  const answer = await fetch("/studio/config.json");
  if (!answer.ok) throw new Error("The server cannot be reached.");
  config.value = (await answer.json()) as Config;
  client = new Auteur({ url: location.origin, liveUrl: config.value.live_url, token });
}

/** The token, as the client asks for it: first, and again whenever the one before was refused. */
async function token(): Promise<string> {
  const now = kept.value;
  if (now && now.token !== given) return (given = now.token);
  if (now?.refresh && (await refreshed(now.refresh))) return (given = kept.value!.token);
  refused.value = now?.token ?? "";
  return new Promise((resolve) => waiting.push(resolve));
}

function keep(next: Kept): void {
  const before = claims(kept.value?.token).sub;
  kept.value = next;
  sessionStorage.setItem(KEPT, JSON.stringify(next));
  refused.value = null;
  // What waits was asked by one person, and is not sent as another.
  if (before && before !== claims(next.token).sub) return location.reload();
  if (waiting.length) given = next.token;
  for (const resolve of waiting.splice(0)) resolve(next.token);
}

export function signOut(): void {
  sessionStorage.removeItem(KEPT);
  location.hash = "";
  location.reload();
}

/** Take a token that was given in another way. */
export function useToken(text: string): void {
  if (!claims(text).sub) throw new Error("That is not an access token.");
  keep({ token: text, refresh: null });
}

export async function signInForDevelopment(address: string): Promise<void> {
  const answer = await fetch("/studio/sign-in", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: address }),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.errors?.[0]?.detail ?? told.detail);
  keep({ token: told.access_token, refresh: null });
}

export async function signInBySupabase(address: string, password: string): Promise<void> {
  const told = await supabase("password", { email: address, password });
  keep({ token: told.access_token, refresh: told.refresh_token });
}

async function refreshed(refresh: string): Promise<boolean> {
  try {
    const told = await supabase("refresh_token", { refresh_token: refresh });
    keep({ token: told.access_token, refresh: told.refresh_token });
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
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.msg ?? told.error_description ?? "The sign-in was refused.");
  return told;
}

function read(): Kept | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
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
