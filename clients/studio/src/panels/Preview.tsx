/** One media file, played as large as the window allows. */

import { signal } from "@preact/signals";
import { Dialog } from "../shell/Dialog";
import { MediaView } from "./MediaView";

export const previewed = signal<string | null>(null);

export function Preview() {
  if (!previewed.value) return null;
  const close = () => (previewed.value = null);
  return (
    <Dialog title="Preview" class="wide" onClose={close}>
      <MediaView key={previewed.value} mediaId={previewed.value} />
    </Dialog>
  );
}
