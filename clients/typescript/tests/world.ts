/** The stack that the tests run against, and what they do over and over. */

import { openAsBlob } from "node:fs";
import { basename } from "node:path";

import { Auteur, unwrap, type Media } from "../src/index.js";

export const URL_ = env("AUTEUR_URL");
export const LIVE_URL = env("AUTEUR_LIVE_URL");
/** Of a user with credits. */
export const TOKEN = env("AUTEUR_TOKEN");
/** Of a user without any. */
export const POOR_TOKEN = env("AUTEUR_POOR_TOKEN");

export const auteur = new Auteur({ url: URL_, token: TOKEN, liveUrl: LIVE_URL });

export async function newProject(client = auteur): Promise<string> {
  const { id } = await unwrap(client.api.POST("/projects", { body: { name: "Client" } }));
  return id;
}

/** Upload one of the recordings that come with the stack. */
export async function uploadSample(name: string, projectId: string): Promise<Media> {
  const file = await openAsBlob(`${env("AUTEUR_SAMPLES")}/${name}`);
  return auteur.upload(file, { projectId, filename: basename(name) });
}

/** A WAV file of silence, of about so many bytes. */
export function silence(bytes: number): Blob {
  const rate = 48_000;
  const head = new DataView(new ArrayBuffer(44));
  const text = (at: number, words: string) =>
    [...words].forEach((letter, n) => head.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF"), head.setUint32(4, 36 + bytes, true), text(8, "WAVEfmt ");
  head.setUint32(16, 16, true), head.setUint16(20, 1, true), head.setUint16(22, 1, true);
  head.setUint32(24, rate, true), head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true), head.setUint16(34, 16, true);
  text(36, "data"), head.setUint32(40, bytes, true);
  return new Blob([head, new Uint8Array(bytes)], { type: "audio/wav" });
}

export async function collect<T>(items: AsyncIterable<T>, limit = Infinity): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) {
    result.push(item);
    if (result.length >= limit) break;
  }
  return result;
}

function env(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests run against a stack.`);
  return value;
}
