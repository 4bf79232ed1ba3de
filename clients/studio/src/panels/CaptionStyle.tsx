/** How captions look that are part of the picture, with a preview. */

import type { EditorStore } from "../editor";
import { CaptionBox, type CaptionsStyle, DEFAULT_STYLE, styleOf } from "../editor";

const SAMPLE = ["Captions look like this", "in the finished video."];
const FONTS = { sans: "Sans serif", italic: "Italic", cjk: "Chinese, Japanese, Korean" };
const POSITIONS = { top: "Top", middle: "Middle", bottom: "Bottom" };
const ALIGNMENTS = { left: "Left", center: "Centered", right: "Right" };
const SIZES = { least: 2, greatest: 12, step: 0.5 };
const OUTLINE = "#000000";
const WIDE = 16 / 9;
/** The length of `#RRGGBB`; two further digits are the opacity. */
const RGB_LENGTH = 7;

export function CaptionStyle({ cut }: { cut: EditorStore }) {
  const style = styleOf(cut.edl.value);
  const change = (changes: Partial<CaptionsStyle>) => {
    cut.showsCaptions.value = true;
    cut.apply([{ op: "set_captions_style", style: { ...style, ...changes } }]);
  };
  return (
    <details class="caption-style">
      <summary>Caption style</summary>
      <div class="stack">
        <div class="caption-sample">
          <CaptionBox style={style} lines={SAMPLE.slice(0, style.max_lines)} ratio={WIDE} />
        </div>
        <div class="caption-fields">
          <Choice label="Font" choices={FONTS} value={style.font} onChange={(font) => change({ font })} />
          <label>
            Size
            <input
              type="range"
              min={SIZES.least}
              max={SIZES.greatest}
              step={SIZES.step}
              value={style.size_percent}
              onChange={(event) => change({ size_percent: Number(event.currentTarget.value) })}
            />
          </label>
          <Choice label="Position" choices={POSITIONS} value={style.position} onChange={(position) => change({ position })} />
          <Choice label="Alignment" choices={ALIGNMENTS} value={style.alignment} onChange={(alignment) => change({ alignment })} />
          <Colour label="Text color" value={style.color} onChange={(color) => change({ color })} />
          <Colour
            label="Background"
            value={style.background_color}
            initial={DEFAULT_STYLE.background_color!}
            onChange={(background_color: string | null) => change({ background_color })}
          />
          <Colour
            label="Outline"
            value={style.outline_color}
            initial={OUTLINE}
            onChange={(outline_color: string | null) => change({ outline_color })}
          />
          <span />
          <label class="check">
            <input type="checkbox" checked={style.bold} onChange={(event) => change({ bold: event.currentTarget.checked })} /> Bold
          </label>
          <label class="check">
            <input type="checkbox" checked={style.uppercase} onChange={(event) => change({ uppercase: event.currentTarget.checked })} />
            Capital letters
          </label>
        </div>
        <p class="muted note">For <em>Captions in the video</em>: Part of the picture.</p>
      </div>
    </details>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  choices: Record<T, string>;
  value: T;
  onChange: (value: T) => void;
}

function Choice<T extends string>({ label, choices, value, onChange }: ChoiceProps<T>) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {Object.entries<string>(choices).map(([choice, words]) => <option key={choice} value={choice}>{words}</option>)}
      </select>
    </label>
  );
}

type ColourProps =
  | { label: string; value: string; initial?: never; onChange: (value: string) => void }
  | { label: string; value: string | null; initial: string; onChange: (value: string | null) => void };

/** A color; with `initial`, one that can be turned off. Its opacity stays. */
function Colour({ label, value, initial, onChange }: ColourProps) {
  const opacity = (value ?? initial ?? "").slice(RGB_LENGTH);
  return (
    <div class="colour">
      <label>
        {label}
        <input
          type="color"
          disabled={value === null}
          value={(value ?? initial ?? OUTLINE).slice(0, RGB_LENGTH).toLowerCase()}
          onChange={(event) => onChange(`${event.currentTarget.value.toUpperCase()}${opacity}`)}
        />
      </label>
      {initial !== undefined && (
        <label class="check">
          <input
            type="checkbox"
            aria-label={`${label} on`}
            checked={value !== null}
            onChange={(event) => onChange(event.currentTarget.checked ? initial : null)}
          />
          On
        </label>
      )}
    </div>
  );
}
