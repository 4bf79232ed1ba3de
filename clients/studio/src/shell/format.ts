/** Times, sizes and amounts as people read them. */

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

/** When, as shortly as it is clear. */
export function when(at: string): string {
  const time = new Date(at);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday
    ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : time.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
}

/** How long until then, roughly; "" where that is over. */
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
