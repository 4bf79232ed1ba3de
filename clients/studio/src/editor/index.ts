export { Editor, type EditorProps } from "./Editor";
export { EditorStore, type Conflict, type Selection } from "./store";
