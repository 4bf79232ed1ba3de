/** The store of an open timeline. Edits show at once and are sent in order; none is lost. */

import { batch, computed, effect, signal } from "@preact/signals";
import {
  type Auteur,
  type Edited,
  type Edl,
  type Media,
  type MediaDetail,
  NotSignedInError,
  type Operation,
  ProblemError,
  StaleEditError,
  unwrap,
} from "auteur-client";
import { applyEarly } from "./foresight";
import { applyPatch } from "./patch";
import { durationOf, endOf, playing } from "./timing";

/** URLs of media work for 15 minutes. */
const MEDIA_FRESH_MS = 12 * 60_000;
/** The interval of polling for pictures of a file. */
const PICTURES_LOOK_MS = 2_500;
const OFFLINE_PAUSE_MS = 3_000;
/** Statuses that do not concern the edit: not signed in, timeout, too many requests. */
const PASSING: ReadonlySet<number> = new Set([401, 408, 429]);
/** The length of a picture that is put on the timeline. */
const PICTURE_MS = 5_000;

type Patch = Edited["patch"];
type Edit =
  | { operations: Operation[]; patch?: never; step?: never }
  | { operations?: never; patch: Patch; step?: never }
  | { operations?: never; patch?: never; step: "undo" | "redo" };

export interface Selection {
  clipIds: readonly string[];
  mediaId: string | null;
}

/** The timeline was changed by others while our edits were being sent; those wait. */
export interface Conflict {
  theirVersion: number;
}

export class EditorStore {
  readonly playheadMs = signal(0);
  readonly playing = signal(false);
  readonly selection = signal<Selection>({ clipIds: [], mediaId: null });
  readonly conflict = signal<Conflict | null>(null);
  /** Captions are shown over the player. */
  readonly showsCaptions = signal(false);
  /** The server cannot be reached; edits are sent when it can. */
  readonly offline = signal(false);
  /** A description of the last edit for the user. */
  readonly said = signal("");
  readonly media = signal<ReadonlyMap<string, MediaDetail>>(new Map());
  /** Files that this browser cannot play. */
  readonly unplayable = signal<ReadonlySet<string>>(new Set());

