/** Icons of Lucide; each stands beside words or has a label. */

import {
  AudioLines, Captions, Check, CircleHelp, CircleUserRound,
  Copy, Download, EllipsisVertical, Eye, Eraser, FileText, Film, Gem, Image, Library, ListChecks, Lock,
  type IconNode, Maximize, Mic, Minimize, Minus, Moon, MessageCircleQuestion, Pause, Pencil, Play, Plus, Redo2, RotateCcw, Scissors,
  Share, Shrink, Smile, Sparkles, Sun, Trash2, TriangleAlert, Undo2, Upload, VolumeX, WandSparkles, X,
} from "lucide";
import { h } from "preact";

const ICONS = {
  alert: TriangleAlert,
  ask: MessageCircleQuestion,
  captions: Captions,
  check: Check,
  close: X,
  coin: Gem,
  copy: Copy,
  download: Download,
  export: Share,
  eye: Eye,
  fillers: Eraser,
  film: Film,
  fullscreen: Maximize,
  help: CircleHelp,
  image: Image,
  jobs: ListChecks,
  lock: Lock,
  media: Library,
  minimize: Minimize,
  minus: Minus,
  moon: Moon,
  more: EllipsisVertical,
  pause: Pause,
  performance: Smile,
  pencil: Pencil,
  play: Play,
  plus: Plus,
  redo: Redo2,
  retry: RotateCcw,
  scissors: Scissors,
  shrink: Shrink,
  silences: VolumeX,
  sound: AudioLines,
  spark: Sparkles,
  sun: Sun,
  text: FileText,
  tools: WandSparkles,
  trash: Trash2,
  undo: Undo2,
  upload: Upload,
  user: CircleUserRound,
  voice: Mic,
} satisfies Record<string, IconNode>;

export type IconName = keyof typeof ICONS;

const BY_FEATURE: Record<string, IconName> = {
  audio_generation: "sound",
  compression: "shrink",
  gaze_redirection: "eye",
  image_generation: "image",
  lip_sync: "voice",
  performance_cloning: "performance",
  render: "film",
  transcription: "text",
  tts: "voice",
  video_generation: "film",
  video_query: "ask",
};

export function iconOf(featureType: string): IconName {
  return BY_FEATURE[featureType] ?? "spark";
}

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="glyph" viewBox="0 0 24 24" aria-hidden="true">
      {ICONS[name].map(([tag, attributes]) => h(tag, attributes))}
    </svg>
  );
}
