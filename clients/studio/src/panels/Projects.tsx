/** All projects of the person, and the way to a new one: drop a film. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Project, unwrap } from "auteur-client";
import { attempt, missed } from "../shell/connection";
import { when } from "../shell/format";
import { Icon } from "../shell/icons";
import { addressOf, openProject } from "../shell/router";
import { client } from "../shell/session";
import { bring } from "../shell/uploads";
import { DropZone } from "./DropZone";

/** So many are listed; the search finds the others. */
const MOST_SHOWN = 60;

export function Projects() {
  const projects = useSignal<Project[] | null>(null);
  const search = useSignal("");
  useEffect(() => {
    document.title = "Auteur Studio";
    const timer = setTimeout(
      () =>
        attempt(async () => {
          const query = { limit: MOST_SHOWN, ...(search.value ? { search: search.value } : {}) };
          projects.value = (await unwrap(client.api.GET("/projects", { params: { query } }))).projects;
        }),
      search.value ? 250 : 0,
    );
    return () => clearTimeout(timer);
  }, [search.value, missed.value]);

  const begin = (files: File[]) =>
    attempt(async () => {
      const name = files[0]?.name.replace(/\.\w+$/, "") ?? "Untitled";
      const project = await unwrap(client.api.POST("/projects", { body: { name } }));
      if (files.length) bring(project.id, files);
      openProject(project.id);
    });

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
        <button type="button" class="primary" onClick={() => begin([])}>
          <Icon name="plus" /> New project
        </button>
      </div>
      <DropZone onFiles={begin} isLarge={projects.value?.length === 0 && !search.value}>
        <strong>Drop a film here to begin</strong>
        <span>or choose one. It becomes a project of its own.</span>
      </DropZone>
      <ul class="cards" aria-busy={projects.value === null}>
        {projects.value?.map((project) => (
          <li key={project.id}>
            <a class="project" href={addressOf(project.id)}>
              <span class="thumb">
                {project.thumbnail_url ? <img src={project.thumbnail_url} alt="" loading="lazy" /> : <Icon name="film" />}
              </span>
              <strong dir="auto">{project.name}</strong>
              <small class="muted">{when(project.updated_at)}</small>
            </a>
          </li>
        ))}
      </ul>
      {projects.value?.length === 0 && search.value && <p class="empty">No project is called that.</p>}
    </main>
  );
}
