/** The sign-in form, also shown over the page when the token has expired. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Dialog } from "./Dialog";
import { reason } from "./notices";
import {
  config,
  email,
  signInBySupabase,
  signInForDevelopment,
  signOut,
  useToken,
} from "./session";

export function SignIn({ isAgain = false }: { isAgain?: boolean }) {
  if (isAgain) {
    return (
      <Dialog title="Sign in again" class="narrow">
        <p class="muted">
          Your session has ended. Your project stays open, and edits that are not saved yet are saved after you
          sign in.
        </p>
        <Ways />
        <p class="aside">
          <button class="link" type="button" onClick={signOut}>Sign out instead</button>
        </p>
      </Dialog>
    );
  }
  return (
    <main class="welcome" id="main">
      <div class="card">
        <h1><span class="logo" aria-hidden="true" />Auteur Studio</h1>
        <p class="muted">Upload a video, edit it like text, add AI effects, export.</p>
        <Ways />
      </div>
    </main>
  );
}

function Ways() {
  const { supabase, development_sign_in } = config.value!;
  return (
    <>
      {supabase && (
        <Way action="Sign in" onSubmit={(form) => signInBySupabase(form.email!, form.password!)}>
          <label>Email <input name="email" type="email" autocomplete="username" required value={email.value} /></label>
          <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
        </Way>
      )}
      {development_sign_in && (
        <Way action="Sign in for development" onSubmit={(form) => signInForDevelopment(form.address!)}>
          <label>
            Email address
            <input name="address" type="email" required value={email.value || "you@example.com"} />
            <small>On your own computer any address works, without a password. A new one gets 100 credits.</small>
          </label>
        </Way>
      )}
      <details open={!supabase && !development_sign_in}>
        <summary>Use an access token</summary>
        <Way action="Use this token" onSubmit={async (form) => useToken(form.token!.trim())}>
          <label>
            Access token
            <textarea name="token" rows={3} required spellcheck={false} autocomplete="off" />
            <small><code>manage.py issue_token --email you@example.com</code> prints one.</small>
          </label>
        </Way>
      </details>
    </>
  );
}

interface WayProps {
  action: string;
  onSubmit: (form: Record<string, string>) => Promise<void>;
  children: ComponentChildren;
}

function Way({ action, onSubmit, children }: WayProps) {
  const why = useSignal("");
  const isBusy = useSignal(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    why.value = "";
    isBusy.value = true;
    try {
      await onSubmit(Object.fromEntries(form) as Record<string, string>);
    } catch (error) {
      why.value = reason(error);
    }
    isBusy.value = false;
  };
  return (
    <form class="stack" onSubmit={submit}>
      {children}
      {why.value && <p class="wrong" role="alert">{why.value}</p>}
      <button class="primary" disabled={isBusy.value}>{action}</button>
    </form>
  );
}
