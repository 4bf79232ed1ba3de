/** The bar between two panes: dragged by pointer, or moved by arrow keys. */

import { useRef } from "preact/hooks";
import { type PaneName, PANES, paneSizes, setPaneSize } from "./panes";

const STEP_PX = 24;

interface SplitterProps {
  pane: PaneName;
  label: string;
  /** The edge of the pane that the bar is at. */
  edge: "left" | "right" | "top";
}

export function Splitter({ pane, label, edge }: SplitterProps) {
  const start = useRef<{ at: number; size: number } | null>(null);
  const [least, greatest, first] = PANES[pane];
  const isHorizontal = edge === "top";
  const sign = edge === "right" ? 1 : -1;
  const position = (event: PointerEvent) => (isHorizontal ? event.clientY : event.clientX);
  const press = (event: PointerEvent) => {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    start.current = { at: position(event), size: paneSizes.value[pane] };
    event.preventDefault();
  };
  const drag = (event: PointerEvent) => {
    if (start.current) setPaneSize(pane, start.current.size + sign * (position(event) - start.current.at));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const forward = isHorizontal ? "ArrowDown" : "ArrowRight";
    const back = isHorizontal ? "ArrowUp" : "ArrowLeft";
    if (event.key === forward) setPaneSize(pane, paneSizes.value[pane] + sign * STEP_PX);
    else if (event.key === back) setPaneSize(pane, paneSizes.value[pane] - sign * STEP_PX);
    else if (event.key === "Home") setPaneSize(pane, least);
    else if (event.key === "End") setPaneSize(pane, greatest);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class={`splitter splitter-${pane}`}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={isHorizontal ? "horizontal" : "vertical"}
      aria-valuemin={least}
      aria-valuemax={greatest}
      aria-valuenow={paneSizes.value[pane]}
      title="Drag to resize; double-click for the first size"
      onPointerDown={press}
      onPointerMove={drag}
      onPointerUp={() => (start.current = null)}
      onPointerCancel={() => (start.current = null)}
      onDblClick={() => setPaneSize(pane, first)}
      onKeyDown={onKeyDown}
    />
  );
}
