/** Names and help of features and their parameters, as people read them. */

import { words } from "./format";
import type { Feature, Parameter } from "./types";

/** The presentation of a parameter in a form. */
export interface Wording {
  label: string;
  help?: string;
  /** Values to choose from, each with its words. */
  choices?: Record<string, string>;
  /** The words of the choice to leave the value out. */
  empty?: string;
  /** The words of a last choice, which allows any other value. */
  other?: string;
  /** The value that the form starts with. */
  initial?: string;
  /** How many units of the API one unit of the form is. */
  factor?: number;
  /** True if the form requires it although the API does not. */
  isRequired?: boolean;
  /** Shown below "More options". */
  isAdvanced?: boolean;
}

const FEATURES: Record<string, string> = {
  audio_generation: "Sound generation",
  compression: "Compression",
  gaze_redirection: "Eye contact",
  image_generation: "Image generation",
  lip_sync: "Lip sync",
  performance_cloning: "Performance cloning",
  render: "Render",
  transcription: "Transcription",
  tts: "Voice-over",
  video_generation: "Video generation",
  video_query: "Ask about a video",
};

const RESOLUTIONS: Record<string, string> = {
  "1920x1080": "1080p, wide (1920 × 1080)",
  "1280x720": "720p, wide (1280 × 720)",
  "3840x2160": "4K, wide (3840 × 2160)",
  "1080x1920": "1080p, tall (1080 × 1920)",
  "720x1280": "720p, tall (720 × 1280)",
  "1080x1080": "Square (1080 × 1080)",
};

/** The languages of the speech model; the draft engine has English only. */
const LANGUAGE_CODES = `
  af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr
  ht hu hy id is it ja ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa
  pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
`.trim().split(/\s+/);

/** By the name of a parameter, or by feature and name where one feature differs. */
const PARAMETERS: Record<string, Wording> = {
  audio_media_id: { label: "Speech", help: "The recording that the person says." },
  captions: {
    label: "Captions in the video",
    choices: { none: "None", burned: "Part of the picture", embedded: "A track that viewers can turn on" },
  },
  codec: {
    label: "Video codec",
    choices: { h264: "H.264", hevc: "HEVC (H.265)", av1: "AV1" },
    empty: "The usual one for the purpose",
    isAdvanced: true,
  },
  count: { label: "Number of images" },
  driving_media_id: { label: "Performance", help: "A video of the person who acts." },
  duration_ms: { label: "Length in seconds", initial: "5", factor: 1000, isRequired: true },
  enhance_face: { label: "Enhance the face", help: "Restores detail in the new lower half of the face." },
  format: {
    label: "File format",
    choices: { mp4: "MP4 video", webm: "WebM video", mov: "MOV video", m4a: "M4A, sound only" },
  },
  height: { label: "Height in pixels", help: "A multiple of 16.", initial: "576" },
  language: { label: "Language" },
  loudness_lufs: {
    label: "Loudness (LUFS)",
    choices: { "-14": "-14, for streaming", "-16": "-16, for podcasts", "-23": "-23, for television" },
    empty: "As in the mix",
    other: "Another loudness …",
  },
  media_id: { label: "File" },
  prompt: { label: "Description" },
  "audio_generation.prompt": { label: "Description", help: "For example: heavy rain, distant thunder." },
  "video_generation.prompt": { label: "Description", help: "What is seen, and how it moves." },
  proxy: { label: "Quick preview", help: "Renders a small version fast." },
  question: { label: "Question" },
  resolution: { label: "Resolution", choices: RESOLUTIONS, empty: "As in the project", other: "Another resolution …" },
  "video_generation.resolution": {
    label: "Shape",
    choices: { "832x480": "Wide (832 × 480)", "480x832": "Tall (480 × 832)", "624x624": "Square (624 × 624)" },
  },
  seed: {
    label: "Seed",
    help: "The same seed with the same settings makes the same result again. Leave empty for a random one.",
    isAdvanced: true,
  },
  source_media_id: { label: "Portrait", help: "A picture of one person, or a video that starts with one." },
  speaker_diarization: { label: "Label speakers", help: "Shows who speaks when." },
  speed: { label: "Speed", help: "1 is normal, 2 is twice as fast." },
  target: { label: "Look at", choices: { camera: "The camera" } },
  "compression.target": {
    label: "Purpose",
    choices: {
      web: "For the web (H.264, up to 1080p)",
      archive: "For an archive (HEVC, no visible loss)",
      "10MB": "At most 10 MB",
      "25MB": "At most 25 MB",
      "100MB": "At most 100 MB",
    },
    other: "Another size …",
    initial: "web",
    help: "A size is a number with its unit, such as 40 MB.",
  },
  text: { label: "Text", help: "Up to 5,000 characters; fewer for non-Latin scripts or slow speech." },
  video_media_id: { label: "Video" },
  voice_id: { label: "Voice", help: "The stock voice, or a voice that you have recorded." },
  width: { label: "Width in pixels", help: "A multiple of 16.", initial: "1024" },
};

/** Return the name of a feature or of a job's type. */
export function featureName(type: string): string {
  return FEATURES[type] ?? words(type);
}

/** Return the presentation of a parameter; unknown features keep the API's texts. */
export function wordingOf(feature: Feature, name: string, parameter: Parameter): Wording {
  const wording = PARAMETERS[`${feature.type}.${name}`] ?? PARAMETERS[name];
  const isOurs = feature.type in FEATURES;
  const title = "title" in parameter && typeof parameter.title === "string" ? parameter.title : "";
  if (!wording || !isOurs) return { label: title || words(name), help: plain(parameter.description) };
  const languages = feature.type === "transcription" && name === "language" ? language(feature) : {};
  return { ...wording, ...(title ? { label: title } : {}), ...languages };
}

function language(feature: Feature): Partial<Wording> {
  if (!feature.is_draft) return { choices: LANGUAGES };
  return { choices: { en: "English" }, help: "The draft engine understands English only." };
}

const names = new Intl.DisplayNames(["en"], { type: "language" });
const LANGUAGES: Record<string, string> = Object.fromEntries(
  LANGUAGE_CODES.map((code) => [code, names.of(code) ?? code]).sort(([, a], [, b]) => a!.localeCompare(b!)),
);

/** Descriptions are Markdown; text between backticks is shown as it is. */
function plain(text: string): string {
  return text.replace(/`/g, "");
}
