/** A button that opens a short list of actions; closed by Escape, by a press outside, and by an action. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icons";

interface MenuProps {
  label: string;
  icon: IconName;
  children: ComponentChildren;
}

export function Menu({ label, icon, children }: MenuProps) {
  const details = useRef<HTMLDetailsElement>(null);
  const close = () => (details.current!.open = false);
  useEffect(() => {
    const onPress = (event: PointerEvent) => details.current?.contains(event.target as Node) || close();
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !details.current!.open) return;
    close();
    details.current!.querySelector("summary")!.focus();
    event.stopPropagation();
  };
  return (
    <details class="menu" ref={details} onKeyDown={onKeyDown}>
      <summary class="icon" aria-label={label} title={label}><Icon name={icon} /></summary>
      <div class="menu-body" onClick={(event) => (event.target as Element).closest("button") && close()}>
        {children}
      </div>
    </details>
  );
}
