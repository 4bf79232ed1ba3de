/** Pictures of the page, drawn with lines; each stands beside words or has a label. */

const PATHS = {
  alert: "M12 8v5m0 3.5v.01M12 3 2 20h20z",
  back: "M15 5l-7 7 7 7",
  check: "M4 12.5l5 5L20 6.5",
  close: "M6 6l12 12M18 6L6 18",
  coin: "M12 3a9 9 0 100 18 9 9 0 000-18zm0 4.5v9m2.5-7H11a1.75 1.75 0 000 3.5h2a1.75 1.75 0 010 3.5H9.5",
  download: "M12 4v11m-4.5-4.500L12 15l4.5-4.500M5 20h14",
  film: "M4 5h16v14H4zM8 5v14m8-14v14M4 12h16M4 8.500h4m8 0h4M4 15.500h4m8 0h4",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 4M15 9.500h.01",
  help: "M9.5 9.500a2.5 2.5 0 115 .2c0 1.6-2.5 2-2.5 3.800m0 3v.01M12 3a9 9 0 100 18 9 9 0 000-18z",
  moon: "M20 14.500A8.5 8.5 0 119.5 4a7 7 0 0010.5 10.500z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  play: "M8 5.500v13l11-6.500z",
  plus: "M12 5v14M5 12h14",
  retry: "M5 12a7 7 0 107-7c-2.5 0-4.5 1-6 3M6 4v4h4",
  sound: "M5 10v4h3l5 4V6L8 10zm11-1.500a5 5 0 010 7m2.5-9.500a8.5 8.5 0 010 12",
  spark: "M12 3l2 6.500L20.5 12 14 14l-2 6.500L10 14l-6.5-2L10 9.500z",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zm0-5v2m0 14v2M3 12h2m14 0h2M5.6 5.600L7 7m10 10l1.4 1.400m0-12.800L17 7M7 17l-1.4 1.4",
  trash: "M5 7h14M10 7V4.500h4V7m-7.5 0l1 13h9l1-13",
  upload: "M12 16V5m-4.5 4.500L12 5l4.5 4.500M5 20h14",
  user: "M12 12a4 4 0 100-8 4 4 0 000 8zm-7.5 8.500c1-4 4-5.5 7.5-5.500s6.5 1.5 7.5 5.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="glyph" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
