import type { Edl } from "auteur-client";

export type Track = Edl["tracks"][number];
export type Clip = Track["clips"][number];
export type Segment = Edl["transcript"]["segments"][number];
export type Word = Segment["words"][number];
