/** The account: credits, plan, and the features that are offered. */

import { signal } from "@preact/signals";
import { unwrap } from "auteur-client";
import { client } from "./session";
import type { Feature } from "./types";

export const balance = signal<number | null>(null);
export const features = signal<Feature[]>([]);
/** Content types that can be uploaded. */
export const accepted = signal<string[]>([]);

export async function loadAccount(): Promise<void> {
  await unwrap(client.api.POST("/auth/verify")); // a user's first token creates the account
  const [catalogue] = await Promise.all([unwrap(client.api.GET("/features")), loadBalance()]);
  features.value = catalogue.features;
  accepted.value = Object.values(catalogue.content_types).flat();
}

export async function loadBalance(): Promise<void> {
  balance.value = (await unwrap(client.api.GET("/credits"))).balance;
}

export function featureOf(type: string): Feature | undefined {
  return features.value.find((feature) => feature.type === type);
}
