/** Times, sizes and amounts as people read them. */

import type { Feature } from "./types";

const SIZES = ["bytes", "kB", "MB", "GB", "TB"];

/** Minutes and seconds; with hours where there are any. */
export function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const end = `${String(m).padStart(h ? 2 : 1, "0")}:${String(s).padStart(2, "0")}`;
  return h ? `${h}:${end}` : end;
}

export function size(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < SIZES.length - 1; unit++) value /= 1000;
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${SIZES[unit]}`;
}

export function credits(amount: number): string {
  return `${amount.toLocaleString()} ${amount === 1 ? "credit" : "credits"}`;
}

export function percent(part: number): string {
  return `${Math.floor(part * 100)} %`;
}

/** Return a time as briefly as possible. */
export function when(at: string): string {
  const time = new Date(at);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday
    ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : time.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
}

/** Date and time, for lists of what may be days old. */
export function dateAndTime(at: string): string {
  return new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** The price of a feature before anything is chosen, such as "2 + 1 credit per minute". */
export function tariff({ price }: Feature): string {
  if (price.credits === null || price.per === null) return "";
  const unit =
    price.unit === "ms" ? (price.per === 60_000 ? "minute" : price.per < 60_000 ? `${price.per / 1000} s` : `${price.per / 60_000} minutes`)
    : price.unit === "sec" ? (price.per === 1 ? "second" : `${price.per} s`)
    : price.unit === "count" ? (price.per === 1 ? "result" : `${price.per} results`)
    : `${price.per} ${price.unit ?? ""}`;
  return `${price.base ? `${price.base} + ` : ""}${credits(price.credits)} per ${unit}`;
}

/** Return the approximate time until then; "" if it has passed. */
export function until(at: string | null): string {
  const seconds = at ? Math.round((Date.parse(at) - Date.now()) / 1000) : 0;
  if (seconds <= 0) return "";
  return seconds < 90 ? `about ${seconds} s left` : `about ${Math.round(seconds / 60)} min left`;
}

/** A name of the API as words: `loudness_lufs` is "Loudness lufs". */
export function words(name: string): string {
  const text = name.replace(/_(ids?|media_id)$/, "").replace(/[_-]+/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
