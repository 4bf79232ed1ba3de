/** One project in the list: its picture, name and age, and what can be done with it. */

import { useSignal } from "@preact/signals";
import { type Project, unwrap } from "auteur-client";
import { attempt } from "../shell/connection";
import { Dialog } from "../shell/Dialog";
import { dateAndTime } from "../shell/format";
import { Icon } from "../shell/icons";
import { Menu } from "../shell/Menu";
import { done } from "../shell/notices";
import { addressOf } from "../shell/router";
import { client } from "../shell/session";

const MAX_NAME_LENGTH = 255;

interface ProjectCardProps {
  project: Project;
  /** Called after the list of projects has changed. */
  onChange: () => Promise<void>;
}

export function ProjectCard({ project, onChange }: ProjectCardProps) {
  const dialog = useSignal<"rename" | "delete" | null>(null);
  const close = () => (dialog.value = null);
  const params = { path: { project_id: project.id } };
  const change = (action: () => Promise<unknown>, message: string) =>
    attempt(async () => {
      await action();
      close();
      await onChange();
      done(message);
    });
  const rename = (event: SubmitEvent) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget as HTMLFormElement).get("name")).trim();
    if (!name) return;
    void change(() => unwrap(client.api.PATCH("/projects/{project_id}", { params, body: { name } })), `Renamed to ${name}.`);
  };
  const copy = () => {
    const name = `${project.name.slice(0, MAX_NAME_LENGTH - 5)} copy`;
    void change(() => unwrap(client.api.POST("/projects/{project_id}/copies", { params, body: { name } })), `Copied as ${name}.`);
  };
  const remove = () =>
    change(() => unwrap(client.api.DELETE("/projects/{project_id}", { params })), `${project.name} was deleted.`);
  return (
    <li class="project-item">
      <a class="project" href={addressOf(project.id)}>
        <span class="thumb">
          {project.thumbnail_url ? <img src={project.thumbnail_url} alt="" loading="lazy" /> : <Icon name="film" />}
        </span>
        <strong dir="auto">{project.name}</strong>
        <small class="muted"><time dateTime={project.updated_at}>{dateAndTime(project.updated_at)}</time></small>
      </a>
      <Menu label={`Actions for ${project.name}`} icon="more">
        <button type="button" onClick={() => (dialog.value = "rename")}><Icon name="pencil" /> Rename</button>
        <button type="button" onClick={copy}><Icon name="copy" /> Copy</button>
        <button type="button" onClick={() => (dialog.value = "delete")}><Icon name="trash" /> Delete</button>
      </Menu>
      {dialog.value === "rename" && (
        <Dialog title="Rename the project" class="narrow" onClose={close}>
          <form class="stack" onSubmit={rename}>
            <label>Name <input name="name" defaultValue={project.name} maxLength={MAX_NAME_LENGTH} required dir="auto" /></label>
            <div class="buttons"><button class="primary">Rename</button></div>
          </form>
        </Dialog>
      )}
      {dialog.value === "delete" && (
        <Dialog title="Delete the project?" class="narrow" onClose={close}>
          <p>
            <strong dir="auto">{project.name}</strong> and its files are deleted for good. Copies of this project that
            use its files lose them.
          </p>
          <div class="buttons">
            <button type="button" class="danger" onClick={remove}><Icon name="trash" /> Delete</button>
            <button type="button" onClick={close}>Cancel</button>
          </div>
        </Dialog>
      )}
    </li>
  );
}