  /** The server's timeline, at `version`. */
  readonly #base = signal<Edl | null>(null);
  readonly #edits = signal<readonly Edit[]>([]);
  /** The timeline with all edits that are not sent yet. */
  readonly edl = computed(() => {
    const base = this.#base.value;
    return (
      base &&
      this.#edits.value.reduce(
        (edl, { operations = [], patch }) => (patch ? applyPatch(edl, patch) : applyEarly(edl, operations)),
        base,
      )
    );
  });
  readonly version = computed(() => this.#base.value?.version ?? 0);
  readonly unsaved = computed(() => this.#edits.value.length);
  readonly durationMs = computed(() => (this.edl.value ? durationOf(this.edl.value) : 0));
  /** How many edits can be undone and redone after all have been sent. */
  readonly #depths = computed(() => {
    const { undo_depth: undo = 0, redo_depth: redo = 0 } = this.#base.value ?? {};
    return this.#edits.value.reduce(
      (depths, { step }) =>
        step === "undo" ? { undo: depths.undo - 1, redo: depths.redo + 1 }
        : step === "redo" ? { undo: depths.undo + 1, redo: depths.redo - 1 }
        : { undo: depths.undo + 1, redo: 0 },
      { undo, redo },
    );
  });
  readonly canUndo = computed(() => this.#depths.value.undo > 0);
  readonly canRedo = computed(() => this.#depths.value.redo > 0);
  readonly #fetched = new Map<string, number>();
  /** The timers that poll files whose pictures do not exist yet. */
  readonly #looks = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #end: () => void;
  #isClosed = false;
  #sending = false;
  #sent: { edit: Edit; version: number; idempotencyKey: string } | null = null;

  constructor(
    private readonly client: Auteur,
    private readonly projectId: string,
    private readonly notify: (error: unknown) => void,
  ) {
    this.#end = effect(() => {
      const edl = this.edl.value;
      if (!edl) return;
      const used = new Set(edl.tracks.flatMap((track) => track.clips.map((clip) => clip.media_file_id)));
      for (const id of used) void this.needMedia(id);
    });
  }

  /** Stop polling; waiting edits are still sent. */
  close(): void {
    this.#end();
    for (const timer of this.#looks.values()) clearTimeout(timer);
    this.#isClosed = true;
  }

  /** Read the timeline and apply waiting edits to it. */
  async load(): Promise<void> {
    const edl = await this.#read();
    if (edl.version >= this.version.peek()) this.#base.value = edl;
  }

  /** Read changes by jobs or other windows, unless edits wait. */
  async refresh(): Promise<void> {
    if (this.#edits.peek().length) return;
    await this.load().catch(() => undefined); // the next edit will tell
  }

  /** Read the media again: pictures and waveforms are made after the upload. */
  renewMedia(): void {
    for (const id of this.#fetched.keys()) void this.needMedia(id, true);
  }

  apply(operations: Operation[]): void {
    if (operations.length) this.#enqueue({ operations });
  }

  undo(): void {
    if (this.canUndo.value) this.#enqueue({ step: "undo" });
  }

  redo(): void {
    if (this.canRedo.value) this.#enqueue({ step: "redo" });
  }

  /** Apply our edits to the changed timeline, or discard them. */
  resolveConflict(keep: "mine" | "theirs"): void {
    batch(() => {
      if (keep === "theirs") this.#edits.value = [];
      this.conflict.value = null;
    });
    void this.#send();
  }

  /** Put a whole media file at the end of the first track of its kind; return a function that undoes that. */
  addMedia(media: Media): (() => void) | null {
    const edl = this.edl.value;
    if (!edl) return null;
    const type = media.type === "audio" ? "audio" : "video";
    const track = edl.tracks.find((candidate) => candidate.type === type);
    const track_id = track?.id ?? crypto.randomUUID();
    const clip_id = crypto.randomUUID();
    const operations: Operation[] = track
      ? []
      : [{ op: "add_track", type, name: type === "audio" ? "Sound" : "Video", track_id }];
    operations.push({
      op: "add_clip",
      track_id,
      clip_id,
      media_file_id: media.id,
      start_ms: track ? Math.max(0, ...playing(track).map(endOf)) : 0,
      in_point_ms: 0,
      out_point_ms: media.duration_ms ?? PICTURE_MS,
    });
    this.apply(operations);
    return () => this.#removeMedia(clip_id, track ? null : track_id);
  }

  /** Delete a clip, and the track that was added for it, unless that has other clips by now. */
  #removeMedia(clip_id: string, addedTrackId: string | null): void {
    const tracks = this.edl.value?.tracks ?? [];
    const index = tracks.findIndex(
      ({ id, clips }) => id === addedTrackId && clips.every((clip) => clip.id === clip_id),
    );
    if (index === -1) {
      this.apply([{ op: "delete_clip", clip_id, mode: "gap" }]);
      return;
    }
    const path = `/tracks/${index}`;
    const patch: Patch = [
      { op: "test", path: `${path}/id`, value: addedTrackId },
      { op: "remove", path },
    ];
    this.#enqueue({ patch });
  }

  seek(ms: number): void {
    this.playheadMs.value = Math.min(Math.max(0, ms), this.durationMs.value);
  }

  select(clipIds: readonly string[]): void {
    const clips = this.edl.value?.tracks.flatMap((track) => track.clips) ?? [];
    const mediaId = clips.find((clip) => clip.id === clipIds[0])?.media_file_id ?? null;
    this.selection.value = { clipIds, mediaId };
  }

  /** Load a file with its URLs, and again before they expire. */
  async needMedia(id: string, isAnew = false): Promise<void> {
    const age = Date.now() - (this.#fetched.get(id) ?? -Infinity);
    if (age < MEDIA_FRESH_MS && !isAnew) return;
    this.#fetched.set(id, Date.now());
    try {
      const params = { path: { media_id: id } };
      const media = await unwrap(this.client.api.GET("/media/{media_id}", { params }));
      this.media.value = new Map(this.media.value).set(id, media);
      this.#lookAgain(media);
    } catch (error) {
      this.#fetched.delete(id);
      if (!(error instanceof ProblemError && error.status === 404)) this.notify(error);
    }
  }

  /** Poll a file until its stills and waveform exist. */
  #lookAgain({ id, derivatives }: MediaDetail): void {
    clearTimeout(this.#looks.get(id));
    if (this.#isClosed || derivatives.status === "done" || derivatives.status === "failed") return;
    this.#looks.set(id, setTimeout(() => void this.needMedia(id, true), PICTURES_LOOK_MS));
  }

  cannotPlay(mediaId: string): void {
    this.unplayable.value = new Set(this.unplayable.value).add(mediaId);
  }

  #enqueue(edit: Edit): void {
    this.#edits.value = [...this.#edits.value, edit];
    void this.#send();
  }

  /** Send waiting edits one by one, until there is a conflict. */
  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#edits.value.length && !this.conflict.value) await this.#sendFirst();
    } finally {
      this.#sending = false;
    }
  }

  async #sendFirst(): Promise<void> {
    const [edit] = this.#edits.value;
    const base = this.#base.value;
    if (!edit || !base) return;
    try {
      const edited = await this.#make(edit, base.version);
      this.offline.value = false;
      batch(() => {
        this.#base.value = after(base, edited);
        this.#drop();
      });
      this.#say(edited);
    } catch (error) {
      if (error instanceof StaleEditError) await this.#meet(base);
      else if (isFinal(error)) {
        this.#drop();
        this.notify(error);
      } else {
        this.offline.value = !(error instanceof NotSignedInError);
        await new Promise((resolve) => setTimeout(resolve, OFFLINE_PAUSE_MS));
      }
    }
  }

  /** Send an edit; its idempotency key for each version prevents a second effect of a retry. */
  #make(edit: Edit, version: number): Promise<Edited> {
    if (this.#sent?.edit !== edit || this.#sent.version !== version) {
      this.#sent = { edit, version, idempotencyKey: crypto.randomUUID() };
    }
    const { idempotencyKey } = this.#sent;
    if (edit.operations) {
      return this.client.edit(this.projectId, edit.operations, { version, idempotencyKey });
    }
    const header = { "If-Match": `"${version}"`, "Idempotency-Key": idempotencyKey };
    const params = { path: { project_id: this.projectId }, header };
    if (edit.patch) {
      const headers = { "Content-Type": "application/json-patch+json" };
      return unwrap(
        this.client.api.PATCH("/projects/{project_id}/edl", { params, headers, body: edit.patch }),
      );
    }
    return unwrap(
      edit.step === "undo"
        ? this.client.api.POST("/projects/{project_id}/edl/undo", { params })
        : this.client.api.POST("/projects/{project_id}/edl/redo", { params }),
    );
  }

  /** Handle a changed timeline; the result of a job is no conflict. */
  async #meet(base: Edl): Promise<void> {
    const theirs = await this.#read().catch(() => null);
    if (!theirs) return;
    this.#base.value = theirs;
    if (JSON.stringify(theirs.tracks) === JSON.stringify(base.tracks)) return;
    this.conflict.value = { theirVersion: theirs.version };
  }

  #read(): Promise<Edl> {
    const params = { path: { project_id: this.projectId } };
    return unwrap(this.client.api.GET("/projects/{project_id}/edl", { params }));
  }

  #drop(): void {
    this.#edits.value = this.#edits.value.slice(1);
  }

  #say({ removed }: Edited): void {
    this.said.value = (removed ?? [])
      .map(({ op, count, cut_ms }) => {
        const what = op === "cut_silences" ? "pause" : "filler word";
        const cut = `Cut ${count} ${what}${count === 1 ? "" : "s"}, ${(cut_ms / 1000).toFixed(1)} s.`;
        return count ? cut : `No ${what}s found.`;
      })
      .join(" ");
  }
}

/** Return true if the server refuses an edit finally, so that it is not sent again. */
function isFinal(error: unknown): boolean {
  return error instanceof ProblemError && error.status < 500 && !PASSING.has(error.status);
}

function after(base: Edl, edited: Edited): Edl {
  const { version, undo_depth, redo_depth, duration_ms, patch } = edited;
  const next = applyPatch(base, patch);
  return { ...next, version, undo_depth, redo_depth, settings: { ...next.settings, duration_ms } };
}
