/** The projects of the user, and the ways to start one: a file, an empty project, the sample. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Project, unwrap } from "auteur-client";
import sample from "../../../../auteur/devstack/samples/interview.mp4";
import { attempt, missed } from "../shell/connection";
import { Icon } from "../shell/icons";
import { openProject } from "../shell/router";
import { client } from "../shell/session";
import { upload } from "../shell/uploads";
import { DropZone } from "./DropZone";
import { ProjectCard } from "./ProjectCard";

/** At most this many are listed; the search finds the others. */
const MAX_SHOWN = 60;
const TYPING_MS = 250;
const SAMPLE_NAME = "Sample interview";

export function Projects() {
  const projects = useSignal<Project[] | null>(null);
  const search = useSignal("");
  const load = () =>
    attempt(async () => {
      const query = { limit: MAX_SHOWN, ...(search.value ? { search: search.value } : {}) };
      projects.value = (await unwrap(client.api.GET("/projects", { params: { query } }))).projects;
    });
  useEffect(() => {
    document.title = "Auteur Studio";
    const timer = setTimeout(load, search.value ? TYPING_MS : 0);
    return () => clearTimeout(timer);
  }, [search.value, missed.value]);

  const start = (name: string, files: File[]) =>
    attempt(async () => {
      const project = await unwrap(client.api.POST("/projects", { body: { name } }));
      if (files.length) upload(project.id, files);
      openProject(project.id);
    });
  const startWith = (files: File[]) => start(files[0]?.name.replace(/\.\w+$/, "") || "Untitled", files);
  const startSample = () =>
    attempt(async () => {
      const answer = await fetch(sample);
      if (!answer.ok) throw new Error("The sample recording cannot be read from this server.");
      await start(SAMPLE_NAME, [new File([await answer.blob()], "interview.mp4", { type: "video/mp4" })]);
    });
  const isEmpty = projects.value?.length === 0 && !search.value;

  return (
    <main class="projects" id="main">
      <div class="bar">
        <h1>Projects</h1>
        <input
          type="search"
          placeholder="Search"
          aria-label="Search projects"
          value={search.value}
          onInput={(event) => (search.value = event.currentTarget.value)}
        />
        <button type="button" onClick={startSample}>
          <Icon name="play" /> Sample project
        </button>
        <button type="button" class="primary" onClick={() => start("Untitled", [])}>
          <Icon name="plus" /> New project
        </button>
      </div>
      <DropZone onFiles={startWith} isLarge={isEmpty}>
        <strong>Drop a video here to start a project</strong>
        <span>or choose a file. No video at hand? Try the sample.</span>
      </DropZone>
      <ul class="cards" aria-busy={projects.value === null}>
        {projects.value?.map((project) => <ProjectCard key={project.id} project={project} onChange={load} />)}
      </ul>
      {projects.value?.length === 0 && search.value && <p class="empty">No project has this name.</p>}
    </main>
  );
}
