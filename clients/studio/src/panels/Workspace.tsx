/** A project that is open: media, the cut, and the work on it. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { type Media } from "auteur-client";
import { Editor, EditorStore } from "../editor";
import { attempt } from "../shell/connection";
import { notify } from "../shell/notices";
import { ProjectStore } from "../shell/project";
import { client } from "../shell/session";
import { openStore } from "../shell/TopBar";
import { DeliverPanel } from "./Deliver";
import { FeaturesPanel } from "./Features";
import { JobsPanel } from "./Jobs";
import { MediaPanel } from "./Media";

const TABS = ["Work", "Jobs", "Deliver"] as const;
type Tab = (typeof TABS)[number];

export function Workspace({ id }: { id: string }) {
  const store = useMemo(() => new ProjectStore(id), [id]);
  const cut = useMemo(() => new EditorStore(client, id, notify), [id]);
  useSignalEffect(() => {
    if (!store.delivered.value) return;
    void cut.refresh();
    cut.renewMedia();
  });
  const tab = useSignal<Tab>("Work");
  useEffect(() => {
    openStore.value = store;
    void attempt(() => store.load());
    const look = () => void (document.hidden || cut.refresh());
    addEventListener("focus", look);
    return () => {
      removeEventListener("focus", look);
      store.close();
      cut.close();
      openStore.value = null;
    };
  }, [store]);
  document.title = `${store.project.value?.name ?? "Project"} · Auteur Studio`;
  const add = (media: Media) => cut.addMedia(media);
  const open = store.openJobs.value.length;
  return (
    <main class="workspace" id="main">
      <h1 class="hidden" dir="auto">{store.project.value?.name ?? "Project"}</h1>
      <MediaPanel store={store} onAdd={add} />
      <section class="stage" aria-label="The cut">
        <Editor client={client} projectId={id} store={cut} notify={notify} />
      </section>
      <section class="panel side" aria-label="Work on it">
        <Tabs value={tab.value} onChange={(next) => (tab.value = next)} counts={{ Jobs: open }} />
        <div class="tab-body" role="tabpanel" id="tab-body" aria-labelledby={`tab-${tab.value}`}>
          {tab.value === "Work" && <FeaturesPanel store={store} onStarted={() => (tab.value = "Jobs")} />}
          {tab.value === "Jobs" && <JobsPanel store={store} />}
          {tab.value === "Deliver" && <DeliverPanel store={store} isTimelineEmpty={!cut.durationMs.value} />}
        </div>
      </section>
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
    <div class="tabs" role="tablist" aria-label="Work on it" onKeyDown={move}>
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
