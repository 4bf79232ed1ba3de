/** Captions over a picture, about as a render burns them in. */

import type { CaptionsStyle } from "./captions";

interface CaptionBoxProps {
  style: CaptionsStyle;
  lines: readonly string[];
  /** Width of the picture divided by its height. */
  ratio: number;
}

export function CaptionBox({ style, lines, ratio }: CaptionBoxProps) {
  const outline = style.outline_color && {
    WebkitTextStroke: `${style.outline_percent / 50}em ${style.outline_color}`,
    paintOrder: "stroke fill",
  };
  const letters = {
    color: style.color,
    backgroundColor: style.background_color ?? "transparent",
    fontStyle: style.font === "italic" ? "italic" : "normal",
    fontWeight: style.bold ? 700 : 400,
    textTransform: style.uppercase ? "uppercase" : "none",
    ...outline,
  } as const;
  return (
    <div class="caption-frame" style={{ "--ratio": String(ratio) }} aria-hidden="true">
      <div
        class={`caption caption-${style.position} caption-${style.alignment}`}
        style={{ fontSize: `${style.size_percent}cqmin` }}
        dir="auto"
      >
        {lines.map((line) => <span key={line} style={letters}>{line}</span>)}
      </div>
    </div>
  );
}
