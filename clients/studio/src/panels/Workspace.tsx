/** A project that is open: media, player and timeline, and the tools. */

import { untracked, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Media } from "auteur-client";
import { Editor, EditorStore } from "../editor";
import { attempt } from "../shell/connection";
import { Icon, type IconName } from "../shell/icons";
import { done, notify } from "../shell/notices";
import { paneSizes } from "../shell/panes";
import { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import { Splitter } from "../shell/Splitter";
import { openStore } from "../shell/TopBar";
import { uploaded } from "../shell/uploads";
import { ExportPanel } from "./Export";
import { FeaturesPanel } from "./Features";
import { JobsPanel } from "./Jobs";
import { MediaPanel } from "./Media";
import { TranscriptOffer } from "./TranscriptOffer";

const TABS = ["Tools", "Jobs", "Export"] as const;
type Tab = (typeof TABS)[number];

/** The views that a phone shows one at a time; larger windows show all of them. */
type View = "Edit" | "Media" | Tab;
const VIEWS: Record<View, IconName> = { Edit: "scissors", Media: "media", Tools: "tools", Jobs: "jobs", Export: "export" };

export function Workspace({ id }: { id: string }) {
  const store = useMemo(() => new ProjectStore(id), [id]);
  const cut = useMemo(() => new EditorStore(client, id, notify), [id]);
  useSignalEffect(() => {
    if (!store.delivered.value) return;
    void cut.refresh();
    cut.renewMedia();
  });
  const tab = useSignal<Tab>("Tools");
  const view = useSignal<View>("Edit");
  const show = (next: View) => {
    view.value = next;
    if (next !== "Edit" && next !== "Media") tab.value = next;
  };
  useEffect(() => {
    openStore.value = store;
    void attempt(() => store.load());
    const refresh = () => void (document.hidden || cut.refresh());
    addEventListener("focus", refresh);
    return () => {
      removeEventListener("focus", refresh);
      store.close();
      cut.close();
      openStore.value = null;
    };
  }, [store]);
  document.title = `${store.project.value?.name ?? "Project"} · Auteur Studio`;
  const add = (media: Media) => {
    const undo = cut.addMedia(media);
    if (undo) done(`${media.name} is on the timeline.`, { label: "Undo", run: undo });
  };
  useSignalEffect(() => {
    const files = uploaded.value.filter(({ projectId }) => projectId === id);
    if (!files.length || !cut.edl.value) return;
    untracked(() => {
      uploaded.value = uploaded.value.filter(({ projectId }) => projectId !== id);
      for (const { media } of files) add(media);
    });
  });
  const { media, side, transcript, timeline } = paneSizes.value;
  const open = store.openJobs.value.length;
  return (
    <main
      class="workspace"
      id="main"
      data-view={view.value}
      style={{
        "--pane-media": `${media}px`,
        "--pane-side": `${side}px`,
        "--pane-transcript": `${transcript}px`,
        "--pane-timeline": `${timeline}px`,
      }}
    >
      <h1 class="hidden" dir="auto">{store.project.value?.name ?? "Project"}</h1>
      <MediaPanel store={store} onAdd={add} />
      <Splitter pane="media" label="Width of the media list" edge="right" />
      <section class="stage" aria-label="Editor">
        <Editor
          client={client}
          projectId={id}
          store={cut}
          notify={notify}
          offer={<TranscriptOffer store={store} cut={cut} />}
        />
      </section>
      <Splitter pane="side" label="Width of the tools" edge="left" />
      <section class="panel side" aria-label="Tools, jobs and export">
        <Tabs value={tab.value} onChange={show} counts={{ Jobs: open }} />
        <div class="tab-body" role="tabpanel" id="tab-body" aria-labelledby={`tab-${tab.value}`}>
          {tab.value === "Tools" && <FeaturesPanel store={store} onStarted={() => show("Jobs")} />}
          {tab.value === "Jobs" && <JobsPanel store={store} onAdd={add} />}
          {tab.value === "Export" && <ExportPanel store={store} cut={cut} />}
        </div>
      </section>
      <nav class="views" aria-label="Parts of the project">
        {(Object.keys(VIEWS) as View[]).map((name) => (
          <button key={name} type="button" aria-current={view.value === name ? "page" : undefined} onClick={() => show(name)}>
            <Icon name={VIEWS[name]} />
            {name}
            {name === "Jobs" && open ? <span class="count">{open}</span> : null}
          </button>
        ))}
      </nav>
    </main>
  );
}

interface TabsProps {
  value: Tab;
  onChange: (tab: Tab) => void;
  counts: Partial<Record<Tab, number>>;
}

function Tabs({ value, onChange, counts }: TabsProps) {
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = TABS[(TABS.indexOf(value) + step + TABS.length) % TABS.length]!;
    onChange(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Tools, jobs and export" onKeyDown={move}>
      {TABS.map((tab) => (
        <button
          key={tab}
          id={`tab-${tab}`}
          type="button"
          role="tab"
          aria-selected={tab === value}
          aria-controls="tab-body"
          tabIndex={tab === value ? 0 : -1}
          onClick={() => onChange(tab)}
        >
          {tab}
          {counts[tab] ? <span class="count">{counts[tab]}</span> : null}
        </button>
      ))}
    </div>
  );
}
