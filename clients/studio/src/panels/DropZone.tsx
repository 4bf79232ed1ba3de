/** A field where files are dropped or chosen. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { accepted } from "../shell/account";
import { Icon } from "../shell/icons";

interface DropZoneProps {
  onFiles: (files: File[]) => void;
  isLarge?: boolean;
  children: ComponentChildren;
}

export function DropZone({ onFiles, isLarge = false, children }: DropZoneProps) {
  const isOver = useSignal(false);
  const take = (files: FileList | null | undefined) => {
    if (files?.length) onFiles([...files]);
  };
  return (
    <label
      class={`drop ${isOver.value ? "over" : ""} ${isLarge ? "large" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={() => (isOver.value = false)}
      onDrop={(event) => {
        event.preventDefault();
        isOver.value = false;
        take(event.dataTransfer?.files);
      }}
    >
      <Icon name="upload" />
      <span class="drop-text">{children}</span>
      <input
        type="file"
        class="hidden"
        multiple
        accept={[...accepted.value, ".mkv", ".mxf", ".ts"].join(",")}
        onChange={(event) => {
          take(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
    </label>
  );
}
