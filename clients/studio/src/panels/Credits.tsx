/** The balance and its history. */

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { unwrap } from "auteur-client";
import { balance, loadBalance } from "../shell/account";
import { Dialog } from "../shell/Dialog";
import { credits, when, words } from "../shell/format";
import { notify } from "../shell/notices";
import { client } from "../shell/session";
import type { Transaction } from "../shell/types";

export const isCreditsOpen = signal(false);

export function CreditsDialog() {
  if (!isCreditsOpen.value) return null;
  return (
    <Dialog title="Credits" onClose={() => (isCreditsOpen.value = false)}>
      <History />
    </Dialog>
  );
}

function History() {
  const rows = useSignal<Transaction[]>([]);
  const next = useSignal<string | null>(null);
  const load = async (cursor?: string) => {
    const query = cursor ? { cursor } : {};
    const page = await unwrap(client.api.GET("/credits/history", { params: { query } }));
    rows.value = [...(cursor ? rows.value : []), ...page.transactions];
    next.value = page.next && new URL(page.next).searchParams.get("cursor");
  };
  useEffect(() => {
    Promise.all([load(), loadBalance()]).catch(notify);
  }, []);
  return (
    <>
      <p class="balance">{credits(balance.value ?? 0)}</p>
      {!rows.value.length && <p class="empty">No credits were received or spent yet.</p>}
      <div class="table" tabIndex={0} role="region" aria-label="History">
        <table>
          <thead>
            <tr><th>When</th><th>What</th><th class="number">Amount</th><th class="number">Balance</th></tr>
          </thead>
          <tbody>
            {rows.value.map((row) => (
              <tr key={row.id}>
                <td>{when(row.created_at)}</td>
                <td>{words(row.type)} <small class="muted" dir="auto">{row.description}</small></td>
                <td class={`number ${row.amount < 0 ? "" : "plus"}`}>{row.amount > 0 && "+"}{row.amount}</td>
                <td class="number">{row.balance_after}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {next.value && <button type="button" onClick={() => load(next.value!).catch(notify)}>Show more</button>}
    </>
  );
}
