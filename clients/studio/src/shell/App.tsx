/** The whole page: sign-in, the open project or the list of projects, and the dialogs. */

import { signal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { CreditsDialog } from "../panels/Credits";
import { HelpDialog } from "../panels/Help";
import { Preview } from "../panels/Preview";
import { Projects } from "../panels/Projects";
import { Workspace } from "../panels/Workspace";
import { loadAccount } from "./account";
import { attempt, connect, isAway } from "./connection";
import { Notices } from "./notices";
import { openProjectId } from "./router";
import { hasExpired, isSignedIn } from "./session";
import { SignIn } from "./SignIn";
import { TopBar } from "./TopBar";

const isOpen = signal(false);

export function App() {
  useSignalEffect(() => {
    if (!isSignedIn.value || isOpen.peek()) return;
    isOpen.value = true;
    connect();
    void attempt(loadAccount);
  });
  useEffect(() => {
    // A file that is dropped outside a drop zone must not replace the page.
    const keep = (event: DragEvent) => event.preventDefault();
    addEventListener("dragover", keep);
    addEventListener("drop", keep);
  }, []);
  if (!isSignedIn.value) return <SignIn />;
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <TopBar />
      {isAway.value && (
        <p class="banner" role="status">
          You are offline. The studio reconnects and saves your edits automatically.
        </p>
      )}
      {openProjectId.value ? <Workspace key={openProjectId.value} id={openProjectId.value} /> : <Projects />}
      <CreditsDialog />
      <HelpDialog />
      <Preview />
      {hasExpired.value && <SignIn isAgain />}
      <Notices />
    </>
  );
}
