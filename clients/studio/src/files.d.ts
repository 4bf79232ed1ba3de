/** Files that the bundler copies; the import is their address. */
declare module "*.mp4" {
  const address: string;
  export default address;
}
