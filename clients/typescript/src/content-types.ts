/** Guesses content types by file name: browsers and Node.js do not know all that can be uploaded. */

const BY_SUFFIX: Record<string, string> = {
  aac: "audio/aac",
  aif: "audio/aiff",
  aiff: "audio/aiff",
  avi: "video/x-msvideo",
  avif: "image/avif",
  flac: "audio/flac",
  gif: "image/gif",
  heic: "image/heic",
  heif: "image/heif",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  m4a: "audio/mp4",
  m4v: "video/mp4",
  mkv: "video/x-matroska",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  mxf: "application/mxf",
  ogg: "audio/ogg",
  opus: "audio/opus",
  png: "image/png",
  ts: "video/mp2t",
  wav: "audio/wav",
  webm: "video/webm",
  webp: "image/webp",
};

const UNKNOWN = "application/octet-stream";

/** What the browser says of the file, without parameters, or else what its name says. */
export function contentType(filename: string, declared: string): string {
  const [type = ""] = declared.split(";");
  if (type && type !== UNKNOWN) return type;
  return BY_SUFFIX[filename.toLowerCase().split(".").at(-1) ?? ""] ?? UNKNOWN;
}
