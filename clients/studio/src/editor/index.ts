export { Editor, type EditorProps } from "./Editor";
export { CaptionBox } from "./CaptionBox";
export { type CaptionsStyle, DEFAULT_STYLE, styleOf } from "./captions";
export { EditorStore, type Conflict, type Selection } from "./store";
